"""Cores that feed a GPU, and the days of a run: worked out by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from egocurate.shards.profiles import PROFILES
from egocurate.training.config.recipes import RECIPES
from egocurate.training.monitor.gpu_specs import find_gpu
from egocurate.training.plan.feed import StreamRate, clips_per_core_sec, feeds, read_rates, shortage
from egocurate.training.plan.feed_line import feed_line
from egocurate.training.plan.fit import Fit
from egocurate.training.plan.run_plan import Hardware, plan_run

# 1 ms for a clip, 1 ms for a frame, 1 ns for a pixel.
RATES = [StreamRate(f, s, 1 / (1e-3 + f * 1e-3 + f * s * s * 1e-9)) for f, s in ((4, 100), (16, 100), (16, 200))]
PROFILE = {"mine": (RATES, 1000)}


@pytest.mark.parametrize(("frames", "size"), [(4, 100), (16, 200), (8, 150), (1, 100)])
def test_rates_of_other_frames_and_sizes(frames, size):
    seconds = 1e-3 + frames * 1e-3 + frames * size**2 * 1e-9
    assert clips_per_core_sec(RATES, frames, size) == pytest.approx(1 / seconds)


def test_with_enough_cores_nothing_waits():
    [feed] = feeds(4, 100, (500.0, 1000.0), None, PROFILE)
    assert feed.cores == pytest.approx((2.52, 5.04))
    assert feed.workers == math.ceil(1.2 * 5.04) == 7
    assert feed.data_wait == (0, 0)
    assert feed.bytes_per_clip == 1000


def test_with_too_few_cores_the_gpu_waits_for_its_share():
    """Three workers and the rank's own process on four cores: 595 clips a second, of the 1,000 that the GPU takes."""
    [feed] = feeds(4, 100, (500.0, 1000.0), 4, PROFILE)
    supply = 3 / 5.04e-3
    assert feed.workers == 3
    assert feed.data_wait == pytest.approx((0, 1 - supply / 1000))
    assert feed.most_clips_per_sec == pytest.approx(supply / 0.97)
    [at_limit] = feeds(4, 100, (feed.most_clips_per_sec,) * 2, 4, PROFILE)
    assert at_limit.data_wait == pytest.approx((0.03, 0.03))


def test_the_measured_profiles():
    """Every profile is known; more frames or pixels take longer; a rate that was measured comes out as it is."""
    profiles = read_rates()
    assert set(profiles) == {"train", "fast"} <= set(PROFILES)
    for rates, clip_bytes in profiles.values():
        for rate in rates:
            assert clips_per_core_sec(rates, rate.frames, rate.size) == pytest.approx(rate.clips_per_core_sec)
        assert (
            clips_per_core_sec(rates, 4, 224) > clips_per_core_sec(rates, 8, 224) > clips_per_core_sec(rates, 16, 224)
        )
        assert clips_per_core_sec(rates, 16, 224) > clips_per_core_sec(rates, 16, 288) > 0
        assert 20_000 < clip_bytes < 500_000


def test_workers_that_cannot_feed_a_gpu_are_said_in_a_line():
    """15 workers, 88.8 clips/s each of `train`, 145.2 of `fast`, of 16 frames of 224 pixels, as measured."""
    rates = {name: clips_per_core_sec(known, 16, 224) for name, (known, _) in read_rates().items()}
    supply = 15 * rates["train"]
    line = shortage({"train": 1.0}, 16, 224, (supply / 2, supply / 0.9), 15)
    assert line.startswith(
        f"15 workers give about {supply:,.0f} clips/s of `train`, the GPU takes {supply / 2:,.0f} to"
    )
    assert line.endswith("wait for data 10% of the time; take `fast` shards or data.decode=device or more cores")
    assert shortage({"train": 1.0}, 16, 224, (supply / 2, supply / 0.98), 15) == ""
    fast = shortage({"fast": 1.0}, 16, 224, (1.0, 1e5), 15)
    assert "of `fast`" in fast and fast.endswith("take data.decode=device or more cores")
    mean = 15 / (0.5 / rates["train"] + 0.5 / rates["fast"])
    both = shortage({"train": 0.5, "fast": 0.5}, 16, 224, (1.0, 1e5), 15)
    assert f"about {mean:,.0f} clips/s of `train` and `fast`" in both
    assert shortage({"small": 1.0}, 16, 224, (1.0, 1e5), 15) == shortage({"train": 1.0}, 16, 224, (1, 1e5), 0) == ""


class Data:
    """A stream as far as it says what its shards are."""

    decodes_on_device = False
    weights = (0.25, 0.75)
    indexes = [SimpleNamespace(manifest={"profile": {"name": "train"}})] * 2


def test_a_run_is_warned_by_the_work_of_its_step():
    """A step of 64 clips that takes 10 ms at the peak: 1,920 to 2,560 clips a second at an MFU of 30 to 40 %."""
    config = RECIPES["videomae"]()
    config = replace(config, data=replace(config.data, workers=15))
    assert "the GPU takes 1,920 to 2,560" in feed_line(config, Data, 64, 0.01)
    assert feed_line(config, Data, 64, 1.0) == feed_line(config, Data, 64, 0.0) == ""
    assert feed_line(replace(config, headspace=True), Data, 64, 0.01) == ""
    there = SimpleNamespace(indexes=Data.indexes, weights=Data.weights, decodes_on_device=True)
    assert feed_line(config, there, 64, 0.01) == ""


def plan(recipe, gpus, work=1.0, **changes):
    config = replace(RECIPES[recipe](), **changes)
    fit = Fit(True, 1, False, 1e9, work, flops_per_clip=989.4e9)
    return plan_run(config, Hardware(gpus, find_gpu("h100")), fit, (0.25, 0.5), 1_000_000)


def test_days_of_epochs():
    """A thousand clips of .9894 TFLOP a second at the peak: 250 to 500. Ten epochs of a million pairs of clips."""
    found = plan("egovlp", 8, batch_size=500, epochs=10)
    assert found.clips_per_sec == pytest.approx((250, 500))
    assert (found.steps, found.epochs) == (20_000, 10)
    assert found.days == pytest.approx((2e7 / 4000 / 86400, 2e7 / 2000 / 86400))


def test_days_of_steps():
    """The steps are what is published, without negatives; what is worked out twice takes longer."""
    found = plan("videoprism-stage1", 1, work=4 / 3, max_steps=100, batch_size=1000)
    assert found.clips_per_sec == pytest.approx((187.5, 375))
    assert (found.steps, found.epochs) == (100, 0.1)
    assert found.days == pytest.approx((1e5 / 375 / 86400, 1e5 / 187.5 / 86400))
