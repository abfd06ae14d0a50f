"""A file of sources becomes the settings that the options would have given, or is refused in one line."""

import json

import pytest

from egocurate.errors import InputError
from egocurate.training.config.data_file import with_data_file
from egocurate.training.config.recipes import RECIPES


def read(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_text(text)
    return with_data_file(RECIPES["egovlp-tiny"](), str(path))


def test_sources_become_shards_weights_texts_and_tags(tmp_path):
    text = """
    sources:
      - {shards: a/shards, weight: 3}
      - {shards: s3://bucket/b, weight: 0.5, text: raw, tags: one}
      - {shards: /c, weight: 1}
    """
    config = read(tmp_path, text)
    assert config.shards == (str(tmp_path / "a/shards"), "s3://bucket/b", "/c") and config.weights == (3.0, 0.5, 1.0)
    assert config.data.texts == ("normalized", "raw", "normalized") and config.data.tags == ("own", "one", "own")
    assert config.data.folder_captions == ()


def test_each_source_says_which_captions_it_shows_and_how_often(tmp_path):
    text = """
    sources:
      - {shards: /egoclip, weight: 4, captions: {human: 1, rephrased: 0.5}}
      - {shards: /ego-exo4d, weight: 2}
      - {shards: /narrated, weight: 1, captions: narrator}
    """
    config = read(tmp_path, text)
    assert config.data.folder_captions == ("human:1+rephrased:0.5", "first", "narrator")
    assert [config.data.of_source(number, 3).captions for number in range(3)] == list(config.data.folder_captions)


def test_without_weights_sources_count_by_their_clips_and_json_is_yaml(tmp_path):
    config = read(tmp_path, json.dumps({"sources": [{"shards": "/a"}, {"shards": "/b"}]}))
    assert (config.shards, config.weights, config.data.texts, config.data.tags) == (("/a", "/b"), (), (), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "it is no YAML"),
        ("!!python/object/apply:os.system ['true']", "it is no YAML"),
        ("[1]", "it has not sources alone"),
        ("sources: []", "it has 0 sources"),
        ("sources: [{weight: 1}]", "source 1 names no shards"),
        ("sources: [{shards: /a, wieght: 1}]", "there is no 'wieght'; there are shards, weight, text, tags, captions"),
        ("sources: [{shards: /a, captions: 3}]", "captions is 3; give a text, or kinds with weights"),
        ("sources: [{shards: /a, captions: spoken}]", "source 1: captions 'spoken' is none of first, draw, human"),
        ("sources: [{shards: /a, captions: {human: 0}}]", "captions 'human:0' is none of"),
        ("sources: [{shards: /a, captions: {human: many}}]", "captions 'human:many' is none of"),
        ("sources: [{shards: /a, captions: {}}]", "captions '' is none of"),
        ("sources: [{shards: /a, captions: draw, tags: mine}]", "each caption has its own classes"),
        ("sources: [{shards: /a, weight: much}]", "weight is 'much'; give a number"),
        ("sources: [{shards: /a, weight: true}]", "weight is True; give a number"),
        ("sources: [{shards: /a, weight: -1}]", "weight is -1; give a number above 0"),
        ("sources: [{shards: /a, weight: .nan}]", "weight is nan; give a number above 0"),
        ("sources: [{shards: /a, weight: 1}, {shards: /b}]", "source 2 has no weight"),
        ("sources: [{shards: /a, text: loud}]", "text is 'loud'; give normalized or raw"),
        ("sources: [{shards: 5}]", "shards is 5; give a text"),
    ],
)
def test_what_is_no_list_of_sources_is_one_line(tmp_path, text, words):
    with pytest.raises(InputError) as raised:
        read(tmp_path, text)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        with_data_file(RECIPES["egovlp-tiny"](), str(tmp_path / "none.yaml"))
