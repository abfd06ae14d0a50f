"""The curves: what they are read from, and that a picture comes of it."""

import numpy as np
import pytest
from PIL import Image

from egocurate.training.monitor.curves import draw_curves, read_curves, running_mean

HEAD = "step,loss,mlm,lr,clips_per_sec,data_wait,mfu,mcq_inter,mcq_intra\n"


def test_curves_are_the_cells_that_have_a_value(tmp_path):
    table = tmp_path / "metrics.csv"
    table.write_text(HEAD + "0,,,,,,,20.0,30.0\n5,2.5,1,1e-3,8,.1,,,\n10,nan,1,1e-3,9,.1,,,\n10,,,,,,,40,\n")
    curves = read_curves(table)
    assert set(curves) == {"loss", "mlm", "lr", "clips_per_sec", "data_wait", "mcq_inter", "mcq_intra"}
    assert [part.tolist() for part in curves["mcq_inter"]] == [[0, 10], [20, 40]]
    assert [part.tolist() for part in curves["clips_per_sec"]] == [[5, 10], [8, 9]]


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("points", [1, 300])
def test_a_picture(tmp_path, answered, points):
    lines = [f"{20 * i},{9 / i},1,{1e-3 / i},800,.02,.4,," for i in range(1, points + 1)]
    lines += [f"{20 * points},,,,,,,70,40"] * answered
    (tmp_path / "metrics.csv").write_text(HEAD + "\n".join(lines) + "\n")
    draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
        shown = np.asarray(picture.convert("RGB")).astype(int)
    top = (shown[:350, :690], shown[:350, 730:]) if answered else (shown[:350],)
    for part in (*top, shown[400:, :460], shown[400:, 510:890], shown[400:, 930:]):
        assert (np.ptp(part, axis=2) > 40).sum() > 50  # a curve's color in every panel
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_before_the_first_loss_nothing_is_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text(HEAD + "0,,,,,,,20,20\n")
    draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def testrunning_mean():
    values = np.random.default_rng(0).random(11)
    found = running_mean(values, 3)
    assert found == pytest.approx([values[max(0, i - 3) : i + 4].mean() for i in range(11)])
