"""`curate eval`: from published files and cut clips to figures worked out by hand, and by another way."""

import csv
import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from egocurate.clip_table import clip_key
from egocurate.commands.curate import app, main
from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.shards import run_shards
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.egomcq_dataset import EgoMCQDataset
from egocurate.loaders.videos.long_videos import spread_frames
from egocurate.models.egovlpv2.config import EgoVLPv2Config, ObjectiveConfig
from egocurate.models.layers.configs import RobertaTextConfig
from egocurate.models.metrics.egomcq import cosine_scores, egomcq_accuracy
from egocurate.progress import silent
from egocurate.shards.read.index import ShardIndex
from egocurate.storage.atomic import write_json
from egocurate.train import train
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.tasks.charades import charades_ego
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from egocurate.training.tasks.epic_retrieval import epic_retrieval, read_retrieval
from tests.training.ranks import together
from tests.training.runs import PASS, STEPS, run

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
SEGMENTS = [  # narration id, from, to, text, verb, nouns
    ("P01_11_0", 0.2, 1.7, "take plate", 0, [2]),
    ("P01_11_1", 1.5, 2.9, "put plate", 1, [2]),
    ("P02_105_12", 0.0, 2.4, "take cup", 0, [10]),
    ("P03_09_3", 0.0, 1.0, "wash pan", 2, [5]),  # its video is not on disk
]
SENTENCES = [("P01_11_0", "take plate"), ("P01_11_1", "put plate")]
CHARADES = [("AAAAAEGO", "c000 0.00 1.10;c002 0.50 2.00"), ("BBBBBEGO", "c001 0.00 2.00"), ("CCCCCEGO", "")]
CHARADES += [("DDDDDEGO", "c000 0.10 0.90"), ("GONEEGO", "c001 0.00 1.00")]
SHOWN = ("AAAAA", "BBBBB", "DDDDD")  # those of them that are there and show something
PHRASES = ["Holding some clothes", "Putting clothes somewhere", "Opening a door", "Fixing a door"]


def write_video(path, seed, seconds=3, fps=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = np.random.default_rng(seed)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(seconds * fps):
            picture = colors.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def clock(seconds):
    return f"00:00:{seconds:05.2f}"


def row(narration, start, stop, text, verb, nouns):
    video = narration.rsplit("_", 1)[0]
    times = [clock(start), clock(start), clock(stop)]
    return [narration, video[:3], video, *times, 0, 0, text, "v", verb, "n", nouns[0], "['n']", str(nouns)]


def write_csv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="session")
def epic(tmp_path_factory):
    """Annotations and videos of EPIC-KITCHENS-100 in small, and shards of the retrieval segments."""
    root = tmp_path_factory.mktemp("epic")
    rows = [row(*segment) for segment in SEGMENTS]
    write_csv(root / "EPIC_100_validation.csv", HEADER, rows)
    info = [(video, 3, 8, "64x48") for video in ("P01_11", "P02_105", "P03_09")]
    write_csv(root / "EPIC_100_video_info.csv", "video_id,duration,fps,resolution", info)
    write_csv(root / "retrieval_annotations" / "EPIC_100_retrieval_test.csv", HEADER, rows)
    sentences = root / "retrieval_annotations" / "EPIC_100_retrieval_test_sentence.csv"
    write_csv(sentences, "narration_id,narration", SENTENCES)
    for seed, video in enumerate(("P01_11", "P02_105")):
        write_video(root / video[:3] / "videos" / f"{video}.MP4", seed)
    clips = root / "retrieval_annotations" / "EPIC_100_retrieval_test.csv"
    cut = run_shards(clips, EpicKitchensSource(root), root / "cut", RunOptions("train", 8), silent)
    assert cut.summary["waiting_for"] == {"clips": 1, "videos_not_on_disk": 1}
    return root


@pytest.fixture(scope="session")
def charades(tmp_path_factory):
    root = tmp_path_factory.mktemp("charades")
    (root / "Charades_v1_classes.txt").write_text("".join(f"c{i:03d} {name}\n" for i, name in enumerate(PHRASES)))
    write_csv(root / "CharadesEgo_v1_test_only1st.csv", "id,actions,length", [(*one, 3) for one in CHARADES])
    for seed, (name, _) in enumerate(CHARADES[:-1]):
        write_video(root / "videos" / f"{name}.mp4", 10 + seed)
    return root


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A run of eight steps: its folder and its result."""
    out = tmp_path_factory.mktemp("trained") / "run"
    return out, run(replace(tiny, out=str(out)))


def evaluate(*arguments):
    """The exit status of `curate eval`; raises what went wrong."""
    return app(["eval", *map(str, arguments)], standalone_mode=False) or 0


def command(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return left.value.code


def everything(epic, charades, data):
    mcq = ("--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards")
    retrieval = ("--epic-retrieval", epic / "retrieval_annotations", "--epic-shards", epic / "cut")
    return [str(one) for one in (*mcq, *retrieval, "--charades", charades, "--charades-videos", charades / "videos")]


def written(out):
    return {path.name: json.loads(path.read_text()) for path in sorted(out.glob("eval-*.json"))}


def system_of(out):
    return restore(read_run(out, []), Ranks(0, 1, torch.device("cpu"), False))


def unit(rows):
    return torch.nn.functional.normalize(rows, dim=1).numpy()


class Stub:
    """Embeddings that are given, in the place of a model."""

    def __init__(self, clips, texts, failed=()):
        self.given, self.said, self.failed = torch.tensor(clips), torch.tensor(texts), dict(failed)

    def clips(self, clips, stage, report):
        assert len(clips) == len(self.given)
        return self.given, self.failed

    def texts(self, texts):
        assert len(texts) == len(self.said)
        return self.said


def test_retrieval_by_hand(epic, tiny):
    stub = Stub([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    figures, missing = epic_retrieval(epic / "retrieval_annotations", str(epic / "cut"), tiny.data, stub, silent)
    # Relevancy: [[1, .5], [.5, 1], [.5, 0]]. The third clip has no sentence of its own: mAP leaves it out.
    best, second = 1.0, 1 / math.log2(3)
    right = best + 0.5 * second
    expected = {
        "map_v2t": 100 * ((0.5 + 1) / 2 + 1) / 2,
        "map_t2v": 100 * ((0.5 + 1) / 2 + 1) / 2,
        "ndcg_v2t": 100 * ((0.5 + second) / right + 1 + 1) / 3,
        "ndcg_t2v": 100 * ((0.5 + second + 0.25) / (right + 0.25) + 1) / 2,
    }
    for name in ("map", "ndcg"):
        expected[f"{name}_avg"] = (expected[f"{name}_v2t"] + expected[f"{name}_t2v"]) / 2
    assert figures == pytest.approx(expected)
    assert missing == ["P03_09_3 (not in the shards)"]


def test_a_clip_that_does_not_decode_is_left_out_and_named(epic, tiny):
    stub = Stub([[0.6, 0.8], [0.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], {2: "damaged"})
    figures, missing = epic_retrieval(epic / "retrieval_annotations", str(epic / "cut"), tiny.data, stub, silent)
    assert missing == ["P02_105_12 (damaged)", "P03_09_3 (not in the shards)"]
    assert figures["map_t2v"] == pytest.approx(100)


def test_charades_by_hand(charades, tiny):
    # Videos A, B, D and the one that is not there; C shows nothing and is not asked for.
    stub = Stub(
        torch.eye(4)[:4].tolist(), [[0.3, 0.9, 0.5, 0.0], [0.2, 0.4, 0.6, 0.0], [0.9, 0.1, 0.1, 0.0], [0.0] * 4]
    )
    stub.failed = {3: "not there"}
    figures, missing = charades_ego(charades, charades / "videos", tiny.data, stub, silent)
    # Class 0 is shown by A (third) and D (second): (1/2 + 2/3) / 2. Class 1 by B, second. Class 2 by A, first.
    assert figures == pytest.approx({"map": 100 * ((1 / 2 + 2 / 3) / 2 + 1 / 2 + 1) / 3})
    assert missing == ["GONEEGO (not there)"]


@pytest.mark.slow
def test_the_command_gives_what_the_embeddings_give(trained, epic, charades, data, tiny, capsys):
    """Each clip embedded on its own, and the metrics by another way where they are short."""
    out, result = trained
    assert command("eval", out, *everything(epic, charades, data)) == 3
    said, found = capsys.readouterr().out, written(out)
    assert {"inter", "intra"} <= found["eval-egomcq-dual.json"].keys()
    for name, value in result.after.items():
        assert found["eval-egomcq-dual.json"][name] == pytest.approx(value, abs=1e-4)
    assert "P03_09_3" in said
    assert found["eval-epic-retrieval.json"]["missing"] == ["P03_09_3 (not in the shards)"]
    assert found["eval-epic-retrieval.json"]["step"] == STEPS
    assert found["eval-egomcq-dual.json"]["inputs"].keys() == {"weights", "tokenizer", "questions"}

    system, _ = system_of(out)
    with torch.no_grad():
        asked = EgoMCQDataset(data / "egomcq.json", data / "shards", frames=4, size=32)
        mcq_clips = torch.cat([system.embed_clips(frames[None]) for frames in asked.evaluation_clips()])
        scores = cosine_scores(system.embed_texts(asked.texts), mcq_clips, asked.choices)
        assert egomcq_accuracy(scores, asked.answers, asked.types) == pytest.approx(result.after)
        texts = unit(system.embed_texts([text for _, text in SENTENCES]))
        clips = unit(torch.cat([system.embed_clips(frames[None]) for frames in cut_clips(epic, tiny)]))
        whole = [spread_frames(charades / "videos" / f"{name}EGO.mp4", frames=4, size=32) for name in SHOWN]
        videos = unit(torch.cat([system.embed_clips(frames[None]) for frames in whole]))
        phrases = unit(system.embed_texts(PHRASES))
    similarity = clips @ texts.T  # its order is that of (cos + 1) / 2
    relevance = np.array([[1, 0.5], [0.5, 1], [0.5, 0]])
    for side, scores, right in (("v2t", similarity[:2], relevance[:2]), ("t2v", similarity.T, relevance.T)):
        assert found["eval-epic-retrieval.json"][f"map_{side}"] == pytest.approx(
            100 * naive_map(scores, right), abs=1e-3
        )
    labels = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]])
    classes = zip(phrases @ videos.T, labels.T, strict=True)
    expected = np.mean([naive_map([scores], [right]) for scores, right in classes if right.any()])
    assert found["eval-charades-ego.json"]["map"] == pytest.approx(100 * expected, abs=1e-3)
    assert found["eval-charades-ego.json"]["missing"] == ["GONEEGO (not there)"]


def test_questions_are_asked_raw_where_the_setting_says_so(trained, data, tmp_path):
    """Raw and normalized texts are other tokens, so their scores differ; figures say which they are of."""
    line = ("eval", trained[0], "--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards", "--out", tmp_path)
    for form in ("normalized", "raw"):
        assert command(*line, "--set", f"data.text={form}") == 0
        assert written(tmp_path)["eval-egomcq-dual.json"]["text"] == form
    system, _ = system_of(trained[0])
    scores = {}
    for form in ("normalized", "raw"):
        config = read_run(trained[0], [f"data.text={form}"])
        evaluator = EgoMCQEvaluator(config, system, Ranks(0, 1, torch.device("cpu"), False), silent)
        assert all(text.startswith("#C C ") is (form == "raw") for text in evaluator.questions.texts)
        scores[form], _ = evaluator.scores()
    assert not np.allclose(scores["raw"], scores["normalized"], atol=1e-6)


def cut_clips(epic, tiny):
    """The three clips as the shards hold them, through the index by their keys."""
    index = ShardIndex.open(epic / "cut")
    for key in ("P01_11-narration_pass_1-00000", "P01_11-narration_pass_1-00001", "P02_105-narration_pass_1-00012"):
        sample = index.find(key)
        count = int(index.frame_count[sample])
        places = np.array([(2 * t + 1) * count // 8 for t in range(4)])
        frames = decode_clip(index.read_video(sample), places)
        yield crop_and_resize(frames, center_view(*frames.shape[-2:]), tiny.data.size)


def naive_map(scores, relevance):
    found = []
    for score, right in zip(scores, relevance, strict=True):
        order = sorted(range(len(score)), key=lambda i: -score[i])
        points = [sum(right[j] for j in order[: k + 1]) / (k + 1) for k, i in enumerate(order) if right[i] == 1]
        found += [sum(points) / len(points)] if points else []
    return sum(found) / len(found)


def test_segments_are_cut_from_their_start_to_their_stop(epic):
    index = ShardIndex.open(epic / "cut")
    row = index.row(index.find("P02_105-narration_pass_1-00012"))
    assert (row.clip_start, row.clip_end, row.text, row.tag_noun.tolist()) == (0.0, 2.4, "take cup", [10])
    assert row.frame_count == pytest.approx(2.4 * 8, abs=1)


def evaluate_there(out, arguments, places):
    assert evaluate(out, *arguments) == 3
    Path(places).touch()


@pytest.mark.slow
def test_two_ranks_find_what_one_finds(trained, epic, charades, data, tmp_path):
    out, _ = trained
    arguments = everything(epic, charades, data)
    assert evaluate(out, *arguments) == 3
    one = written(out)
    for path in out.glob("eval-*.json"):
        path.unlink()
    together(2, evaluate_there, out, arguments, str(tmp_path / "done"))
    two = written(out)
    assert (
        one.keys() == two.keys() == {f"eval-{what}.json" for what in ("egomcq-dual", "epic-retrieval", "charades-ego")}
    )
    for name in one:
        for key, value in one[name].items():
            assert two[name][key] == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), (
                name,
                key,
            )


def train_there(config):
    run(config)


@pytest.mark.slow
def test_weights_that_two_ranks_hold_in_parts_are_read_by_one(tiny, data, tmp_path):
    config = replace(tiny, out=str(tmp_path / "run"), parallel="fsdp", max_steps=3)
    together(2, train_there, config)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    mcq = ["--mcq-json", str(data / "egomcq.json"), "--mcq-shards", str(data / "shards")]
    assert evaluate(config.out, *mcq) == 0
    found = written(tmp_path / "run")["eval-egomcq-dual.json"]
    assert found["step"] == 3
    assert {name: found[name] for name in result["after"]} == pytest.approx(result["after"])


def test_a_model_that_fuses_answers_in_three_ways(tiny, data, tmp_path):
    sizes = EgoVLPv2Config(
        video=replace(tiny.model.video, depth=2, eps=1e-5),
        text=RobertaTextConfig(vocab=128, width=16, depth=2, heads=2, max_tokens=16, dropout=0.0),
        fused_layers=1,
        projection=8,
    )
    config = replace(tiny, system="egovlpv2", model=sizes, objective=ObjectiveConfig(), mcq_mode="fused", max_steps=1)
    result = run(replace(config, out=str(tmp_path / "run")))
    mcq = ["--mcq-json", str(data / "egomcq.json"), "--mcq-shards", str(data / "shards")]
    for mode in ((), ("--mode", "dual"), ("--mode", "ensemble")):
        assert evaluate(tmp_path / "run", *mcq, *mode) == 0
    found = written(tmp_path / "run")
    assert found.keys() == {f"eval-egomcq-{mode}.json" for mode in ("fused", "dual", "ensemble")}
    assert {name: found["eval-egomcq-fused.json"][name] for name in result.after} == pytest.approx(result.after)
    for path in (tmp_path / "run").glob("eval-*.json"):
        path.unlink()
    assert evaluate(tmp_path / "run", *mcq, "--mode", "all") == 0  # the same, of one pass
    assert written(tmp_path / "run") == found
    system, _ = system_of(tmp_path / "run")
    frames = torch.zeros(1, 4, 3, 32, 32, dtype=torch.uint8)
    assert system.features(frames).shape == (1, sizes.video.width)


def test_questions_without_their_clips_are_missing(trained, data, tmp_path, capsys):
    questions = json.loads((data / "egomcq.json").read_text())
    questions["lost"] = json.loads(json.dumps(questions["0"]))
    questions["lost"]["choices"]["0"]["narration_ind"] = 999
    (tmp_path / "more.json").write_text(json.dumps(questions))
    mcq = ("--mcq-json", tmp_path / "more.json", "--mcq-shards", data / "shards")
    assert command("eval", trained[0], *mcq, "--mode", "dual") == 3
    assert "question lost" in capsys.readouterr().out


@pytest.fixture
def damaged(data, tmp_path):
    """The shards of the questions, with one clip that does not decode: its folder and the place of the clip."""
    folder = shutil.copytree(data / "shards", tmp_path / "damaged")
    index = ShardIndex.open(folder)
    sample = index.find(clip_key("video", PASS, 4))
    offset, size = index.row(sample).video_span
    with index.row(sample).shard_path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))
    return folder


def test_questions_with_a_clip_that_does_not_decode_are_left_out_and_named(trained, data, damaged, tmp_path, capsys):
    """The others are answered as if the damaged questions were not in the file."""
    out, _ = trained
    assert command("eval", out, "--mcq-json", data / "egomcq.json", "--mcq-shards", damaged) == 3
    said, figures = capsys.readouterr().out, written(out)["eval-egomcq-dual.json"]
    questions = json.loads((data / "egomcq.json").read_text())
    asks = {
        name: any(choice["narration_ind"] == 4 for choice in question["choices"].values())
        for name, question in questions.items()
    }
    lost = [name for name in questions if asks[name]]
    assert 0 < len(lost) < len(questions)
    assert [line.split(" (")[0] for line in figures["missing"]] == [f"question {name}" for name in lost]
    assert f"left out, {len(lost)} missing: question {lost[0]} (" in said
    (tmp_path / "others.json").write_text(json.dumps({name: questions[name] for name in questions if not asks[name]}))
    mcq = ("--mcq-json", tmp_path / "others.json", "--mcq-shards", data / "shards")
    assert command("eval", out, *mcq) == 0
    others = written(out)["eval-egomcq-dual.json"]
    assert {key: figures.get(key) for key in ("inter", "intra")} == {key: others.get(key) for key in ("inter", "intra")}


def test_a_run_goes_on_without_questions_whose_clips_do_not_decode(tiny, damaged, tmp_path):
    said = []
    config = replace(tiny, out=str(tmp_path / "run"), mcq_shards=str(damaged), max_steps=1)
    assert train(config, say=said.append).after.keys() == {"inter", "intra"}
    assert len([line for line in said if line.startswith("EgoMCQ leaves out ")]) == 1


def test_a_run_is_read_as_it_was_trained(trained, tiny):
    out, _ = trained
    config = read_run(out, ["data.workers=0", "device=cpu"])
    assert (config.model, config.objective, config.data, config.shards) == (
        tiny.model,
        tiny.objective,
        tiny.data,
        tiny.shards,
    )
    assert config.tokenizer == str(out / "tokenizer")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_read_back(name, tmp_path):
    config = RECIPES[name]()
    write_json(tmp_path / "recipe.json", asdict(config))
    again = read_run(tmp_path, [])
    kept = ("system", "model", "objective", "data", "optimizer", "tokenizer", "parallel", "mcq_mode")
    assert [getattr(again, key) for key in kept] == [getattr(config, key) for key in kept]


def test_a_mistake_is_one_line(trained, epic, charades, data, capsys, tmp_path):
    out, _ = trained
    mcq = ("--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards")
    retrieval = epic / "retrieval_annotations"
    old = tmp_path / "old"
    old.mkdir()
    recipe = json.loads((out / "recipe.json").read_text())
    (old / "recipe.json").write_text(json.dumps(recipe | {"speed": 9}))
    new = tmp_path / "new"
    new.mkdir()
    (new / "recipe.json").write_text(json.dumps(recipe))
    for arguments, words in [
        ((tmp_path, *mcq), "holds no run"),
        ((old, *mcq), "speed"),
        ((new, *mcq), "no checkpoint"),
        ((out,), "name a benchmark"),
        ((out, "--mcq-json", "a.json"), "--mcq-shards"),
        ((out, *mcq, "--mode", "fused"), "dual"),
        ((out, *mcq, "--set", "model.projection=16"), "in the shape of this run"),
        ((out, "--epic-retrieval", retrieval, "--epic-shards", data / "shards"), "curate shards --egoclip"),
        ((out, "--epic-retrieval", epic, "--epic-shards", epic / "cut"), "EPIC_100_retrieval_test.csv"),
        ((out, "--charades", charades, "--charades-videos", epic), "none of the 4 videos"),
        ((out, "--charades", epic, "--charades-videos", epic), "Charades_v1_classes.txt"),
    ]:
        assert command("eval", *arguments) == 2, words
        said = capsys.readouterr().err
        assert words in said
        assert said.startswith("curate: ")
        assert said.count("\n") == 1


def test_older_copies_name_the_columns_of_sentences_otherwise(epic, tmp_path):
    folder = tmp_path / "old"
    write_csv(folder / "EPIC_100_retrieval_test.csv", "uid," + HEADER, [[9, *row(*segment)] for segment in SEGMENTS])
    write_csv(folder / "EPIC_100_retrieval_test_sentence.csv", "index,sentence", SENTENCES)
    old, new = read_retrieval(folder), read_retrieval(epic / "retrieval_annotations")
    assert (old.ids, old.sentences, old.sentence_actions.nouns) == (new.ids, new.sentences, new.sentence_actions.nouns)
    write_csv(folder / "EPIC_100_retrieval_test_sentence.csv", "index,sentence", [("P99_01_0", "fly")])
    with pytest.raises(InputError, match="P99_01_0"):
        read_retrieval(folder)
