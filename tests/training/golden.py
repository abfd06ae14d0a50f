"""First losses of pre-training by every tiny recipe: `python -m tests.training.golden` writes them anew.

A change that is not meant to alter numbers must leave golden.json as it is; one that is writes it and says why.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from egocurate.training.config.loss_configs import Distillation, LockedContrast
from egocurate.training.config.recipes import PRETRAINING, RECIPES
from egocurate.training.config.train_config import TrainConfig
from tests.training.runs import rows, run, write_data

GOLDEN = Path(__file__).with_name("golden.json")
SYSTEMS = [name.removesuffix("-tiny") for name in PRETRAINING if name.endswith("-tiny")]
STEPS = 5


def config_of(name: str, data: Path, out: Path) -> TrainConfig:
    """Return five steps of a tiny recipe on the tests' clips; the later stages of VideoPrism start from the earlier."""
    config = RECIPES[f"{name}-tiny"]()
    if name == "videoprism-stage2":
        config = replace(config, objective=Distillation(str(out / "videoprism-stage1")))
    if name == "videoprism-lit":
        earlier = {"encoder": str(out / "videoprism-stage2"), "towers": str(out / "videoprism-stage1")}
        config = replace(config, objective=LockedContrast(**earlier))
    return replace(
        config,
        shards=(str(data / "shards"),),
        out=str(out / name),
        data=replace(config.data, workers=0),
        batch_size=8,
        epochs=10,
        max_steps=STEPS,
        log_every=1,
        device="cpu",
    )


def losses(name: str, data: Path, out: Path) -> list[float]:
    """Train and return the loss of each step."""
    torch.set_num_threads(1)
    run(config_of(name, data, out))
    return [loss for (loss,) in rows(out / name, "loss") if loss is not None]


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "runs"
        data.mkdir()
        write_data(data)
        found = {name: losses(name, data, out) for name in SYSTEMS}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
