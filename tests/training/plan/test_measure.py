"""What a step takes by shapes alone, against real steps and against the sizes of the models."""

import pytest

from tests.training.plan import fake_runs

SMALL = [
    ("egovlp-tiny", 16),
    ("egovlp-tiny", 16, "activation_checkpointing=true"),
    ("videomae-tiny", 16),
    pytest.param(("egovlpv2-tiny", 8), marks=pytest.mark.slow),
    pytest.param(("videoprism-stage1-tiny", 8), marks=pytest.mark.slow),
    pytest.param(("videoprism-stage2-tiny", 8), marks=pytest.mark.slow),
]
# TFLOP of a clip, forward and backward, and millions of parameters that learn.
BASE = {
    "egovlp": (0.528, 181),
    "egovlpv2": (1.466, 355),
    "videomae": (0.202, 94),
    "videoprism-stage1": (1.694, 290),
    "videoprism-stage2": (3.115, 160),
    "videoprism-lit": (1.640, 180),
}


@pytest.mark.parametrize("case", SMALL, ids=lambda case: " ".join(map(str, case)))
def test_a_step_takes_what_was_worked_out(apart, case):
    expected, real = apart(fake_runs.peaks_on_cpu, *case)
    assert expected == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize("recipe", ["egovlp-tiny", pytest.param("videoprism-stage1-tiny", marks=pytest.mark.slow)])
def test_an_optimizer_keeps_what_was_worked_out(apart, recipe):
    """AdamW two numbers a parameter, Adafactor one a row and one a column; blocks of 512 bytes on the GPU."""
    expected, real = apart(fake_runs.optimizer_bytes, recipe)
    assert real <= expected <= 1.5 * real


@pytest.mark.parametrize("recipe", ["egovlp", "videomae"])
@pytest.mark.slow
def test_a_step_of_the_published_size(apart, recipe):
    """Work is counted as benchmarks count it; a clip more costs the same memory each time; weights are float32."""
    few, more, most = (apart(fake_runs.measure_one, recipe, anchors) for anchors in (4, 8, 12))
    assert few.flops_per_clip == pytest.approx(BASE[recipe][0] * 1e12, rel=0.02)
    assert few.gradients / 4e6 == pytest.approx(BASE[recipe][1], rel=0.02)
    assert few.optimizer == pytest.approx(2 * few.gradients, rel=0.01)
    assert most.activations - more.activations == pytest.approx(more.activations - few.activations, rel=0.1)
    assert more.weights == pytest.approx(few.weights, rel=1e-4)


@pytest.mark.parametrize("recipe", ["egovlp-tiny", "videomae-tiny"])
@pytest.mark.slow
def test_a_large_step_is_on_a_line_through_small_ones(apart, recipe):
    line, measured = apart(fake_runs.measure_large, recipe, 128)
    assert line.activations == pytest.approx(measured.activations, rel=0.03)
    assert line._replace(activations=0) == pytest.approx(measured._replace(activations=0), rel=1e-3)


@pytest.mark.slow
def test_checkpointing_saves_memory_and_counts_no_work(apart):
    plain = apart(fake_runs.measure_one, "egovlp-tiny", 16)
    saving = apart(fake_runs.measure_one, "egovlp-tiny", 16, "activation_checkpointing=true")
    assert saving.activations < 0.7 * plain.activations
    assert saving.flops_per_clip == plain.flops_per_clip
