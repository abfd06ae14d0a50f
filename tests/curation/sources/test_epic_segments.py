"""EPIC-KITCHENS-100's labeled segments as a clip table."""

import pytest

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.read_clips import read_clips
from egocurate.errors import InputError

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
LATER = 'P01_11_3,P01,P01_11,00:00:14.460,00:00:14.36,00:01:15.42,1,2,put pizza onto plate,v,1,n,91,"[\'n\']","[91, 2]"'
FIRST = "P01_11_0,P01,P01_11,,00:00:00.50,00:00:01.89,1,113,Take plate.,take,0,plate,2,['plate'],[2]"


@pytest.fixture
def segments(tmp_path):
    def write(*rows):
        path = tmp_path / "EPIC_100_retrieval_test.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        return path

    return write


def test_a_segment_is_a_clip_from_its_start_to_its_stop(segments):
    table = read_clips(segments(LATER, FIRST))
    assert table.column_names == CLIP_SCHEMA.names
    first, later = table.to_pylist()
    assert (first["key"], later["key"]) == ("P01_11-narration_pass_1-00000", "P01_11-narration_pass_1-00003")
    assert (later["clip_start"], later["clip_end"], later["narration_time"]) == (14.36, 75.42, 14.46)
    assert first["narration_time"] == 0.5  # it has none of its own
    assert (first["text"], first["clip_text"]) == ("take plate", "#C C Take plate.")
    assert (later["tag_verb"], later["tag_noun"]) == ([1], [2, 91])
    assert (first["clip_idx"], first["video_dur"]) == (0, 75.42)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("P01_11_0", "P01_11_x", "narration_id has 'P01_11_x'"),
        ("P01_11_0", "P01_11_3", "again"),
        ("00:00:00.50", "half", "row 2: start_timestamp has 'half'"),
        ("[2]", "2", "all_noun_classes has '2'"),
        ("take,0,", "take,zero,", "verb_class has 'zero'"),
    ],
)
def test_what_is_not_as_published_is_named(segments, old, new, words):
    with pytest.raises(InputError, match=words.replace("[", r"\[")):
        read_clips(segments(LATER, FIRST.replace(old, new)))
