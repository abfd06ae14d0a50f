"""The Python of the pages runs as it stands: the blocks of a page one after the other, on small data."""

import contextlib
from itertools import groupby

import pytest

from tests.docs.pages import blocks

PAGES = [(page, list(found)) for page, found in groupby(blocks("python"), lambda block: block.place.rpartition(":")[0])]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "found"), PAGES, ids=[page for page, _ in PAGES])
def test_the_python_of_a_page_runs(page, found, filled):
    names = {"__name__": page}
    with contextlib.chdir(filled.folder):
        for block in found:
            exec(compile(filled.place(block.text), block.place, "exec"), names)
