"""Links of the pages lead somewhere, and a path of the repository that a sentence names is there."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, inline_code

LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    if "://" not in target
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=[f"{page.name}-{target}" for page, target in LINKS])
def test_a_link_leads_to_a_file(page, target):
    assert (page.parent / target).exists()


FOLDERS = "commands|curation|shards|loaders|models|training|egocurate|tests|benchmarks|docs|examples"
NAMED = [piece for piece in inline_code() if re.fullmatch(rf"({FOLDERS})/[\w/.-]+", piece.text)]


@pytest.mark.parametrize("piece", [pytest.param(piece, id=f"{piece.place}-{piece.text}") for piece in NAMED])
def test_a_path_within_a_sentence_exists(piece):
    assert (ROOT / piece.text).exists()
