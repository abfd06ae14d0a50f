"""Synthetic videos with labels, cut into shards."""

import pytest

from egocurate.commands.curate import main


@pytest.fixture(scope="session")
def labeled(labeled_root, tmp_path_factory):
    """Shards of labeled motions, and of unseen ones with the same numbers."""
    folder, motions = tmp_path_factory.mktemp("labeled-shards"), labeled_root / "motions"
    for name, names in (("train", motions / "classes.txt"), ("test", folder / "train")):
        arguments = ["segments", "--csv", motions / f"{name}.txt", "--label-names", names]
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments), "--out", str(folder / name), "--profile", "fast"])
        assert not left.value.code
    return folder
