"""What a step takes by shapes alone, against real steps and against the sizes of the models."""

import pytest

from egocurate.models.counting import count_parameters
from egocurate.training.config.recipes import RECIPES
from tests.training.plan import fake_runs

SMALL = (
    ("egovlp-tiny", 16),
    ("egovlp-tiny", 16, "activation_checkpointing=true"),
    ("egovlpv2-tiny", 8),
    ("videomae-tiny", 16),
    ("videoprism-stage1-tiny", 8),
    ("videoprism-stage2-tiny", 8),
)


@pytest.mark.parametrize("case", SMALL, ids=" ".join(map(str, ())) or None)
def test_a_step_takes_what_was_worked_out(apart, case):
    expected, real = apart(fake_runs.peaks_on_cpu, *case)
    assert expected == pytest.approx(real, rel=0.1)
