"""An Ego4D root with every quirk of the real one, small enough to know each row's fate."""

import csv
import json
from pathlib import Path

import av
import numpy as np

PLAIN = "11111111-0000-4000-8000-000000000001"
STEREO = "11111111-0000-4000-8000-000000000002"
WIDE = "11111111-0000-4000-8000-000000000003"
REDACTED = "11111111-0000-4000-8000-000000000004"
EM_VAL = "11111111-0000-4000-8000-000000000005"
NLQ_VAL = "11111111-0000-4000-8000-000000000006"
LTA_TEST = "11111111-0000-4000-8000-000000000007"
MULTI = "11111111-0000-4000-8000-000000000008"
TWIN_A = "11111111-0000-4000-8000-000000000009"
TWIN_B = "11111111-0000-4000-8000-00000000000a"
INVALID_A = "11111111-0000-4000-8000-00000000000b"
INVALID_B = "11111111-0000-4000-8000-00000000000c"
CLOSED = "11111111-0000-4000-8000-00000000000d"
SINGLE = "11111111-0000-4000-8000-00000000000e"
EQUAL = "11111111-0000-4000-8000-00000000000f"
STRANGER_ON_DISK = "22222222-0000-4000-8000-000000000001"
STRANGER = "22222222-0000-4000-8000-000000000002"
GROUPED = "grp-33333333-0000-4000-8000-000000000001"

ON_DISK_SECONDS = 2.0
DURATION = 60.0

# (time, text, reason or "" for a clip) in file order; None for a narration that is no object
PLAIN_PASS_1 = [
    (12.0, "#C C picks a bag of clothes from the floor", ""),
    (4.0, "#C C opens the drawer", ""),  # out of order
    (4.0, '#C C says "hello" to the cup', ""),  # equal time, quotes
    (8.0, "#C C puts\tthe knife\non the table", ""),
    (16.0, "# C C washes the plate  with water.", ""),
    (20.0, "#c C cuts the onion", ""),
    (24.0, "#O a man X walks around the table", ""),
    (28.0, "#C C picks up the #unsure", "unsure"),
    (30.0, "#C C picks #unsure", "min_words"),  # the mark is no word
    (32.0, "#C C speaks", "min_words"),
    (36.0, "#C", "empty"),
    (40.0, "", "empty"),
    (None, "#C C lifts the pan", "bad_time"),
    ("44.0", "#C C lifts the pan", "bad_time"),
    (float("nan"), "#C C lifts the pan", "bad_time"),
    (True, "#C C lifts the pan", "bad_time"),
    (-3.0, "#C C lifts the pan", "bad_time"),
    (48.0, None, "empty"),
    (60.0, "#C C closes the door", ""),  # at the very end
    (60.5, "#C C closes the door", "beyond_video"),
    (0.0, "#C C drops the \ud83d spoon\x00", ""),  # half a surrogate pair, NUL
    (10**400, "#C C lifts the pan", "bad_time"),
    (None, None, "bad_time"),  # written as null, no object at all
]
PLAIN_PASS_2 = [(4.5, "#C C opens drawer", ""), (16.5, "#C C cleans plate in sink", "")]

ONE_LINE = [(5.0, "#C C opens the door", ""), (9.0, "#C C takes the cup", "")]
OTHERS = {
    STEREO: [(5.0, "#C C opens the door", "stereo"), (9.0, "#C C takes the cup", "stereo")],
    WIDE: [(5.0, "#C C opens the door", "wide")],
    REDACTED: [
        (5.0, "#C C opens the door", ""),
        (10.0, "#C C takes the cup", "redacted"),
        (14.0, "#C C takes the cup", "redacted"),
        (21.0, "#C C takes the cup", ""),
    ],
    EM_VAL: [(5.0, "#C C opens the door", "val_test"), (6.0, "#C C looks", "val_test")],
    NLQ_VAL: [(5.0, "#C C opens the door", "val_test")],
    LTA_TEST: [(5.0, "#C C opens the door", "val_test")],
    MULTI: [(5.0, "#C C opens the door", ""), (9.0, "#C C takes the cup", "")],
    TWIN_A: ONE_LINE,
    TWIN_B: ONE_LINE,
    INVALID_A: ONE_LINE,
    INVALID_B: ONE_LINE,
    SINGLE: [(30.0, "#C C opens the door", "")],
    EQUAL: [(30.0, "#C C opens the door", ""), (30.0, "#C C takes the cup", "")],
    STRANGER_ON_DISK: [
        (0.5, "#C C opens the door", ""),
        (1.5, "#C C takes the cup", ""),
        (7.0, "#C C walks on", "beyond_video"),
    ],
    STRANGER: [(5.0, "#C C opens the door", "no_video")],
    GROUPED: ONE_LINE,
}

VERBS = [
    ("close", ["close"]),
    ("cut", ["cut", "slice"]),
    ("open", ["open"]),
    ("take_(pick,_grab)", ["take", "pick", "grab"]),
]
NOUNS = [
    ("bag", ["bag"]),
    ("cloth", ["cloth", "clothe"]),
    ("cup", ["cup", "mug"]),
    ("door", ["door"]),
    ("drawer", ["drawer"]),
]


def expected() -> dict[tuple[str, str, int], str]:
    """Return the reason, "" for a clip, of every narration of the root."""
    fates = {(PLAIN, "narration_pass_1", i): row[2] for i, row in enumerate(PLAIN_PASS_1)}
    fates |= {(PLAIN, "narration_pass_2", i): row[2] for i, row in enumerate(PLAIN_PASS_2)}
    return fates | {(uid, "narration_pass_1", i): row[2] for uid, rows in OTHERS.items() for i, row in enumerate(rows)}


def write_hostile_root(
    root: Path,
    version: str = "v2",
    metadata: str = "ego4d.json",
    narrations: str = "narration.json",
    annotations: str = "",
) -> Path:
    """Write the root; `metadata` is a path in it (ego4d.json or manifest.csv), `annotations` an unusual folder."""
    folder = root / (annotations or f"{version}/annotations")
    folder.mkdir(parents=True, exist_ok=True)
    content = _narrations() if narrations == "narration.json" else _pooled()
    (folder / narrations).write_text(json.dumps(content))
    (folder / "nlq_val.json").write_text(json.dumps({"videos": [{"video_uid": NLQ_VAL, "clips": []}, None, {}]}))
    (folder / "fho_lta_test_unannotated.json").write_text(
        json.dumps({"version": "1", "clips": [{"video_uid": LTA_TEST, "clip_uid": "a"}, {"video_uid": LTA_TEST}]})
    )
    for name, groups in (("verb", VERBS), ("noun", NOUNS)):
        with (folder / f"narration_{name}_taxonomy.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("label", "group"), *((label, str(group)) for label, group in groups)])
    path = root / metadata
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(_ego4d_json()))
    else:
        _write_manifest(path)
    write_video(root / version / "full_scale" / f"{PLAIN}.mp4")
    write_video(root / version / "full_scale" / f"{STRANGER_ON_DISK}.mp4")
    return root


def write_video(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    """Write ON_DISK_SECONDS of h264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"threads": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for level in range(int(10 * ON_DISK_SECONDS)):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 10 * level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _item(time: object, text: object) -> dict[str, object]:
    return {"timestamp_sec": time, "timestamp_frame": 0, "narration_text": text, "annotation_uid": "one-job"}


def _pass(rows: list[tuple[object, object, str]]) -> dict[str, object]:
    return {
        "narrations": [_item(time, text) for time, text, _ in rows],
        "summaries": [{"start_sec": 0.0, "end_sec": 0.0}],
    }


def _narrations() -> dict[str, object]:
    # pass 2 stands first; the last narration of pass 1 is null
    first = _pass(PLAIN_PASS_1)
    first["narrations"][-1] = None
    content: dict[str, object] = {
        PLAIN: {"narration_pass_2": _pass(PLAIN_PASS_2), "narration_pass_1": first, "status": "complete"},
        CLOSED: {"status": "redacted"},
        "44444444-null": None,
        "44444444-odd": {"narration_pass_1": None, "narration_pass_2": {"summaries": []}},
    }
    return content | {uid: {"narration_pass_1": _pass(rows), "status": "complete"} for uid, rows in OTHERS.items()}


def _pooled() -> dict[str, object]:
    videos = {
        uid: {
            "narrations": [{"time": time, "text": text, "_annotation_uid": uid} for time, text, _ in rows],
            "summaries": [],
        }
        for uid, rows in OTHERS.items()
    }
    videos[PLAIN] = {
        "narrations": [
            *({"time": time, "text": text, "_annotation_uid": "job-a"} for time, text, _ in PLAIN_PASS_1[:4]),
            *({"time": time, "text": text, "_annotation_uid": "job-b"} for time, text, _ in PLAIN_PASS_2),
            {"time": 30.0, "text": "#C C closes the door", "_annotation_uid": "job-c"},
        ]
    }
    return {"version": "x", "videos": videos, "_map_errs": [{"text": "#C C looks around", "is_summary": False}]}


def _video(uid: str, **facts: object) -> dict[str, object]:
    inner = {
        "fps": 30.0,
        "display_resolution_width": 1440,
        "display_resolution_height": 1080,
        "mp4_duration_sec": DURATION,
    }
    plain = {
        "video_uid": uid,
        "duration_sec": DURATION,
        "scenarios": ["Cooking"],
        "video_metadata": inner,
        "is_stereo": False,
    }
    return plain | {f"split_{name}": None for name in ("em", "av", "fho")} | {"redacted_intervals": []} | facts


def _ego4d_json() -> dict[str, object]:
    wide = {"display_resolution_width": 2400, "display_resolution_height": 1080}
    videos = [
        _video(PLAIN, split_em="train", video_metadata=None, scenarios=None),
        _video(STEREO, is_stereo=True, video_metadata=wide),
        _video(WIDE, video_metadata=wide),
        _video(
            REDACTED,
            has_redacted_regions=True,
            redacted_intervals=[
                {"start_sec": 13.0, "end_sec": 20.0},
                {"start_sec": 9.0, "end_sec": 14.0},
                {"start_sec": None, "end_sec": 50.0},
                None,
            ],
        ),
        _video(EM_VAL, split_em="val", split_fho="train"),
        _video(NLQ_VAL, split_em="train"),
        _video(LTA_TEST, split_em="val"),
        _video(MULTI, split_fho="multi"),
        *(_video(uid) for uid in (TWIN_A, TWIN_B, INVALID_A, INVALID_B, CLOSED, SINGLE, EQUAL)),
        _video(GROUPED, duration_sec=None),
        _video(PLAIN, duration_sec=1.0),  # repeated
        {"duration_sec": 3.0},
        None,
    ]
    sets = [
        {"concurrent_video_set_id": 1, "valid": True, "videos": [{"video_uid": TWIN_A}, {"video_uid": TWIN_B}, None]},
        {"concurrent_video_set_id": 2, "valid": False, "videos": [{"video_uid": INVALID_A}, {"video_uid": INVALID_B}]},
        {"concurrent_video_set_id": 3, "valid": True, "videos": None},
        None,
    ]
    return {"version": "v2", "videos": videos, "clips": [], "concurrent_video_sets": sets, "moments_labels": ["x"]}


def _write_manifest(path: Path) -> None:
    header = ["path", "scenarios", "video_uid", "duration_sec", "split_em", "split_av", "split_fho"]
    header += ["display_resolution_width", "display_resolution_height"]
    uids = [PLAIN, NLQ_VAL, LTA_TEST, MULTI, TWIN_A, TWIN_B, INVALID_A, INVALID_B, CLOSED, SINGLE, EQUAL, GROUPED]
    rows = [["", "['Cooking', 'Eating']", uid, str(DURATION), "", "", "", "1440.0", "1080.0"] for uid in uids]
    rows.append(["", "", EM_VAL, str(DURATION), "val", "", "", "", ""])
    rows.append(["", "Cooking", WIDE, str(DURATION), "", "", "", "2400.0", "1080.0"])
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([header, *rows])
