import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.crops import crop_and_resize
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.views import multi_view_clips
from egocurate.loaders.views.multi_view_clips import MultiViewClips, Views
from egocurate.loaders.views.view_sampling import dense_views, spatial_views
from egocurate.shards.read.index import ShardIndex

TESTED = Views(frames=3, size=32, segments=2, crops=3, pick="stride-2")


def test_a_view_is_its_segment_at_its_crop(index):
    clips = MultiViewClips(index, [5, 30], TESTED)
    shown = clips[0]
    assert len(clips) == 2 and len(TESTED) == 6
    assert shown.shape == (6, 3, 3, 32, 32) and shown.dtype == torch.uint8
    segments = dense_views(int(index.frame_count[5]), 3, 2, stride=2)
    for view in range(6):
        frames = decode_clip(index.read_video(5), segments[view // 3])
        box = spatial_views(*frames.shape[-2:], 3)[view % 3]
        assert torch.equal(shown[view], crop_and_resize(frames, box, 32))
    assert not torch.equal(shown[0], shown[2])


def test_views_are_the_same_each_time_and_a_clip_is_decoded_once(index, monkeypatch):
    clips = MultiViewClips(index, [7], TESTED)
    asked = []
    read = multi_view_clips.read_clip

    def counted(index, sample, indices, decoder):
        asked.append(indices.tolist())
        return read(index, sample, indices, decoder)

    monkeypatch.setattr(multi_view_clips, "read_clip", counted)
    assert torch.equal(clips[0], clips[0])
    assert len(asked) == 2 and all(len(set(frames)) == len(frames) for frames in asked)


def test_a_clip_that_does_not_decode_is_a_text_that_names_it(broken):
    clips = MultiViewClips(ShardIndex.open(broken([3])), [3], TESTED)
    assert clips[0].startswith(f"{clips.index.key(3)} in ")


def test_what_cannot_be_shown_is_refused_at_once(index):
    with pytest.raises(InputError, match="segments 0"):
        Views(segments=0)
    with pytest.raises(InputError, match="no views are picked by 'dense'"):
        Views(pick="dense")
    with pytest.raises(InputError, match="has no label 'verb': there are none"):
        MultiViewClips(index, np.arange(2), TESTED).labels("verb")
