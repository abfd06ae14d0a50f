"""Data of training tests, made once."""

from unittest import mock

import pytest

from egocurate.loaders.config import StreamConfig
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.tokenizer import train_tokenizer
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.train_config import TrainConfig
from tests.training.runs import STEPS, write_data

TEXTS = ["opens the door", "moves a cup", "takes a red knife"]


@pytest.fixture(scope="session", autouse=True)
def one_core():
    """Let each run think it has one core: threads of several tests at once wait for each other's turn."""
    with mock.patch("egocurate.training.distributed.ranks.os.cpu_count", return_value=1):
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Shards of 26 clips and eight questions about them."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(data):
    """A config for eight steps of four anchors, over the end of the first epoch (six steps); OUT is still open."""
    model = EgoVLPConfig(
        video=VideoConfig(image=32, patch=16, width=16, depth=1, heads=2),
        text=TextConfig(vocab=128, width=16, depth=1, heads=2, max_tokens=16, dropout=0.0),
        projection=8,
    )
    return TrainConfig(
        shards=(str(data / "shards"),),
        mcq_json=str(data / "egomcq.json"),
        mcq_shards=str(data / "shards"),
        system="egovlp",
        model=model,
        objective=Contrast(),
        data=StreamConfig(size=32, workers=0),
        batch_size=4,
        optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2, schedule="cosine", weight_decay=0.1, clip_grad=1.0),
        max_steps=STEPS,
        device="cpu",
        eval_every=4,
        checkpoint_every=2,
        keep_checkpoints=10,
        log_every=1,
    )


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """A tokenizer of TEXTS: its folder."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS * 3, 64).save_pretrained(folder)
    return str(folder)
