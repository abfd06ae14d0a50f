import pandas as pd
import pytest

from egocurate.curation.egomcq.eligible_videos import mcq_videos
from egocurate.errors import InputError

VIDEOS = pd.DataFrame(
    [
        ("train-a", "", 0),
        ("train-b", "train", 1),
        ("val-a", "val", 2),
        ("val-same-scene-as-train-b", "val", 1),
        ("test-a", "test", 3),
    ],
    columns=["video_uid", "split", "scene"],
)


def test_val_leaves_out_scenes_that_egoclip_films():
    assert list(mcq_videos(VIDEOS, "val", None, "column split")["video_uid"]) == ["val-a"]


def test_val_with_a_table_trusts_the_table():
    assert set(mcq_videos(VIDEOS, "val", {"train-a"}, "")["video_uid"]) == {"val-a", "val-same-scene-as-train-b"}
    assert set(mcq_videos(VIDEOS, "val", {"val-a"}, "")["video_uid"]) == {"val-same-scene-as-train-b"}


def test_all_takes_every_video_unless_told_what_was_trained_on():
    assert len(mcq_videos(VIDEOS, "all", None, "")) == 5
    assert set(mcq_videos(VIDEOS, "all", {"train-b"}, "")["video_uid"]) == {"train-a", "val-a", "test-a"}


def test_nothing_left_is_an_error_with_a_way_out():
    with pytest.raises(InputError, match="none of 3 videos is in a val split, by column split; use --videos all"):
        mcq_videos(VIDEOS[VIDEOS["split"] != "val"], "val", None, "column split")
    with pytest.raises(InputError, match="same scene"):
        mcq_videos(VIDEOS, "all", set(VIDEOS["video_uid"]), "")
