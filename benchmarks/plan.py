"""What the base recipes take of GPUs and cores: `python -m benchmarks.plan` writes docs/planning.md.

Nothing is measured here but shapes: the page is `curate plan` for every base recipe and the common GPUs, with the rates
of streams that `benchmarks.stream_rates` measured.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.record import RESULTS
from egocurate.commands.jobs.plan import feed_columns
from egocurate.training.config.recipes import PRETRAINING, RECIPES
from egocurate.training.monitor.gpu_specs import Gpu, find_gpu
from egocurate.training.plan.feed import RATES
from egocurate.training.plan.fit import USABLE, Fit
from egocurate.training.plan.fit_apart import fit_apart
from egocurate.training.plan.run_plan import EGOCLIP_CLIPS, MFU, Hardware, RunPlan, plan_run

PAGE = Path(__file__).parents[1] / "docs" / "planning.md"
RECIPE_NAMES = [name for name in PRETRAINING if not name.endswith("-tiny")]
GPU_NAMES = ("h100", "h200", "b200", "a100", "a100-40", "rtx-6000", "4090")
GPUS, CORES = 8, 16
TEXT = """# Planning a run

`curate plan RECIPE --gpus 8 --gpu h200 --cores 16` says, before there is a machine, whether a recipe fits and what
makes it fit, how fast it may be, how many cores feed it, how long it takes and how much disk its shards need. This page
is what it says of the base recipes on {gpus} GPUs with {cores} cores for each. `python -m benchmarks.plan` writes it.

Memory and work are those of the recipe's own step, run on tensors that have a shape and no content, on a device that
casts as CUDA does. The tests hold that the memory so found is within a tenth of what real steps take on a CPU (it is
within a hundredth). Steps are taken without `torch.compile`, which needs less. {usable:.0%} of a GPU's memory count as
free.

## Memory of a GPU, GiB, and what makes the batch fit

With the published batch on {gpus} GPUs; what is free on each is in brackets. `x 4` is `--set micro_batches=4`, `ckpt`
is `--set activation_checkpointing=true`, and a dash says that it does not fit on {gpus} of them.

{memory}

## Speed, cores and days

Speed is {low:.0%} to {high:.0%} of the GPU's peak in bf16 (MFU), hard negatives included, less what the way above works
out again. Days are for the recipe's epochs or steps; an epoch has EgoClip's {clips:,} clips. A core reads, decodes,
crops and batches, on the machine on which `python -m benchmarks.stream_rates` measured it:
{machine}, {date}.
The cores are those that the range of speeds needs, beside one for each rank itself. With {cores} cores a GPU, *workers*
is what to set `data.workers` to, and *data wait* what the GPU then has nothing to do for, over the range of speeds.

{speed}

Where data wait is above 3 %, take the `fast` profile, more cores for each GPU, or `data.decode=device`.

## Disk

{disk}

## Tables of millions of narrations

`curate egoclip --tables-only` has in memory what each narration is in numbers, each distinct text once, and a block of
250,000 narrations; the tables are written as they are made. What it needs so grows with the narrations and not faster:
about a third of a kilobyte for each and 14 microseconds of a core, and for the tagger's processes a quarter of a
gigabyte each and 150 microseconds of a core for each distinct text. 35 million narrations, as many as LaViLa's narrator
has told, took {told_sec:,.0f} s of a core and {told_gb:.1f} GB, EgoMCQ from them {asked_sec:,.0f} s
(`python -m benchmarks.full_size --record full_size_35m`). With `--ray-address` the texts are tagged on the cluster. A
folder that grows is in memory as a whole: its new table beside the one that is there.

Cutting, repairing and planning shards map the clip table from a copy on disk: half a gigabyte of memory of their own
for EgoClip's 3.85 million clips (`python -m benchmarks.huge_index`, `python -m benchmarks.huge_repair`).
"""


def page(fits: dict[str, list[Fit]], gpus: Sequence[Gpu]) -> str:
    """Return the page."""
    record, told = json.loads(RATES.read_text()), _figures("full_size_35m")
    plans = {
        (recipe, gpu): plan_run(RECIPES[recipe](), Hardware(GPUS, gpu, CORES), fit)
        for recipe, of_recipe in fits.items()
        for gpu, fit in zip(gpus, of_recipe, strict=True)
    }
    heads = [f"{_label(gpu)} ({USABLE * gpu.memory_gib:.0f})" for gpu in gpus]
    memory = [[recipe, *map(_memory, of_recipe)] for recipe, of_recipe in fits.items()]
    disk = [
        [name, f"{one['bytes_per_clip'] / 1e3:.0f} kB", f"{one['bytes_per_clip'] * EGOCLIP_CLIPS / 1e9:,.0f} GB"]
        for name, one in record["profiles"].items()
    ]
    return TEXT.format(
        gpus=GPUS,
        cores=CORES,
        usable=USABLE,
        low=MFU[0],
        high=MFU[1],
        clips=EGOCLIP_CLIPS,
        machine=record["machine"],
        date=record["date"],
        memory=markdown(["", *heads], memory),
        speed=markdown(SPEED_HEADS, _speed_rows(plans)),
        told_sec=told["curate egoclip --tables-only, CPU time of all processes"],
        told_gb=told["curate egoclip --tables-only, peak memory of all processes"],
        asked_sec=told["curate egomcq --tables-only, CPU time of all processes"],
        disk=markdown(["profile", "a clip of 1 to 2 s", "EgoClip's"], disk),
    )


def _figures(name: str) -> dict[str, float]:
    return {row["what"]: row["value"] for row in json.loads((RESULTS / f"{name}.json").read_text())["figures"]}


SPEED_HEADS = [
    *("recipe, TFLOP a clip", "GPU", "clips/s a GPU", "days"),
    *("cores, `train`", "workers", "data wait", "cores, `fast`", "workers", "data wait"),
]


def _speed_rows(plans: dict[tuple[str, Gpu], RunPlan]) -> Iterator[list[str]]:
    """Give a row for each recipe and speed: GPUs on which it is as fast share one."""
    alike: dict[tuple[str, tuple[float, float]], list[Gpu]] = defaultdict(list)
    for (recipe, gpu), plan in plans.items():
        if plan.fit.fits:
            alike[recipe, plan.clips_per_sec].append(gpu)
    for (recipe, (low, high)), gpus in alike.items():
        plan = plans[recipe, gpus[0]]
        columns = [feed_columns(feed, plan.clips) for feed in plan.feeds]
        feeds = [column[head] for column in columns for head in ("cores a GPU", "data.workers", "data wait")]
        days = "-".join(f"{value:,.2g}" if value < 100 else f"{value:,.0f}" for value in plan.days)
        names = ", ".join(map(_label, gpus))
        yield [f"{recipe}, {plan.fit.flops_per_clip / 1e12:.3f}", names, f"{low:,.0f}-{high:,.0f}", days, *feeds]


def _label(gpu: Gpu) -> str:
    """Name a GPU with its GiB, as some are sold with two sizes of memory."""
    return f"{gpu.name} {gpu.memory_gib}"


def _memory(fit: Fit) -> str:
    if not fit.fits:
        return "-"
    ways = [f"x {fit.micro_batches}"] * (fit.micro_batches > 1) + ["ckpt"] * fit.activation_checkpointing
    return ", ".join([f"{fit.bytes / 2**30:.0f}", *ways])


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


if __name__ == "__main__":
    chosen = [find_gpu(name) for name in GPU_NAMES]
    PAGE.write_text(page({name: fit_apart(RECIPES[name](), GPUS, chosen) for name in RECIPE_NAMES}, chosen))
