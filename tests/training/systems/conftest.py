"""Invented videos with labels, cut into shards."""

import pytest

from egocurate.commands.curate import main
from egocurate.curation.synthetic import LabeledRootConfig, write_labeled_root


@pytest.fixture(scope="session")
def labeled(tmp_path_factory):
    """Shards of labeled motions, and of unseen ones with the same numbers."""
    folder = tmp_path_factory.mktemp("labeled")
    config = LabeledRootConfig(
        train=12, test=6, long_train=2, long_test=1, motion_sec=1.0, video_sec=16.0, side=48, fps=10
    )
    write_labeled_root(folder, config)
    for name, names in (("train", folder / "motions/classes.txt"), ("test", folder / "train")):
        arguments = ["segments", "--csv", folder / f"motions/{name}.txt", "--label-names", names]
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments), "--out", str(folder / name), "--profile", "fast"])
        assert not left.value.code
    return folder
