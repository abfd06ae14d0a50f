"""Checkpoints, runs and weights of strangers: one line, or exactly what the files say; nothing of them is run."""

import io
import json
import os
import pickle
import shutil
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.tokenizer import load_tokenizer, train_tokenizer
from egocurate.models.videoprism.model import VideoPrism
from egocurate.models.weights import read_weights
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_files import write_digests
from egocurate.training.run.checkpoint_folders import DIGESTS_FILE
from egocurate.training.run.checkpoints import Checkpoints
from egocurate.training.run.run_folder import RECIPE, find_checkpoint, read_run
from egocurate.training.systems.initial_weights import load_start
from egocurate.training.tasks.features import MADE_BY, FeatureJob, write_features
from tests.fuzz.broken import broken_bytes, broken_json_text
from tests.fuzz.harness import Target
from tests.models.videoprism.test_videoprism import TINY as TINY_PRISM
from tests.models.videoprism.test_videoprism import release_of

CPU = Ranks(0, 1, torch.device("cpu"), False)
TINY = EgoVLPConfig(
    video=VideoConfig(image=32, patch=16, width=16, depth=1, heads=2),
    text=TextConfig(vocab=128, width=16, depth=1, heads=2, max_tokens=16, dropout=0.0),
    projection=8,
)


def config_in(out: Path) -> TrainConfig:
    more = {"shards": ("a/shards",), "out": str(out), "mcq_json": "q.json", "mcq_shards": "mcq"}
    return TrainConfig(system="egovlp", model=TINY, objective=Contrast(), data=StreamConfig(size=32), **more)


class Learner:
    """A small model with its optimizer, and the checkpoints of a run in a folder."""

    def __init__(self, out: Path, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = nn.Linear(40, 30)
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        self.model(torch.ones(1, 40)).sum().backward()
        self.optimizer.step()
        self.ranks = Ranks(0, 1, torch.device("cpu"), False)
        self.checkpoints = Checkpoints(config_in(out), self.ranks, self.model, self.optimizer)

    def state(self):
        state = self.model.state_dict() | {"exp_avg": self.optimizer.state_dict()["state"][0]["exp_avg"]}
        return {name: value.clone() for name, value in state.items()} | {"lr": self.optimizer.param_groups[0]["lr"]}


def make_checkpoint(where: Path, fits: bool) -> Target:
    """Files of a checkpoint with other bytes; with `fits` whoever changed them wrote their digests, too."""
    out = where / f"run {fits}"
    shutil.rmtree(out, ignore_errors=True)
    learned = Learner(out)
    learned.checkpoints.save(1, {"before": {"intra": 0.5}, "stream": {"epoch": 0}})
    learned.checkpoints.finish()
    learned.ranks.ends.close()
    folder = out / "checkpoints" / "step-00000001"
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    expected = learned.state()
    other = Learner(where / "other", seed=1)
    before = pickle.dumps(other.optimizer.state_dict()), {k: v.clone() for k, v in other.model.state_dict().items()}
    other.checkpoints.folder = out / "checkpoints"
    victim = where / "victim"
    command = pickle.dumps(Command(victim))

    def broken(rng, files):
        name = rng.choice(sorted(files))
        if name.endswith(".json") and rng.random() < 0.7:
            return name, broken_json_text(rng, json.loads(files[name]))
        tokens = (
            command,
            b"cos\nsystem\n(S'touch " + str(victim).encode() + b"'\ntR.",
            b"../../",
            bytes(8),
            b"\xff" * 8,
        )
        return name, broken_bytes(rng, files[name], tokens)

    def read(given):
        for name, data in whole.items():
            (folder / name).write_bytes(given[1] if name == given[0] else data)
        if fits and given[0] != DIGESTS_FILE:
            write_digests(folder)
        other.model.load_state_dict(before[1])
        other.optimizer.load_state_dict(pickle.loads(before[0]))
        load_start(nn.Linear(40, 30), str(folder))
        rest = other.checkpoints.load(folder)
        assert not victim.exists(), "a checkpoint ran a command"
        return rest, other.state()

    def right(given, result):
        rest, state = result
        if not fits:
            name, data = given
            as_it_was = data == whole[name] or (name == DIGESTS_FILE and json.loads(data) == json.loads(whole[name]))
            return as_it_was and same(state, expected)
        said = json.loads((folder / "run.json").read_text())
        unchanged = given[0] in ("run.json", DIGESTS_FILE)
        return said == rest and isinstance(rest["step"], int) and (not unchanged or same(state, expected))

    name = f"checkpoint folder, digests {'made to fit' if fits else 'as they were'}"
    return Target(name, [whole], broken, read, right, hang_sec=60)


class Command:
    """Whoever unpickles this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) if isinstance(one[key], torch.Tensor) else one[key] == other[key]
        for key in one
    )


@pytest.mark.parametrize("fits", [False, True], ids=["digests as they were", "digests made to fit"])
def test_checkpoints(tmp_path, clean, fits):
    clean(make_checkpoint(tmp_path, fits), 120)


def test_recipe(tmp_path, clean):
    whole = json.loads(json.dumps(asdict(config_in(tmp_path / "run"))))
    run = tmp_path / "run"
    run.mkdir()

    def read(data):
        (run / RECIPE).write_bytes(data)
        with suppress(InputError):  # most are other settings than those of now
            find_checkpoint(config_in(run), resume=True)
        return read_run(run, [])

    def right(data, config):
        said, read_back = json.loads(data), json.loads(json.dumps(asdict(config)))
        # What was not saved, as an earlier version had no such setting, has its default.
        set_anew = {"out": str(run), "start": "", "video_weights": ""}
        given = _flat(said) | set_anew
        return all(repr(value) == repr(given[key]) for key, value in _flat(read_back).items() if key in given)

    clean(Target("recipe.json", [whole], broken_json_text, read, right), 400)


def _flat(value, prefix=""):
    flat = {}
    for key, one in value.items():
        flat |= _flat(one, f"{prefix}{key}.") if isinstance(one, dict) else {prefix + key: one}
    return flat


def make_tokenizer(where: Path) -> Target:
    folder = where / "tokenizer"
    tokenizer = train_tokenizer([f"#C C takes the cup {n} and opens a door" for n in range(20)], vocab=80)
    tokenizer.save_pretrained(folder)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    texts = ["#C C takes the cup 3", "opens", "", "é x"]
    expected = tokenizer(texts)["input_ids"]

    def broken(rng, files):
        name = rng.choice(sorted(files))
        return name, broken_json_text(rng, json.loads(files[name]))

    def read(given):
        for name, data in whole.items():
            (folder / name).write_bytes(given[1] if name == given[0] else data)
        try:
            found = load_tokenizer(str(folder))
        except ValueError as error:
            raise InputError(str(error)) from error
        return found(texts, truncation=True, max_length=16)["input_ids"], len(found)

    def right(given, result):
        ids, size = result
        as_they_were = given[1] == whole[given[0]]
        of_the_file = all(type(token) is int and token >= 0 for row in ids for token in row)
        return len(ids) == len(texts) and of_the_file and size >= 0 and (not as_they_were or ids == expected)

    assert expected
    return Target("tokenizer.json", [whole], broken, read, right, hang_sec=20)


def test_tokenizer(tmp_path, clean):
    clean(make_tokenizer(tmp_path), 150)


class NoSystem:
    """Stands in for a model: the videos of these tests are never read."""


def test_features_of_before(tmp_path, clean):
    """What stands in a folder of features: made by what, of which videos."""
    out = tmp_path / "features"
    out.mkdir()
    (tmp_path / "a.mp4").write_bytes(bytes(70))
    job = FeatureJob({"a": tmp_path / "a.mp4"}, out, rate=1.875, frames=4, size=32, workers=0, clips_at_once=4)
    torch.save(torch.zeros(3, 8), out / "a.pt")
    made_by = {"run": "x", "weights": "5:" + "a" * 64, "step": 2, "bf16": False}
    whole = made_by | {"rate": 1.875, "frames": 4, "size": 32, "videos": {"a": 70, "b": 9}}

    def read(data):
        (out / MADE_BY).write_bytes(data)
        return write_features(job, made_by, NoSystem(), CPU, lambda *_: None, lambda line: None)

    def right(data, bad):
        said, now = json.loads(data), json.loads((out / MADE_BY).read_text())
        kept = {key: said[key] for key in whole if key not in ("videos", "run")} | {
            "videos": said["videos"] | {"a": 70}
        }
        return bad == {} and {key: value for key, value in now.items() if key != "run"} == kept

    clean(Target("features.json", [whole], broken_json_text, read, right), 400)


def tensors():
    torch.manual_seed(0)
    return {"a.weight": torch.randn(4, 3), "a.bias": torch.zeros(4), "n": torch.tensor(7), "h": torch.randn(2).half()}


def make_weights(where: Path, suffix: str) -> Target:
    state, path, victim = tensors(), where / f"broken{suffix}", where / "victim"
    if suffix == ".safetensors":
        save_file(state, where / "whole.safetensors")
    elif suffix == ".npz":
        np.savez(where / "whole.npz", **release_of(VideoPrism(TINY_PRISM)))
    elif suffix == ".old.pth":
        torch.save({"state_dict": state, "epoch": 3}, where / "whole.old.pth", _use_new_zipfile_serialization=False)
    else:
        torch.save({"state_dict": state, "epoch": 3}, where / "whole.pth")
    whole = (where / f"whole{suffix}").read_bytes()
    command = pickle.dumps(Command(victim), protocol=2)

    def broken(rng, data):
        if suffix in (".pth", ".npz") and rng.random() < 0.6:
            return _broken_member(rng, data, command)
        return broken_bytes(rng, data, (command, b'{"a":{"dtype":"F64","shape":[99999999999]', b"\xff" * 8, bytes(8)))

    def read(data):
        path.write_bytes(data)
        try:
            return read_weights(str(path)) if suffix != ".npz" else load_start(VideoPrism(TINY_PRISM), str(path))
        except ValueError as error:
            raise InputError(str(error)) from error
        finally:
            assert not victim.exists(), "weights ran a command"

    def right(data, read_back):
        if suffix == ".npz":
            return set(read_back.loaded) <= VideoPrism(TINY_PRISM).state_dict().keys() and bool(read_back.loaded)
        return all(type(name) is str and isinstance(value, torch.Tensor) for name, value in read_back.items())

    return Target(f"weights *{suffix}", [whole], broken, read, right)


def _broken_member(rng, data, command):
    """Return an archive of which one member has other bytes, and its checksum with them."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        chosen = rng.choice(source.namelist())
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, broken_bytes(rng, content, (command, b"\xff" * 8)) if name == chosen else content)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".old.pth", ".npz"])
def test_weights(tmp_path, clean, suffix):
    clean(make_weights(tmp_path, suffix), 150)
