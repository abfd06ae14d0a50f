import itertools
import json
import math
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.sources.json_stream import LONGEST_TOKEN, members
from egocurate.curation.sources.narration_json import read_narration_json, read_pooled_json
from egocurate.curation.sources.passes import split_passes
from egocurate.curation.sources.scenes import scene_ids
from egocurate.curation.sources.splits import BENCHMARKS
from egocurate.curation.sources.videos_table import VIDEO_COLUMNS
from egocurate.errors import InputError
from tests.curation import hostile_root as hostile
from tests.curation.hostile_root import write_hostile_root, write_video


def videos_of(source):
    return source.videos().set_index("video_uid")


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# narrations


def test_every_narration_is_read_with_its_place_in_the_file(hostile_root):
    frame = Ego4DSource(hostile_root).narrations()
    assert tuple(frame.columns) == NARRATION_COLUMNS
    keys = list(zip(frame["video_uid"], frame["narration_source"], frame["narration_ind"], strict=True))
    assert len(keys) == len(set(keys))
    assert set(keys) == set(hostile.expected())
    plain = frame[(frame["video_uid"] == hostile.PLAIN) & (frame["narration_source"] == "narration_pass_1")]
    assert plain["narration_ind"].tolist() == list(range(len(hostile.PLAIN_PASS_1)))
    for (time, text, _), row in zip(hostile.PLAIN_PASS_1, plain.itertuples(), strict=True):
        number = isinstance(time, float)
        assert row.narration_time == time if number and not math.isnan(time) else not math.isfinite(row.narration_time)
        if text and text.isascii() and "\0" not in text:
            assert row.narration_text == text
    assert plain["narration_text"].iloc[20] == "#C C drops the ? spoon "


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 22])
def test_streaming_gives_the_same_for_any_chunk(hostile_root, chunk):
    path = hostile_root / "v2" / "annotations" / "narration.json"
    content = json.loads(path.read_text())
    assert dict(members(path, chunk=chunk)).keys() == content.keys()
    whole = read_narration_json(path)
    streamed = read_narration_json(path, chunk=chunk)
    assert streamed.frame.equals(whole.frame)
    assert streamed.notes == whole.notes


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=4), json_values, max_size=5),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    bom=st.booleans(),
)
def test_members_agrees_with_json_load(tmp_path_factory, content, chunk, indent, ascii_only, bom):
    path = tmp_path_factory.mktemp("json") / "file.json"
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8", "replace"))
    assert dict(members(path, chunk=chunk)) == json.loads(path.read_text("utf-8-sig"))


BROKEN = {
    "truncated": (b'{"u": {"narration_pass_1": {"narra', "byte 2"),
    "missing comma": (b'{"a": {} "u": {}}', "byte 9"),
    "inside a value": (b'{"a": {}, "u": {"x": [1, oops]}}', "byte 25"),
    "after umlauts": ('{"äöü": {}, "u": oops}'.encode(), "byte 20"),
    "text after the end": (b'{"a": {}} {}', "byte 10"),
    "key without quotes": (b"{a: 1}", "byte 1"),
    "empty": (b"", "empty"),
    "white space only": (b" \n", "empty"),
    "byte order mark only": (b"\xef\xbb\xbf", "empty"),
    "a list": (b"[1, 2]", "'['"),
    "Latin-1": (b'{"a": {}, "\xe4": 1}', "byte 11"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "byte 0"),
    "deep brackets": (b'{"a": ' + b"[" * 200_000, "byte 6"),
}


@pytest.mark.parametrize("chunk", [4, 1 << 22])
@pytest.mark.parametrize(("content", "tells"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_line_with_its_place(tmp_path, content, tells, chunk):
    root = write_hostile_root(tmp_path)
    path = root / "v2" / "annotations" / "narration.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_narration_json(path, chunk=chunk)
    message = one_line(error)
    assert str(path) in message
    assert "again" in message
    if chunk > 4:
        assert tells in message


def test_a_break_in_the_middle_of_a_large_file_is_found_without_reading_the_rest(tmp_path):
    path = tmp_path / "narration.json"
    with path.open("wb") as file:
        file.write(b'{"a": {"x": oops}, "b": "')
        file.seek(8 * LONGEST_TOKEN)
        file.write(b'"}')
    with pytest.raises(InputError, match="byte 12"):
        list(members(path))


@pytest.mark.parametrize("name", ["ego4d.json", "v2/annotations/nlq_val.json"])
@pytest.mark.parametrize("content", [b"", b'{"videos": [', b"[]", b'{"videos": 3}', b"{}"])
def test_other_broken_files_are_input_errors_too(tmp_path, name, content):
    root = write_hostile_root(tmp_path)
    (root / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        Ego4DSource(root).videos()
    assert str(root / name) in one_line(error)


# the pooled file


def test_pooled_narrations_are_told_apart(tmp_path):
    root = write_hostile_root(tmp_path, narrations="all_narrations_redacted.json")
    source = Ego4DSource(root)
    frame = source.narrations()
    plain = frame[frame["video_uid"] == hostile.PLAIN]
    # job a spans 4..12 s, b 4.5..16.5 s, c 30 s
    expected = ["narration_pass_1"] * 4 + ["narration_pass_2"] * 2 + ["narration_pass_1"]
    assert plain["narration_source"].tolist() == expected
    assert plain["narration_ind"].tolist() == list(range(7))
    assert set(frame["video_uid"]) == {hostile.PLAIN, *hostile.OTHERS}
    assert any("pools both annotators" in note for note in source.notes())


def test_narration_json_is_preferred_to_the_pooled_file(tmp_path):
    write_hostile_root(tmp_path, narrations="all_narrations_redacted.json")
    write_hostile_root(tmp_path, version="v1")
    source = Ego4DSource(tmp_path)
    assert "v1/annotations/narration.json" in source.fingerprint()
    assert "v2/annotations/all_narrations_redacted.json" not in source.fingerprint()


def test_a_pooled_file_without_videos_is_refused(tmp_path):
    path = tmp_path / "all_narrations_redacted.json"
    path.write_text('{"version": 1}')
    with pytest.raises(InputError, match="'videos'"):
        read_pooled_json(path)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_two_annotators_are_recovered_from_their_jobs(lengths, random):
    # each annotator covers the video with jobs end to end; narrations of both come shuffled
    rows, cut = [], 0
    for number, (_, length) in enumerate(lengths):
        for annotator in ("a", "b"):
            rows += [(f"{annotator}{number}", cut + shift) for shift in (0.25, length - 0.25)]
        cut += length
    random.shuffle(rows)
    passes = split_passes([job for job, _ in rows], np.array([time for _, time in rows]))
    of = {}
    for (job, _), which in zip(rows, passes.tolist(), strict=True):
        assert of.setdefault(job, which) == which, "a job is in two passes"
    for number in range(len(lengths)):
        assert {of[f"a{number}"], of[f"b{number}"]} == {1, 2}


def test_one_job_and_times_without_meaning_are_pass_one():
    assert split_passes(["x", "x"], np.array([1.0, 2.0])).tolist() == [1, 1]
    assert split_passes(["x", "y"], np.array([np.nan, np.nan])).tolist() == [1, 1]
    assert split_passes([], np.array([])).tolist() == []


def test_a_third_job_goes_where_it_overlaps_less():
    job = ["a", "a", "b", "b", "c", "c"]
    assert split_passes(job, np.array([0.0, 10.0, 1.0, 6.0, 5.0, 15.0])).tolist() == [1, 1, 2, 2, 2, 2]


# layout


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"metadata": "v2/ego4d.json"},
        {"metadata": "v2/annotations/ego4d.json"},
        {"version": "v1", "metadata": "v1/ego4d.json"},
        {"version": "v2_1", "metadata": "v2_1/ego4d.json"},
        {"annotations": "annotations"},
        {"annotations": "."},
    ],
    ids=str,
)
def test_every_layout_reads_the_same(tmp_path, hostile_root, layout):
    usual, other = Ego4DSource(hostile_root), Ego4DSource(write_hostile_root(tmp_path, **layout))
    assert other.narrations().equals(usual.narrations())
    facts = [name for name in VIDEO_COLUMNS if name != "path"]
    assert other.videos()[facts].equals(usual.videos()[facts])
    assert other.videos()["path"].notna().tolist() == usual.videos()["path"].notna().tolist()
    assert other.lexicon_dir() is not None


@pytest.mark.parametrize("place", ["manifest.csv", "v2/manifest.csv", "v2/full_scale/manifest.csv"])
def test_a_manifest_alone_is_enough(tmp_path, place):
    root = write_hostile_root(tmp_path, metadata=place)
    (root / "v2" / "manifest.csv" if place == "v2/full_scale/manifest.csv" else root / "v1.csv").write_text(
        "video_uid,type,s3_path,benchmarks\nx,video,s3://y,[EM]\n"
    )  # of other data: has no durations
    source = Ego4DSource(root)
    videos = videos_of(source)
    assert videos.loc[hostile.PLAIN, "video_dur"] == hostile.DURATION
    assert videos.loc[hostile.PLAIN, "scenarios"] == ["Cooking", "Eating"]
    assert videos.loc[hostile.WIDE, ["width", "height"]].tolist() == [2400, 1080]
    assert videos.loc[[hostile.EM_VAL, hostile.NLQ_VAL, hostile.LTA_TEST], "split"].tolist() == ["val", "val", "test"]
    assert math.isnan(videos.loc[hostile.STEREO, "video_dur"])
    assert any("No ego4d.json" in note for note in source.notes())


def test_the_newest_version_with_narrations_is_read_and_all_benchmark_files(tmp_path):
    write_hostile_root(tmp_path, version="v1")
    write_hostile_root(tmp_path, version="v2")
    newest = tmp_path / "v2_1" / "annotations"
    newest.mkdir(parents=True)
    (newest / "goalstep_val.json").write_text(json.dumps({"videos": [{"video_uid": hostile.SINGLE}]}))
    source = Ego4DSource(tmp_path)
    assert "v2/annotations/narration.json" in source.fingerprint()
    assert "v1/annotations/narration.json" not in source.fingerprint()
    assert videos_of(source).loc[hostile.SINGLE, "split"] == "val"


def test_what_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no such folder") as error:
        Ego4DSource(tmp_path / "nowhere")
    one_line(error)
    (tmp_path / "v2" / "annotations").mkdir(parents=True)
    with pytest.raises(InputError, match="v2/annotations") as error:
        Ego4DSource(tmp_path)
    assert "narration.json" in one_line(error)
    (tmp_path / "v2" / "annotations" / "narration.json").write_text("{}")
    with pytest.raises(InputError, match=r"ego4d\.json") as error:
        Ego4DSource(tmp_path)
    one_line(error)


# videos


def test_facts_of_the_videos(hostile_root):
    frame = Ego4DSource(hostile_root).videos()
    assert tuple(frame.columns) == VIDEO_COLUMNS
    assert frame["video_uid"].is_unique
    videos = frame.set_index("video_uid")
    assert videos.loc[hostile.PLAIN, "video_dur"] == hostile.DURATION
    assert videos.loc[hostile.PLAIN, ["width", "height"]].tolist() == [0, 0]
    assert videos.index[videos["is_stereo"]].tolist() == [hostile.STEREO]
    assert videos.index[videos["fho_multi"]].tolist() == [hostile.MULTI]
    assert videos.loc[hostile.REDACTED, "redacted"] == [(13.0, 20.0), (9.0, 14.0)]
    assert videos.loc[hostile.GROUPED, "video_dur"] == hostile.DURATION  # from the mp4, duration_sec is null
    splits = {uid: split for uid, split in videos["split"].items() if split}
    assert splits == {
        hostile.PLAIN: "train",
        hostile.EM_VAL: "val",
        hostile.NLQ_VAL: "val",
        hostile.LTA_TEST: "test",  # val by its fields, test by a file
    }
    assert videos.loc[hostile.TWIN_A, "scene"] == videos.loc[hostile.TWIN_B, "scene"]
    assert len(set(videos["scene"])) == len(videos) - 1


def test_a_video_without_metadata_is_measured_on_disk(hostile_root):
    videos = videos_of(Ego4DSource(hostile_root))
    assert videos.loc[hostile.STRANGER_ON_DISK, "video_dur"] == pytest.approx(hostile.ON_DISK_SECONDS, abs=0.05)
    assert videos.loc[hostile.STRANGER_ON_DISK, ["width", "height"]].tolist() == [64, 48]
    assert math.isnan(videos.loc[hostile.STRANGER, "video_dur"])
    assert videos.loc[hostile.STRANGER, "path"] is None


def test_a_file_that_is_no_video_leaves_the_length_unknown(tmp_path):
    root = write_hostile_root(tmp_path)
    (root / f"{hostile.STRANGER}.mp4").write_bytes(b"no video")
    videos = videos_of(Ego4DSource(root))
    assert math.isnan(videos.loc[hostile.STRANGER, "video_dur"])
    assert videos.loc[hostile.STRANGER, "path"] == str(root / f"{hostile.STRANGER}.mp4")


def test_the_540p_copy_is_preferred_then_full_scale_then_the_root(tmp_path):
    root = write_hostile_root(tmp_path)
    (root / f"{hostile.PLAIN}.mp4").write_bytes(b"")
    assert videos_of(Ego4DSource(root)).loc[hostile.PLAIN, "path"] == str(
        root / "v2/full_scale" / f"{hostile.PLAIN}.mp4"
    )
    small = write_video(root / "v1" / "video_540ss" / f"{hostile.PLAIN}.mp4")
    (root / "v2" / "video_540ss").mkdir()
    (root / "v2" / "video_540ss" / f"{hostile.PLAIN}.mp4").symlink_to(root / "gone")
    assert videos_of(Ego4DSource(root)).loc[hostile.PLAIN, "path"] == str(small)


def test_every_benchmark_file_counts_and_missing_ones_are_told(tmp_path):
    root = write_hostile_root(tmp_path)
    folder = root / "v2" / "annotations"
    keys = itertools.cycle(["videos", "clips", "annotations"])
    uids = [hostile.PLAIN, hostile.SINGLE, hostile.EQUAL, hostile.MULTI, hostile.TWIN_A, hostile.TWIN_B]
    names = [name for name in BENCHMARKS if name not in ("nlq", "fho_lta")][: len(uids)]
    for name, uid in zip(names, uids, strict=True):
        (folder / f"{name}_val.json").write_text(json.dumps({next(keys): [{"video_uid": uid}]}))
    entries = [{"video_uid": hostile.TWIN_A}, {"video_uid": hostile.INVALID_A, "split": "val"}]
    (folder / "av_test_unannotated.json").write_text(json.dumps({"videos": entries}))
    source = Ego4DSource(root)
    split = videos_of(source)["split"]
    assert split[uids].tolist() == ["val", "val", "val", "val", "test", "val"]
    assert split[hostile.INVALID_A] == "val"  # an entry's own split is more exact than the file's name
    notes = " ".join(source.notes())
    assert "nlq_test_unannotated.json" in notes
    assert "av_test_unannotated.json, " in notes.split("not there")[0]


@given(
    st.integers(1, 12),
    st.lists(st.lists(st.integers(0, 15), max_size=4), max_size=8),
)
def test_scenes_are_connected_components(count, groups):
    uids = list(string.ascii_lowercase[:count])
    sets = [[string.ascii_lowercase[i] for i in group] for group in groups]
    reach = {uid: {uid} for uid in string.ascii_lowercase}
    for _ in string.ascii_lowercase:
        for group in sets:
            together = set().union(*(reach[uid] for uid in group))
            for uid in together:
                reach[uid] = reach[uid] | together
    ids = scene_ids(uids, sets)
    for i, j in itertools.product(range(count), repeat=2):
        assert (ids[i] == ids[j]) == (uids[j] in reach[uids[i]])


def test_the_fingerprint_follows_the_content(tmp_path):
    root = write_hostile_root(tmp_path)
    before = Ego4DSource(root).fingerprint()
    assert set(before) == {
        "ego4d.json",
        "v2/annotations/fho_lta_test_unannotated.json",
        "v2/annotations/narration.json",
        "v2/annotations/narration_noun_taxonomy.csv",
        "v2/annotations/narration_verb_taxonomy.csv",
        "v2/annotations/nlq_val.json",
    }
    path = root / "v2" / "annotations" / "nlq_val.json"
    path.write_bytes(path.read_bytes() + b" ")
    after = Ego4DSource(root).fingerprint()
    assert {name for name in before if before[name] != after[name]} == {"v2/annotations/nlq_val.json"}
    size, _, digest = after["v2/annotations/nlq_val.json"].partition(":")
    assert int(size) == path.stat().st_size
    assert len(digest) == 64


def test_a_repeated_uid_is_read_once(tmp_path):
    path = tmp_path / "narration.json"
    entry = '{"narration_pass_1": {"narrations": [{"timestamp_sec": 1, "narration_text": "%s"}]}}'
    path.write_text(f'{{"u": {entry % "first"}, "u": {entry % "second"}}}')
    assert read_narration_json(path).frame["narration_text"].tolist() == ["first"]


def test_a_narration_that_is_said_often_is_kept_once(tmp_path):
    said = [{"timestamp_sec": second, "narration_text": f"#C C opens door {second % 3}"} for second in range(300)]
    entries = {uid: {"narration_pass_2": {"narrations": said}} for uid in ("b", "a")}
    path = tmp_path / "narration.json"
    path.write_text(json.dumps(entries))
    frame = read_narration_json(path).frame
    assert frame["video_uid"].tolist() == ["b"] * 300 + ["a"] * 300  # the order of the file
    assert frame["video_uid"].cat.categories.tolist() == ["a", "b"]  # that of names, by which runs sort
    assert len(frame["narration_text"].cat.categories) == 3
    assert frame["narration_text"].tolist()[298:302] == [f"#C C opens door {at}" for at in (1, 2, 0, 1)]
