"""The quiz of gold segments: each clip is cut where the action is that its narration tells."""

import numpy as np
import pyarrow as pa

from benchmarks.window_ablation import with_gold_bounds
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.synthetic import DemoRootConfig, demo_scripts
from egocurate.curation.synthetic.script import ACTION_SEC, NOUNS, VERBS, narrate, third_person
from tests.training.runs import clip


def test_clips_become_the_segment_of_what_they_tell():
    scripts = demo_scripts(DemoRootConfig(train=3, val=1, video_sec=30.0))
    rows, told = [], []
    for number, (uid, script) in enumerate(scripts.items()):
        for time, text in narrate(np.random.default_rng(number), script, annotator=2):
            if "#unsure" not in text and "waits" not in text:
                rows.append(clip(len(rows)) | {"video_uid": uid, "narration_time": time, "video_dur": 30.0})
                told.append((script, text))
    cut = with_gold_bounds(pa.Table.from_pylist(rows, schema=CLIP_SCHEMA), scripts)
    assert cut.schema == CLIP_SCHEMA
    assert len(told) > 20
    for row, (script, text) in zip(cut.to_pylist(), told, strict=True):
        middle = (row["clip_start"] + row["clip_end"]) / 2
        action = min(script.actions, key=lambda one: abs(one.time_sec - middle))
        assert any(f" {third_person(word)} " in text for word in VERBS[action.verb]), text
        assert any(text.endswith(word) for word in NOUNS[action.noun]), text
        assert row["clip_start"] == max(0, action.time_sec - ACTION_SEC / 2) == row["window_start"]
        assert row["clip_end"] == min(30.0, action.time_sec + ACTION_SEC / 2) == row["window_end"]
        assert row["key"] == clip(row["clip_idx"])["key"]
