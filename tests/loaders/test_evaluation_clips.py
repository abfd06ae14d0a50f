import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.shards.read.index import ShardIndex


def test_clips_are_the_same_frames_each_time_and_their_center(index):
    clips = EvaluationClips(index, [5, 0, 5], frames=3, size=32)
    assert len(clips) == 3 and clips[0].shape == (3, 3, 32, 32) and clips[0].dtype == torch.uint8
    assert torch.equal(clips[0], clips[2]) and not torch.equal(clips[0], clips[1])
    count = int(index.frame_count[5])
    middles = np.array([(2 * t + 1) * count // 6 for t in range(3)])
    frames = decode_clip(index.read_video(5), middles)
    assert torch.equal(clips[0], crop_and_resize(frames, center_view(*frames.shape[-2:]), 32))


def test_frames_that_are_drawn_are_drawn_alike_in_every_evaluation(index):
    first, second = (EvaluationClips(index, [7], frames=2, size=16, pick="segments-random") for _ in range(2))
    assert torch.equal(first[0], second[0])


def test_a_clip_that_does_not_decode_is_a_text_that_names_it(broken):
    clips = EvaluationClips(ShardIndex.open(broken([3])), [2, 3], frames=2, size=16)
    assert isinstance(clips[0], torch.Tensor)
    assert clips[1].startswith(f"{clips.index.key(3)} in ") and clips[1].endswith("not those that were written)")


def test_what_cannot_be_shown_is_refused_at_once(index):
    with pytest.raises(InputError, match="no way to pick frames"):
        EvaluationClips(index, [0], frames=2, size=16, pick="all")
    with pytest.raises(InputError, match="no decoder is called"):
        EvaluationClips(index, [0], frames=2, size=16, decoder="cv2")
