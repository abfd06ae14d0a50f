"""Ours against the authors' own code, on random weights under the released names: `python -m benchmarks.parity`.

The authors' code is not part of this project. Each comparison runs it from a tree of its own, which an environment
variable names (`trees.py`); where that is not set, the comparison says so in one line and is left out.
"""
