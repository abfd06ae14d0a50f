import json

import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.egomcq_dataset import EgoMCQDataset

SMALL = {"frames": 3, "size": 32}


def edit(questions, change):
    asked = json.loads(questions.read_text())
    change(asked)
    questions.write_text(json.dumps(asked))


def test_questions_are_those_of_the_file(questions, shards, index):
    dataset = EgoMCQDataset(questions, shards, **SMALL)
    asked = json.loads(questions.read_text())
    assert len(dataset) == len(asked) == 8 and dataset.missing == []
    assert dataset.types.tolist() == [1, 2] * 4
    assert dataset.answers.tolist() == [entry["answer"] for entry in asked.values()]
    for q, (name, entry) in enumerate(asked.items()):
        assert dataset.names[q] == name
        rows = [index.row(int(sample)) for sample in dataset.clips[dataset.choices[q]]]
        assert [row.clip_text for row in rows] == [entry["choices"][str(o)]["clip_text"] for o in range(5)]
        assert dataset.texts[q] == rows[entry["answer"]].text
        assert entry["query"]["clip_text"] == rows[entry["answer"]].clip_text


def test_a_question_shows_its_five_clips(questions, shards, index):
    dataset = EgoMCQDataset(questions, shards, **SMALL)
    question = dataset[3]
    assert question.frames.shape == (5, 3, 3, 32, 32) and question.frames.dtype == torch.uint8
    assert (question.text, question.answer, question.type) == (dataset.texts[3], 4, 2)
    sample = int(dataset.clips[dataset.choices[3, 2]])
    count = index.row(sample).frame_count
    middle = np.floor((np.arange(3) + 0.5) * count / 3).astype(int)
    frames = decode_clip(index.read_video(sample), middle, "decord")
    assert torch.equal(question.frames[2], crop_and_resize(frames, center_view(*frames.shape[-2:]), 32))


def test_distinct_clips_come_once_each(questions, shards):
    dataset = EgoMCQDataset(questions, shards, **SMALL)
    clips = dataset.evaluation_clips()
    assert len(clips) == len(dataset.clips) == len(np.unique(dataset.clips))
    assert np.array_equal(clips.samples, dataset.clips)
    frames = torch.stack(list(clips))
    for q in range(len(dataset)):
        assert torch.equal(frames[torch.from_numpy(dataset.choices[q])], dataset[q].frames)


def test_questions_without_their_clips_are_left_out_and_counted(questions, shards):
    def strip(asked):
        asked["2"]["choices"]["4"]["narration_ind"] = 9999

    edit(questions, strip)
    dataset = EgoMCQDataset(questions, shards, **SMALL)
    assert dataset.missing == ["2"] and len(dataset) == 7 and dataset.names[2] == "3"

    def strip_all(asked):
        for entry in asked.values():
            entry["choices"]["0"]["video_uid"] = "elsewhere"

    edit(questions, strip_all)
    with pytest.raises(InputError, match="none of the 8 questions"):
        EgoMCQDataset(questions, shards, **SMALL)


def test_a_clip_that_does_not_decode_is_a_text_among_clips_and_an_error_in_a_question(questions, shards, broken):
    bad = int(EgoMCQDataset(questions, shards, **SMALL).clips[0])
    dataset = EgoMCQDataset(questions, broken([bad]), **SMALL)
    clips = dataset.evaluation_clips()
    assert clips[0].startswith("video0-narration_pass_1-00000 in ")
    assert isinstance(clips[1], torch.Tensor)
    with pytest.raises(InputError, match="does not decode: video0-narration_pass_1-00000 in"):
        dataset[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda asked: asked["1"].pop("choices"), "question '1' is not as published"),
        (lambda asked: asked["1"].update(answer=5), "question '1' has answer 5"),
        (lambda asked: asked.clear(), "holds no questions"),
    ],
)
def test_files_that_are_not_as_published_are_refused(questions, shards, change, named):
    edit(questions, change)
    with pytest.raises(InputError, match=named):
        EgoMCQDataset(questions, shards)


def test_files_that_cannot_be_read_are_refused(tmp_path, shards):
    with pytest.raises(InputError, match=r"none\.json"):
        EgoMCQDataset(tmp_path / "none.json", shards)
    (tmp_path / "half.json").write_text('{"0": {')
    with pytest.raises(InputError, match="is not JSON"):
        EgoMCQDataset(tmp_path / "half.json", shards)


def test_raw_questions_are_asked_as_the_file_writes_them(questions, shards):
    def others(asked):
        asked["0"]["query"]["clip_text"] = "#O A picks the cup"
        asked["1"]["query"]["clip_text"] = "#C C picks the cup"

    edit(questions, others)
    asked = EgoMCQDataset(questions, shards, text="raw", **SMALL)
    assert asked.texts[:2] == ["#O A picks the cup", "#C C picks the cup"]
    assert asked[1].text == asked.texts[1]
    assert asked.texts[2].startswith("#C C does thing")
