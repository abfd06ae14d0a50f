import torch

from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import THREADS, open_ranks


def test_a_number_of_threads_that_a_user_gives_stays(monkeypatch):
    config = RECIPES["videomae-tiny"]()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        monkeypatch.setenv(THREADS, "3")
        with open_ranks(config):
            assert torch.get_num_threads() == 3
        monkeypatch.delenv(THREADS)
        monkeypatch.setattr("os.cpu_count", lambda: 3)
        with open_ranks(config):
            assert torch.get_num_threads() == 3 - config.data.workers
    finally:
        torch.set_num_threads(before)
