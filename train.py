"""Train EgoVLP on tar shards; it answers EgoMCQ before, during and after.

One process, on a GPU if there is one:
    python train.py egovlp-small --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/1

One machine with 8 GPUs:
    torchrun --standalone --nproc-per-node 8 train.py egovlp \\
        --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/2

Two machines with 8 GPUs each: the same line on both, HOST is one of them, runs/ is on storage that both see:
    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 train.py egovlp \\
        --shards D/shards --mcq-json D/egomcq.json --mcq-shards D/egomcq-shards --out runs/2

To go on after a stop, on any number of GPUs that divides the batch, repeat the line with --resume.
To change a recipe: --set optimiser.lr=1e-4 --set model.video.depth=6 --set negatives=false

OUT gets recipe.json, metrics.csv, tensorboard/, checkpoints/, tokenizer/ (if made from the narrations), result.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedTokenizerBase

from loaders import Batch, InputError, Stream, StreamConfig, stream
from loaders.device import normalise, prefetch
from loaders.headspace import Headspace
from loaders.mcq import MCQDataset
from models.egovlp import EgoVLP
from models.gather import gather
from models.losses import egonce, info_nce
from models.metrics import McqQuestions, mcq_accuracy
from models.optimiser import adamw, learning_rate
from models.tokenizer import load_tokenizer, train_tokenizer
from models.weights import load_vit
from training.config import RECIPES, TrainConfig, egovlp_small, with_setting
from training.run import Checkpoints, Log, Pace, World, claim_run, find_run, open_world, write_json

Report = Callable[[str, int, int], None]
VOCABULARY_TEXTS = 100_000  # of millions of narrations this many show every word that matters


@dataclass(frozen=True)
class TrainResult:
    """EgoMCQ accuracy in percent by type before and after (empty without questions), steps, and clips per second."""

    before: dict[str, float]
    after: dict[str, float]
    steps: int
    clips_per_sec: float
    out: str


def train(
    config: TrainConfig, *, resume: bool = False, report: Report | None = None, say: Callable[[str], None] = print
) -> TrainResult:
    """Run a config to its end, or on from the newest checkpoint of its OUT; raises InputError for a user's mistake.

    Under torchrun every rank calls this; rank 0 writes, says and reports `(stage, done, total)`.
    """
    with open_world(config) as world:
        quiet = not world.main
        report = (lambda *_: None) if quiet or report is None else report
        return _train(config, world, resume, report, (lambda _: None) if quiet else say)


def train_demo(shards: Path, mcq_json: Path, mcq_shards: Path, out: Path, report: Report) -> TrainResult:
    """Run the small recipe on the demo's data, or go on with it, without a word."""
    paths = {"shards": shards, "mcq_json": mcq_json, "mcq_shards": mcq_shards, "out": out}
    config = replace(egovlp_small(), **{name: str(path) for name, path in paths.items()})
    return train(config, resume=True, report=report, say=lambda _: None)


def _train(config: TrainConfig, world: World, resume: bool, report: Report, say: Callable[[str], None]) -> TrainResult:
    checkpoint = find_run(config, resume)
    out, data = Path(config.out), _stream(config, world)
    total = config.epochs * data.steps_per_epoch
    total = min(total, config.max_steps) if config.max_steps else total
    tokenizer, model = _tokenizer_and_model(config, data, world)
    optimiser = adamw(model, config.optimiser)
    checkpoints = Checkpoints(config, world, model, optimiser)
    quiz = Quiz(config, tokenizer, world, report)

    step, before, after = 0, {}, {}
    if checkpoint is not None:
        found = checkpoints.load(checkpoint)
        step, before = found["step"], found["before"]
        data.load_state_dict(found["loader"])
        say(f"goes on from {checkpoint}")
        if step == total and (out / "result.json").exists():
            return TrainResult(**json.loads((out / "result.json").read_text()))
    network: nn.Module = torch.compile(model) if config.compile else model
    if world.size > 1:
        network = DistributedDataParallel(network)

    claim_run(config, world)
    log = Log(out, step if checkpoint else -1, say) if world.main else None
    if log:
        if not config.tokenizer:
            tokenizer.save_pretrained(out / "tokenizer")
        size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        say(f"{size:.1f} M parameters, {len(data.index)} clips, {total} steps on {world.size} x {world.device.type}")
    if step == 0:
        before = quiz.accuracy(model)
        if log:
            log.answers(step, before)

    pace = Pace(config.batch_size * (2 if config.negatives else 1))
    for batch in _batches(config, data, world, total - step, pace):
        # Dropout is a function of seed, step and rank: a resumed run draws what an unbroken one would.
        torch.manual_seed((config.seed * 1_000_003 + step) * 65_536 + world.rank)
        lr = learning_rate(config.optimiser, step, total)
        for group in optimiser.param_groups:
            group["lr"] = lr

        with world.autocast():
            text, video = network(*_tokens(tokenizer, batch.texts, config, world), normalise(batch.frames))
        loss = whole_batch_loss(config, text.float(), video.float(), batch)
        optimiser.zero_grad()
        loss.backward()
        if config.optimiser.clip_grad:
            nn.utils.clip_grad_norm_(model.parameters(), config.optimiser.clip_grad)
        optimiser.step()

        step, pace.steps = step + 1, pace.steps + 1
        report("train", step, total)
        last = step == total
        if last or step % config.log_every == 0:
            value = loss.item()
            if not math.isfinite(value):
                raise InputError(f"the loss is {value} at step {step}: lower optimiser.lr or set optimiser.clip_grad=1")
            if log:
                log.progress(step, total, {"loss": value, "lr": lr, **pace.lap()})
        with pace.spend("aside"):
            if last or step % config.eval_every == 0:
                after = quiz.accuracy(model)
                if log:
                    log.answers(step, after)
            if last or step % config.checkpoint_every == 0:
                checkpoints.save(step, {"loader": data.state_dict(), "before": before})

    after = after or quiz.accuracy(model)  # stopped after the last checkpoint: no step was left to take
    result = TrainResult(before, after, step, pace.clips_per_sec(), str(out))
    if log:
        log.close()
        write_json(out / "result.json", asdict(result))
    return result


def whole_batch_loss(config: TrainConfig, text: Tensor, video: Tensor, batch: Batch) -> Tensor:
    """Return the loss over the rows of all ranks; with DDP's mean over ranks its gradient is exact (see `gather`)."""
    text, video, valid = gather(text), gather(video), gather(batch.valid)
    if config.loss == "info_nce":
        return info_nce(text, video, valid, temperature=config.temperature)
    rule = {"positives": config.positives, "undecided": config.undecided, "temperature": config.temperature}
    return egonce(text, video, gather(batch.verbs), gather(batch.nouns), valid, **rule)


def _stream(config: TrainConfig, world: World) -> Stream:
    settings = StreamConfig(
        frames=config.frames,
        size=config.model.video.image,
        seed=config.seed,
        negatives=config.negatives,
        scale=config.scale,
        flip=config.flip,
        decoder=config.decoder,
        workers=config.workers,
        cache_dir=config.cache_dir or None,
        cache_bytes=config.cache_bytes,
    )
    return stream(config.shards, batch_size=config.batch_size, config=settings, rank=world.rank, world=world.size)


def _batches(config: TrainConfig, data: Stream, world: World, steps: int, pace: Pace) -> Iterator[Batch]:
    """Yield this rank's next batches on its device, from where the stream stands, over the ends of epochs."""
    while steps:
        rest = data.epoch(data.state_dict()["epoch"])
        batches = prefetch(Headspace(rest) if config.headspace else rest, world.device)
        while steps:
            with pace.spend("waiting"):
                batch = next(batches, None)
            if batch is None:
                break
            yield batch
            steps -= 1


def _tokenizer_and_model(config: TrainConfig, data: Stream, world: World) -> tuple[PreTrainedTokenizerBase, EgoVLP]:
    if config.frames > config.model.video.max_frames:
        raise InputError(
            f"frames={config.frames}, but model.video.max_frames={config.model.video.max_frames}: set both"
        )
    torch.manual_seed(config.seed)
    try:
        model = EgoVLP(config.model)
        if config.video_weights:
            load_vit(model.video, config.video_weights)
        if config.tokenizer:
            tokenizer = load_tokenizer(config.tokenizer)
        else:
            samples = range(0, len(data.index), math.ceil(len(data.index) / VOCABULARY_TEXTS))
            tokenizer = train_tokenizer((data.index.row(i).text for i in samples), config.model.text.vocab)
    except ValueError as error:
        raise InputError(str(error)) from error
    if len(tokenizer) > (vocab := model.text.model.config.vocab_size):
        raise InputError(f"the tokenizer has {len(tokenizer)} pieces, the text tower {vocab}: set model.text.vocab")
    return tokenizer, model.to(world.device)


def _tokens(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], config: TrainConfig, world: World
) -> tuple[Tensor, Tensor]:
    """Return ids and mask [M, L]; L is a multiple of 8, so that a compiled model meets few shapes."""
    longest = min(config.max_tokens, config.model.text.max_tokens)
    tokens = tokenizer(
        texts, padding=True, pad_to_multiple_of=8, truncation=True, max_length=longest, return_tensors="pt"
    )
    return tokens["input_ids"].to(world.device), tokens["attention_mask"].to(world.device)


class Quiz:
    """EgoMCQ: distinct clips and texts are embedded once, each rank a part; without questions it has no accuracy."""

    def __init__(self, config: TrainConfig, tokenizer: PreTrainedTokenizerBase, world: World, report: Report) -> None:
        """Read the questions."""
        self.config, self.tokenizer, self.world, self.report = config, tokenizer, world, report
        self.questions, self.texts = None, []
        if config.mcq_json:
            size = config.model.video.image
            self.questions = MCQDataset(config.mcq_json, config.mcq_shards, frames=config.frames, size=size)
            self.texts = self.questions.texts

    @torch.no_grad()
    def accuracy(self, model: EgoVLP) -> dict[str, float]:
        """Return the percentage of right answers by type, the same on every rank; every rank calls this."""
        quiz, world = self.questions, self.world
        if quiz is None:
            return {}
        model.eval()
        clips, texts = self._embed_clips(model, quiz), self._embed_texts(model)
        model.train()
        if world.size > 1:  # the rows of other ranks are 0 here
            dist.all_reduce(clips)
            dist.all_reduce(texts)
        return mcq_accuracy(texts, clips, McqQuestions(quiz.choices, quiz.answers, quiz.types))

    def _embed_clips(self, model: EgoVLP, quiz: MCQDataset) -> Tensor:
        world, done = self.world, 0
        rows = torch.zeros(len(quiz.clips), self.config.model.projection, device=world.device)
        share = {"rank": world.rank, "world": world.size}
        for batch in quiz.mcq_clips(batch_size=64, workers=self.config.workers, **share):
            with world.autocast():
                embedded = model.encode_video(normalise(batch.frames.to(world.device)))
            rows[np.searchsorted(quiz.clips, batch.sample.numpy())] = embedded.float()
            done = min(done + len(batch) * world.size, len(rows))
            self.report("EgoMCQ", done, len(rows))
        return rows

    def _embed_texts(self, model: EgoVLP) -> Tensor:
        world = self.world
        rows = torch.zeros(len(self.texts), self.config.model.projection, device=world.device)
        share = np.array_split(np.arange(len(rows)), world.size)[world.rank]
        for start in range(0, len(share), 256):
            part = share[start : start + 256]
            with world.autocast():
                embedded = model.encode_text(
                    *_tokens(self.tokenizer, [self.texts[i] for i in part], self.config, world)
                )
            rows[part] = embedded.float()
        return rows


def main() -> None:
    """Read the command line and train; a user's mistake is one line and exit status 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "recipe",
        choices=RECIPES,
        help="; ".join(f"{n}: {r.__doc__.splitlines()[0].strip('.')}" for n, r in RECIPES.items()),
    )
    parser.add_argument("--shards", required=True, help="folder of tar shards to learn from")
    parser.add_argument("--mcq-json", default="", help="EgoMCQ's questions; without them nothing is evaluated")
    parser.add_argument("--mcq-shards", default="", help="folder of shards with their clips")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in OUT, if it has one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change what the recipe sets")
    given = parser.parse_args()
    if given.mcq_json and not given.mcq_shards:
        parser.error("--mcq-json needs --mcq-shards")
    try:
        paths = {name: getattr(given, name) for name in ("shards", "mcq_json", "mcq_shards", "out")}
        config = replace(RECIPES[given.recipe](), **paths)
        for setting in given.set:
            config = with_setting(config, setting)
        train(config, resume=given.resume)
    except InputError as error:
        if os.environ.get("RANK", "0") == "0":
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("stopped; the same line with --resume goes on", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
