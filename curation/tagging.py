"""Tag every distinct text once, on all cores where a Ray cluster is up."""

from collections.abc import Sequence

from curation.lexicon import Lexicon
from curation.tagger import Tags, tag_texts
from shards.progress import Report, silent

STAGE = "tag texts"
RAY_FROM = 2_000  # below that, starting workers that load the parser costs more than it saves
_IN_PROCESS, _LEAST, _MOST = 2_000, 500, 20_000  # texts in one call


def tag_distinct(texts: Sequence[str], lexicon: Lexicon, report: Report = silent) -> list[Tags]:
    """Return (verbs, nouns) of each text, as `tag_texts`; texts should be distinct, each given one is parsed."""
    if len(texts) > RAY_FROM:
        import ray

        if ray.is_initialized():
            return _tag_on_ray(texts, lexicon, report)
    found: list[Tags] = []
    for start in range(0, len(texts), _IN_PROCESS):
        found += tag_texts(texts[start : start + _IN_PROCESS], lexicon)
        report(STAGE, len(found), len(texts))
    return found


def _tag_on_ray(texts: Sequence[str], lexicon: Lexicon, report: Report) -> list[Tags]:
    import ray

    tag = ray.remote(tag_texts)
    cores = int(ray.cluster_resources().get("CPU", 1))
    size = min(max(len(texts) // (cores * 8), _LEAST), _MOST)
    shared = ray.put(lexicon)
    jobs = [tag.remote(texts[start : start + size], shared) for start in range(0, len(texts), size)]
    waiting, done = jobs, 0
    while waiting:
        ready, waiting = ray.wait(waiting)
        done += len(ready)
        report(STAGE, min(done * size, len(texts)), len(texts))
    return [tags for job in jobs for tags in ray.get(job)]
