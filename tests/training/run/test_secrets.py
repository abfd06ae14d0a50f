"""The records of a run tell no secret of the URLs that it was given; the run itself has them as they were given."""

from dataclasses import replace

import pytest
import torch

from egocurate.errors import InputError
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.claim_run import claim_run
from egocurate.training.run.run_folder import find_checkpoint


def config(out, secret):
    url = f"https://ann:{secret}@host.org/shards?sig={secret}"
    return replace(RECIPES["egovlp-tiny"](), shards=(url,), mcq_shards=url, out=str(out))


def test_recipe_and_versions_hold_no_secret_and_a_new_one_resumes(tmp_path, monkeypatch):
    given = config(tmp_path, "pa55word")
    monkeypatch.setattr("sys.argv", ["train.py", "egovlp-tiny", "--set", f"shards={given.shards[0]}"])
    claim_run(given, Ranks(0, 1, torch.device("cpu"), False))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "versions.json"]
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert not [name for name, text in texts.items() if "pa55word" in text]
    assert all("https://REDACTED@host.org/shards?REDACTED" in texts[f"{name}.json"] for name in ("recipe", "versions"))
    find_checkpoint(config(tmp_path, "other"), resume=True)
    with pytest.raises(InputError, match="batch_size"):
        find_checkpoint(replace(config(tmp_path, "other"), batch_size=4), resume=True)
