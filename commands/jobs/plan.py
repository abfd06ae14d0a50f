"""A plan of a run, found and printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.plan.feed import MOST_WAIT, Feed
from egocurate.training.plan.fit import USABLE, Fit
from egocurate.training.plan.fit_apart import fit_apart
from egocurate.training.plan.run_plan import Hardware, RunPlan, plan_run


def print_plan(
    recipe: str, config: TrainConfig, hardware: Hardware, mfu: tuple[float, float], clips: int, *, as_json: bool
) -> None:
    """Print what a run takes, as a table or as JSON; raises InputError for a config that cannot be built."""
    [fit] = fit_apart(config, hardware.gpus, [hardware.gpu])
    plan = plan_run(config, hardware, fit, mfu, clips)
    if as_json:
        print(json.dumps(as_rows(recipe, hardware, mfu, plan)))
    else:
        print("\n".join(lines(recipe, config, hardware, mfu, plan)))


def as_rows(recipe: str, hardware: Hardware, mfu: tuple[float, float], plan: RunPlan) -> dict[str, object]:
    """Return the plan as plain values by name; pairs are from the low to the high MFU."""
    feeds = {feed.profile: feed._asdict() | {"disk_bytes": feed.bytes_per_clip * plan.clips} for feed in plan.feeds}
    rows = asdict(plan) | {"fit": plan.fit._asdict(), "feeds": feeds}
    gpu = hardware.gpu._asdict()
    return {"recipe": recipe, "gpus": hardware.gpus, "gpu": gpu, "cores": hardware.cores, "mfu": mfu} | rows


def lines(
    recipe: str, config: TrainConfig, hardware: Hardware, mfu: tuple[float, float], plan: RunPlan
) -> Iterator[str]:
    """Give the plan as lines to read."""
    gpu, fit, data = hardware.gpu, plan.fit, config.data
    negatives = " and as many negatives" if data.negatives else ""
    cores = f", {hardware.cores} cores for each" if hardware.cores else ""
    rows = {
        "a batch": f"{config.batch_size:,} clips{negatives}, {data.frames} frames of {data.size} pixels",
        "memory of a GPU": f"{fit.bytes / 2**30:.0f} GiB of {USABLE * gpu.memory_gib:.0f}: {_verdict(config, fit)}",
        "work of a clip": f"{fit.flops_per_clip / 1e12:.3f} TFLOP{_more_work(fit)}",
        "speed of a GPU": f"{_range(plan.clips_per_sec)} clips/s at {_percent(mfu)} of its peak",
        "the whole run": f"{_time(plan.days)}, {plan.steps:,} steps, {plan.epochs:,.4g} x {plan.clips:,} clips",
    }
    yield f"{recipe} on {hardware.gpus} x {gpu.name}, {gpu.memory_gib} GB, in {'bf16' if gpu.bf16 else 'fp32'}{cores}"
    yield from (f"  {name:<18}{value}" for name, value in rows.items())
    yield ""
    yield from table(feed_columns(feed, plan.clips) for feed in plan.feeds)


def feed_columns(feed: Feed, clips: int) -> dict[str, str]:
    """Return what a profile asks of the host, by the heading of a column."""
    return {
        "profile": feed.profile,
        "clips/s a core": f"{feed.clips_per_core_sec:.0f}",
        "cores a GPU": _range(feed.cores),
        "data.workers": str(feed.workers),
        "data wait": _percent(feed.data_wait),
        f"over {MOST_WAIT:.0%} from clips/s": f"{feed.most_clips_per_sec:,.0f}",
        "shards": f"{feed.bytes_per_clip * clips / 1e9:,.0f} GB",
    }


def table(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    """Give rows of the same columns as lines, the first with their headings."""
    rows = list(rows)
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for row in ({name: name for name in widths}, *rows):
        yield "  " + "  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip()


def _verdict(config: TrainConfig, fit: Fit) -> str:
    changed = []
    if fit.micro_batches != (config.micro_batches or 1):
        changed.append(f"micro_batches={fit.micro_batches}")
    if fit.activation_checkpointing != config.activation_checkpointing:
        changed.append("activation_checkpointing=true")
    if not fit.fits:
        return "does not fit; take more GPUs, or fewer clips a batch"
    return f"fits with --set {' --set '.join(changed)}" if changed else "fits"


def _more_work(fit: Fit) -> str:
    return f", times {fit.work:.2f} for what is worked out again" if fit.work > 1 else ""


def _range(pair: tuple[float, float]) -> str:
    return "-".join(dict.fromkeys(f"{value:,.0f}" if value >= 20 else f"{value:.2g}" for value in pair))


def _time(days: tuple[float, float]) -> str:
    return f"{_range(days)} days" if days[1] >= 2 else f"{_range(tuple(24 * value for value in days))} hours"


def _percent(pair: tuple[float, float]) -> str:
    return "-".join(dict.fromkeys(f"{100 * value:.0f}" for value in pair)) + " %"
