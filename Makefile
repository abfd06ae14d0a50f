PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread each for two workers. One that stood still in C code is ended, and another takes its place: twice at most.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 2

.PHONY: setup demo test slow fuzz lint docs bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs,torchcodec]'
	touch $@

demo: setup  ## everything on invented videos, in a few minutes
	$(BIN)/curate demo --out demo/

test: setup  ## all but the slow ones, which have a target of their own
	$(PYTEST) -m "not slow"

slow: setup  ## kills of whole clusters, compiled towers, the pack for a GPU: before a release
	$(PYTEST) -m slow

fuzz: setup  ## a hundred thousand broken files and more; the counts are in build/fuzz.md
	$(PYTEST) tests/fuzz --fuzz-scale 30 --fuzz-table build/fuzz.md --timeout 3600 -o faulthandler_timeout=3700

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: setup  ## the site, in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build demo *.egg-info
