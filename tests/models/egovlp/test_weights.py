"""Checkpoints with the EgoVLP release's names of the parameters."""

import pytest
import torch

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlp.weights import load_egovlp
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.released_names import recognize

torch.set_num_threads(1)
TINY = EgoVLPConfig(
    video=VideoConfig(image=16, patch=8, max_frames=4, width=8, depth=1, heads=2),
    text=TextConfig(vocab=64, width=12, depth=1, heads=2, max_tokens=16, dropout=0.0),
    projection=6,
)


EGOVLP = ("video_model.", "text_model.", "vid_proj.0.", "txt_proj.")
LAVILA = ("visual.", "textual.", "image_projection.0.", "text_projection.")


@pytest.mark.parametrize(("theirs", "frames"), [(EGOVLP, 2), (EGOVLP, 6), (LAVILA, 2)])
def test_egovlp_checkpoint_loads(theirs, frames, tmp_path):
    torch.manual_seed(0)
    source, target = EgoVLP(TINY), EgoVLP(TINY)
    names = dict(zip(("video.", "text.model.", "vid_proj.", "txt_proj."), theirs, strict=True))
    state = {}
    for name, value in source.state_dict().items():
        ours = next(prefix for prefix in names if name.startswith(prefix))
        state["module." + names[ours] + name.removeprefix(ours)] = value
    state[f"module.{theirs[0]}temporal_embed"] = torch.ones(1, frames, 8)
    torch.save({"state_dict": state}, tmp_path / "egovlp.pth")
    assert recognize(state) == "egovlp"
    report = load_egovlp(target, str(tmp_path / "egovlp.pth"))
    assert (report.missing, report.unused) == ([], [])
    assert target.video.temporal_embed[0, :, 0].tolist() == [1, 1, 0, 0] if frames == 2 else [1, 1, 1, 1]
    torch.testing.assert_close(target.txt_proj[1].weight, source.txt_proj[1].weight)
