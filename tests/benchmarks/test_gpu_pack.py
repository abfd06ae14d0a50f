"""The acceptance run at small size on a CPU: every part, the driver's time and going on, the table."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import configs, decode, pack, parts, recipes, trainer
from benchmarks.gpu.bars import DATA_WAIT, MFU
from benchmarks.gpu.batch_size import FILLED, largest_batch
from benchmarks.gpu.data import SMALL, write_data
from benchmarks.gpu.driver import AGAIN, ROOT, Part, run_group, run_parts
from benchmarks.gpu.gpu_tests import gpu_test_files, read_report
from benchmarks.gpu.learn import steps_in
from benchmarks.gpu.parts import NAMES, RECIPES, cases_of
from benchmarks.gpu.profile_trace import TRACE, slowest
from benchmarks.gpu.results import ABSENT, FAILED, Results
from benchmarks.gpu.resume import compare
from benchmarks.gpu.setup import RESULTS, Setup
from benchmarks.gpu.summary import MISSED, summary
from egocurate.errors import InputError
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.decoding.device_decoder import HostDecoder
from egocurate.shards.video.decode_pictures import decode_pictures

NOT_THERE = ("ray", "spacy", "nltk", "thinc", "decord", "torchcodec", "webdataset", "simplejpeg")


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu-pack")
    write_data(folder / "pack", SMALL, folder / "scratch")
    setup = Setup("cpu", True, folder / "pack", folder / "out", folder / "work", cores=1)
    setup.work.mkdir()
    torch.set_num_threads(1)
    return setup


def run_part(setup, name):
    results = Results(setup.out / RESULTS)
    while not results.run(name, cases_of(name, setup, results)):
        pass
    assert Results(setup.out / RESULTS).complete(name)
    cases = results.cases(name)
    assert {case: facts[FAILED] for case, facts in cases.items() if FAILED in facts} == {}
    return cases


@pytest.mark.slow
@pytest.mark.parametrize("name", [RECIPES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in RECIPES[1:])])
def test_recipes_are_measured_compiled_and_eager_and_fed_by_both_profiles(setup, name):
    cases = run_part(setup, f"recipe {name}")
    assert cases.keys() == {"compiled", "fed by train", "eager", "fed by fast"}
    for case in ("compiled", "eager"):
        assert cases[case]["clips"] == cases[case]["anchors"] * (2 if name.startswith("egovlp") else 1)
        assert cases[case]["steps"] >= 4 and cases[case]["tflop_per_step"] > 0
    for case in ("fed by train", "fed by fast"):
        assert cases[case]["clips_per_sec"] > 0 and 0 < cases[case]["data_wait"] < 1
        share = cases[case]["clips_per_sec"] / cases["compiled"]["clips_per_sec"]
        assert cases[case]["headspace"] == pytest.approx(share, rel=1e-2)


@pytest.mark.slow
def test_attention_says_which_kernels_a_device_lacks(setup):
    cases = run_part(setup, "attention")
    for form in ("divided", "joint"):
        assert ABSENT in cases[f"{form}, cudnn"] and cases[f"{form}, math"]["clips_per_sec"] > 0
    assert cases["joint, math"]["tflop_per_step"] < cases["divided, math"]["tflop_per_step"]
    assert cases["VideoPrism, no cap"]["clips_per_sec"] > 0
    again = "VideoPrism, capped, logits worked out again"
    assert cases[again]["tflop_per_step"] == cases["VideoPrism, capped"]["tflop_per_step"]


@pytest.mark.slow
def test_decoding_is_measured_and_says_what_is_absent(setup):
    cases = run_part(setup, "decode")
    for frames in (4, 16):
        assert all(cases[f"host, {profile}, {frames} frames"]["clips_per_sec"] > 0 for profile in ("train", "fast"))
        assert (
            cases[f"nvJPEG, fast, {frames} frames"][ABSENT]
            == cases[f"NVDEC, train, {frames} frames"][ABSENT]
            == "no GPU"
        )
        for profile in ("train", "fast"):
            absent = "batches go to the cpu, not to a GPU"
            assert cases[f"device, {profile}, {frames} frames"] == {ABSENT: absent} | _at(cases, profile, frames)


def _at(cases, profile, frames):
    """Return what every case has beside its facts."""
    own = cases[f"device, {profile}, {frames} frames"]
    return {key: own[key] for key in own if key == "at"}


@pytest.mark.slow
def test_the_stream_that_decodes_on_the_device_is_compared_with_the_host(setup, monkeypatch):
    class Lighter(HostDecoder):
        def decode(self, clips):
            return [255 - (255 - found).clamp(min=0) // 2 * 2 for found in super().decode(clips)]

    for decoder, most in ((HostDecoder(), 0), (Lighter(), 1)):
        monkeypatch.setattr(decode, "gpu_decoder", lambda device, indexes, own=decoder: own)
        found = decode.on_device(setup, "fast", 4)
        assert found["clips_per_sec"] > 0 and found["workers"] == 1
        assert found["most_levels_from_host"] == most and found["mean_levels_from_host"] <= most


def test_what_a_gpu_decodes_is_compared_with_the_hosts(setup, monkeypatch):
    """With stand-ins for both decoders that show one level more than the host."""
    on_gpu = replace(setup, device="cuda")

    def pictures(data, mode, device):
        decoded = decode_pictures([bytes(each.numpy()) for each in data])
        return [torch.from_numpy(each).permute(2, 0, 1).int() + 1 for each in decoded]

    io = SimpleNamespace(decode_jpeg=pictures, ImageReadMode=SimpleNamespace(RGB="RGB"))
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(io=io, __spec__=ModuleSpec("torchvision", None)))
    monkeypatch.setitem(sys.modules, "torchvision.io", io)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(decode, "decode_clip", lambda data, places, device: decode_clip(data, places).int() + 1)
    monkeypatch.setattr(decode, "load", lambda name: SimpleNamespace(frames=True))
    for found in (decode.nvjpeg(on_gpu, 4), decode.nvdec(on_gpu, 4)):
        assert found["clips_per_sec"] > 0
        assert found["mean_levels_from_host"] == found["most_levels_from_host"] == 1
    monkeypatch.setattr(decode, "load", lambda name: SimpleNamespace(frames=None, note="no FFmpeg"))
    assert decode.nvdec(on_gpu, 4) == {ABSENT: "no FFmpeg"}


@pytest.mark.timeout(900)  # five runs, each a process
@pytest.mark.slow
def test_a_killed_run_and_two_ranks_have_the_losses_of_one_unbroken(setup):
    cases = run_part(setup, "resume")
    assert {cases[name]["steps"] for name in ("unbroken", "killed and resumed", "two ranks, gloo")} == {12}
    assert cases["killed and resumed"]["equal"] and cases["killed and resumed"]["to the bit"]
    assert 4 <= cases["killed and resumed"]["killed after step"] <= 12
    assert cases["two ranks, gloo"]["equal"]
    assert cases["two ranks, NCCL"][ABSENT] == "no GPU"


@pytest.mark.slow
def test_the_profile_names_kernels_and_leaves_a_trace(setup):
    (facts,) = run_part(setup, "profile").values()
    assert sum(kernel["share"] for kernel in facts["kernels"]) > 0.5
    assert (setup.out / TRACE).stat().st_size > 1000


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU they run")
@pytest.mark.slow
def test_tests_marked_gpu_are_found_and_say_why_they_are_skipped(setup):
    assert {path.name for path in gpu_test_files()} >= {"test_device.py", "test_on_gpu.py"}
    for facts in run_part(setup, "tests").values():
        assert facts["passed"] == 0 and facts["failures"] == {}
        assert all("torch sees no GPU" in reason for reason in facts["skipped"].values()) and facts["skipped"]


@pytest.mark.slow
def test_the_command_learns_with_no_more_packages_than_the_pack_brings(setup, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nfor name in {NOT_THERE!r}:\n    sys.modules[name] = None  # as if it were not installed\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--minutes", "4"]
    command += ["--only", "learn", "--pack", setup.pack, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    results = Results(tmp_path / "out" / RESULTS)
    (facts,) = results.cases("learn").values()
    assert FAILED not in facts, facts
    assert list(facts["EgoMCQ inter"]) == ["0", "6"] and facts["steps"] == 6
    assert results.machine["device"] == "cpu" and results.machine["small"]
    assert "no figure here is a measurement" in (tmp_path / "out" / "summary.md").read_text()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {RESULTS, "summary.md", "log.txt", "curves.png", "metrics.csv", "work"}
    # What the tests marked gpu train on is made there as well.
    makes = f"import pathlib, tests.training.runs as runs; runs.write_data(pathlib.Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", makes], capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr


FAILS = 7  # seconds that a case takes which fails


class Machine:
    """A clock, and parts whose cases take a known time, fail, or end the process."""

    def __init__(self, out, cases):
        self.out, self.cases, self.now, self.started = out, cases, 0.0, []

    def clock(self):
        return self.now

    def start(self, part, seconds):
        self.started.append((part.name, seconds))
        end, results = self.now + seconds, Results(self.out / RESULTS)
        for case, takes in self.cases[part.name].items():
            if case in results.cases(part.name):
                continue
            if takes == "crash":
                results.parts[part.name] = {**results.parts.get(part.name, {}), "running": case}
                results.describe({})
                return -11
            if self.now + takes > end:
                results.parts[part.name] = {**results.parts.get(part.name, {}), "running": case}
                results.describe({})
                self.now = end
                return None
            self.now += takes
            results.add(part.name, case, {})
            if takes == FAILS:
                return AGAIN
        results.run(part.name, {})  # nothing left
        return 0

    def run(self, parts, minutes):
        return run_parts(parts, self.out, minutes, self.start, clock=self.clock, say=lambda line: None)


PARTS = [Part("first", "", 20, 100), Part("long", "", 60, 200), Part("short", "", 10, 100)]


def test_the_driver_ends_in_time_and_goes_on_with_the_case_that_was_stopped(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": 30, "b": 10}, "long": {"c": 10, "d": 70}, "short": {"e": 5}})
    assert machine.run(PARTS, 2) == ["long", "short"]
    assert machine.now == 110  # ten seconds are kept for the table
    assert machine.started == [("first", 100), ("long", 70)]
    assert Results(tmp_path / RESULTS).cases("long").keys() == {"c"}
    machine.started.clear()
    assert machine.run(PARTS, 2) == []
    assert [name for name, _ in machine.started] == ["long", "short"]


def test_a_part_whose_case_failed_is_started_again_for_the_rest(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": FAILS, "b": 1, "c": FAILS}})
    assert machine.run(PARTS[:1], 9) == []
    assert len(machine.started) == 3 and machine.now == 2 * FAILS + 1


def test_what_needs_more_time_than_is_left_waits_and_what_fits_is_run(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": 60}, "long": {"c": 70}, "short": {"d": 10}})
    assert machine.run(PARTS, 2) == ["long"]
    assert [name for name, _ in machine.started] == ["first", "short"]
    machine.started.clear()
    assert machine.run(PARTS, 2) == []
    assert [name for name, _ in machine.started] == ["long"]
    assert machine.run(PARTS, 2) == [] and len(machine.started) == 1


def test_a_case_that_time_stopped_is_run_again_and_one_that_hangs_is_not(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": 30, "b": 50}})
    assert machine.run(PARTS[:1], 1) == ["first"]
    assert Results(tmp_path / RESULTS).cases("first").keys() == {"a"}
    assert machine.run(PARTS[:1], 2) == []
    machine = Machine(tmp_path / "hangs", {"first": {"a": 1e6, "b": 5}})
    assert machine.run(PARTS[:1], 9) == []
    cases = Results(tmp_path / "hangs" / RESULTS).cases("first")
    assert cases["a"][FAILED] == "stopped after 100 s; see log.txt" and FAILED not in cases["b"]


def test_cases_that_are_slow_together_do_not_hang(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": 60, "b": 70, "c": 80}})
    assert machine.run(PARTS[:1], 9) == []
    cases = Results(tmp_path / RESULTS).cases("first")
    assert cases.keys() == {"a", "b", "c"} and not any(FAILED in facts for facts in cases.values())


def test_a_process_that_ends_in_a_case_is_started_again_for_the_others(tmp_path):
    machine = Machine(tmp_path, {"first": {"a": 1, "b": "crash", "c": 1}})
    assert machine.run(PARTS[:1], 9) == []
    cases = Results(tmp_path / RESULTS).cases("first")
    assert [FAILED in cases[name] for name in "abc"] == [False, True, False]
    assert "status -11" in cases["b"][FAILED]


def test_a_part_that_does_not_start_is_not_started_for_ever(tmp_path):
    started = []

    def start(part, seconds):
        started.append(part.name)
        return 1

    assert run_parts(PARTS[:1], tmp_path, 9, start, say=lambda line: None) == []
    assert started == ["first"]
    assert Results(tmp_path / RESULTS).cases("first")["start"][FAILED].startswith("its process ended with status 1")


@pytest.mark.slow
def test_time_ends_a_command_and_its_children(tmp_path):
    note = f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    inner = f"import os, pathlib, time; {note}; time.sleep(600)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    assert run_group([sys.executable, "-c", outer], 5, tmp_path / "log.txt") is None
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child lives")
    assert run_group([sys.executable, "-c", "print('said'); raise SystemExit(7)"], 60, tmp_path / "log.txt") == 7
    assert "said" in (tmp_path / "log.txt").read_text()


def test_results_are_there_after_each_case_and_failures_are_known(tmp_path):
    seen = []

    def look():
        seen.append(Results(tmp_path / RESULTS).cases("part").keys())
        return {"value": 1}

    def fail():
        raise RuntimeError("CUDA error: no\nmore lines")

    results = Results(tmp_path / RESULTS)
    assert not results.run("part", {"a": look, "b": look, "c": fail, "d": look})
    assert [set(names) for names in seen] == [set(), {"a"}]
    assert results.cases("part")["c"][FAILED] == "RuntimeError: CUDA error: no"
    assert not results.complete("part")
    assert results.run("part", {"a": look, "b": look, "c": fail, "d": look}) and len(seen) == 3
    results.forget("part")
    assert Results(tmp_path / RESULTS).cases("part") == {}
    (tmp_path / RESULTS).write_text("[]")
    with pytest.raises(InputError, match="holds no results"):
        Results(tmp_path / RESULTS)


@pytest.mark.parametrize(
    ("per_row", "most", "expected"), [(2.0, 4096, 425), (2.0, 64, 64), (40.0, 4096, 21), (1e-9, 512, 512)]
)
def test_the_largest_batch_is_a_line_in_the_rows(per_row, most, expected):
    tried = []

    def peak(rows):
        tried.append(rows)
        held = int((50 + per_row * rows) * 1e6)
        return held if held <= 1e9 else None

    found = largest_batch(peak, 10**9, first=4, most=most, multiple=1)
    assert found == expected <= most
    assert 50 + per_row * found <= 1000 * FILLED + 1e-6
    assert len(tried) == 3


def test_a_batch_that_the_line_promised_and_does_not_fit_gets_smaller():
    steps = []

    def peak(rows):  # a cliff beyond 100 rows
        steps.append(rows)
        return None if rows > 100 else 10**6 * rows

    assert largest_batch(peak, 10**9, first=8, most=512, multiple=8) == 96 or steps[-1] <= 100
    assert largest_batch(lambda rows: None if rows > 8 else 10**8, 10**9, first=8, most=512, multiple=8) == 8
    with pytest.raises(MemoryError, match="a batch of 8 does not fit"):
        largest_batch(lambda rows: None, 10**9, first=8, most=512, multiple=8)


@pytest.fixture
def card(monkeypatch):
    """A GPU's memory of 1,000 MB as torch tells of it: 100 and 10 for each row that a step had last."""
    held = {"rows": 0}
    took = trainer.Trainer.step

    def step(self, batch, step_rng):
        held["rows"] = len(batch)
        if held["rows"] > 95:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return took(self, batch, step_rng)

    monkeypatch.setattr(trainer.Trainer, "step", step)
    told = {"mem_get_info": lambda: (900 * 10**6, 0), "memory_reserved": lambda: 100 * 10**6}
    told |= {"max_memory_allocated": lambda: (100 + 10 * held["rows"]) * 10**6}
    told |= {"reset_peak_memory_stats": lambda: None, "empty_cache": lambda: None}
    for name, value in told.items():
        monkeypatch.setattr(torch.cuda, name, value)


@pytest.mark.slow
def test_a_recipe_finds_the_largest_batch_and_takes_less_where_that_is_too_much(setup, card, monkeypatch):
    config = configs.recipe_config(setup, "videomae")
    made = recipes._trainer(setup, config, compiled=False)
    assert made.peak_bytes(8) == 180 * 10**6 and made.peak_bytes(96) is None
    assert recipes._largest(made) == 80  # 900 MB, a tenth left free
    asked = []

    def rates(config, seconds):
        asked.append(config.batch_size)
        if config.batch_size > 60:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"clips_per_sec": 1.0}

    monkeypatch.setattr(made, "rates", rates)
    assert recipes.measure(setup, made, config, 80)["anchors"] == 48 and asked == [80, 64, 48]


def test_losses_are_compared_step_by_step():
    assert compare({1: 2.0, 2: 1.0}, {1: 2.0, 2: 1.0}) == {"steps": 2, "apart": 0, "to the bit": True, "last loss": 1.0}
    assert compare({1: 2.0, 2: 1.0}, {1: 2.0, 2: 1.1})["apart"] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="losses of 1 steps, of 2 expected"):
        compare({1: 2.0, 2: 1.0}, {1: 2.0})


def test_a_report_of_pytest_is_read(tmp_path):
    (tmp_path / "test_all.py").write_text(
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 1 == 2\n"
        "@pytest.fixture\ndef broken(): raise OSError('gone')\ndef test_error(broken): pass\n"
        "@pytest.mark.skip(reason='not here')\ndef test_left(): pass\n"
    )
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={tmp_path / 'report.xml'}", "-c", os.devnull]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path / "test_all.py"], capture_output=True, cwd=tmp_path
    )
    facts = read_report(tmp_path / "report.xml")
    assert facts["passed"] == 1 and facts["failures"].keys() == {"test_bad", "test_error"}
    assert "assert 1 == 2" in facts["failures"]["test_bad"]
    assert facts["skipped"] == {"test_left": "not here"}


def results_of(tmp_path, **recipe):
    results = Results(tmp_path / RESULTS)
    results.describe({"device": "NVIDIA H200", "cores": 16, "packages": {"torch": "2.11.0", "torchcodec": None}})
    results.add("recipe egovlp", "compiled", recipe)
    return results


def test_the_table_marks_what_misses_its_bar(tmp_path):
    results = results_of(tmp_path, clips_per_sec=560.0, mfu=0.31)
    results.add("recipe egovlp", "fed by train", {"data_wait": 0.2, "headspace": 0.81})
    results.add("recipe egovlp", "fed by fast", {"data_wait": 0.01, "headspace": 0.98})
    results.add("tests", "tests/a.py", {"passed": 3, "failures": {"test_x": "assert a | b"}, "skipped": {}})
    results.add("resume", "killed and resumed", {"equal": False})
    results.add("resume", "two ranks, NCCL", {FAILED: "Duplicate GPU detected"})
    text = summary(results)
    cells = ([cell.strip() for cell in line.split("|")] for line in text.partition("## tests")[0].splitlines())
    rows = {row[1]: row for row in cells if len(row) > 4}
    assert rows["egovlp, clips/s"][2:5] == ["560", ">= 500, goal 630 on an H200", "met"]
    assert rows["egovlp, MFU"][2:5] == ["0.31", ">= 0.4, goal 0.5", MISSED]
    assert rows["egovlp, data wait"][2:5] == ["0.01", "<= 0.03", "met"]
    assert rows["egovlp, headspace"][2:5] == ["0.98", ">= 0.97", "met"]
    assert rows["videomae, MFU"][4] == "not measured"
    assert rows["tests marked gpu"][2:5] == ["3 passed, 1 failed", "all", MISSED]
    assert rows["killed and resumed"][4] == MISSED
    assert rows["two ranks, NCCL"][2] == "Duplicate GPU detected" and rows["two ranks, NCCL"][4] == ""
    assert "a \\| b" in text and "torch 2.11.0" in text and "torchcodec" not in text


def test_a_speed_that_is_a_bar_of_an_h200_is_none_of_another(tmp_path):
    results = results_of(tmp_path, clips_per_sec=100.0)
    assert f"| egovlp, clips/s | 100 | >= 500, goal 630 on an H200 | {MISSED} |" in summary(results)
    results.machine["device"] = "NVIDIA L4"
    assert "| egovlp, clips/s | 100 | >= 500, goal 630 on an H200 |  |" in summary(results)
    assert not MFU.met(0.39) and MFU.met(0.4) and DATA_WAIT.met(0.03) and not DATA_WAIT.met(0.031)


def test_the_slowest_recipe_and_the_length_of_a_run_come_from_what_was_measured(tmp_path):
    results = results_of(tmp_path, mfu=0.4, clips_per_sec=512.0)
    results.add("recipe videomae", "compiled", {"mfu": 0.2})
    results.add("recipe egovlpv2", "compiled", {FAILED: "out of memory"})
    assert slowest(results) == "videomae"
    assert slowest(Results(tmp_path / "none.json")) == RECIPES[0]
    assert steps_in(100, results) == 500  # 1,280 clips/s, 256 clips a step
    assert steps_in(0, results) == 100


def test_every_part_has_its_module():
    assert len(set(NAMES)) == len(NAMES)
    assert parts._MODULES.keys() == set(NAMES)
    assert all((ROOT / "benchmarks" / "gpu" / f"{module}.py").exists() for module in parts._MODULES.values())


def test_the_pack_counts_its_bytes_and_keeps_the_wheels_that_it_has(tmp_path, monkeypatch):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "universal_pathlib-0.3-py3-none-any.whl").write_bytes(bytes(1000))
    found = pack.sizes(tmp_path)
    assert found["wheels"] == 1000 and found["repository"] > 10**6
    pack.download_wheels(wheels, ["universal-pathlib"], "3.12")
    refused = subprocess.CompletedProcess([], 1, stderr="a\nERROR: No matching distribution found for av\n")
    monkeypatch.setattr(pack.subprocess, "run", lambda *args, **kwargs: refused)
    with pytest.raises(InputError, match=r"wheel 'av' for Python 3.12: ERROR: No matching distribution"):
        pack.download_wheels(wheels, ["av"], "3.12")
    assert json.loads(json.dumps(found)) == found


@pytest.mark.slow
def test_cuda_that_is_not_there_is_one_line(setup, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", tmp_path, "--pack"]
    for folder, line in ((setup.pack, "torch sees no GPU here"), (tmp_path / "none", "no pack there")):
        done = subprocess.run([*command, folder], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 1 and line in done.stderr and done.stderr.count("\n") == 1
    assert replace(setup, small=False).measure_sec > setup.measure_sec
