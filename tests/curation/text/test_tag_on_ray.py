"""Texts are tagged by the workers of a Ray session where one is up: on the nodes of a cluster as on this machine."""

from egocurate.curation.text import tag_table
from egocurate.curation.text.tag_table import tag_distinct
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy
from egocurate.ray_session import ray_session
from egocurate.workers.on_ray import RayWorkers

TEXTS = [f"#C C {verb} the {noun}." for verb in ("opens", "takes", "cuts") for noun in ("door", "cup", "bag", "box")]


def taxonomy(words):
    return Taxonomy(words, {word: (number,) for number, word in enumerate(words)})


def test_the_workers_of_a_session_tag_as_this_process_does(monkeypatch):
    lexicon = Lexicon(taxonomy(["open", "take", "cut"]), taxonomy(["door", "cup", "bag", "box"]))
    alone = tag_distinct(TEXTS, lexicon)
    assert alone.to_pylist() == [{"tag_verb": [verb], "tag_noun": [noun]} for verb in range(3) for noun in range(4)]
    monkeypatch.setattr(tag_table, "WORKERS_FROM", 0)
    monkeypatch.setattr(tag_table, "TEXTS_AT_ONCE", 5)  # three tasks
    sent = []

    def submit(self, key, function, *arguments, as_it_is=RayWorkers.submit):
        sent.append(key)
        as_it_is(self, key, function, *arguments)

    monkeypatch.setattr(RayWorkers, "submit", submit)
    with ray_session():
        assert tag_distinct(TEXTS, lexicon) == alone
    assert sent == [0, 5, 10]
