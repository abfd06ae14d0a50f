"""The data of training tests, for runs to report on."""

from tests.training.conftest import data, one_core, tiny

__all__ = ["data", "one_core", "tiny"]
