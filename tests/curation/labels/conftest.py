import pytest

from egocurate.curation.synthetic import LabeledRootConfig, write_labeled_root


@pytest.fixture(scope="session")
def labeled_root(tmp_path_factory):
    """Invented labeled data, small; read only."""
    root = tmp_path_factory.mktemp("labeled")
    config = LabeledRootConfig(
        train=12, test=6, long_train=2, long_test=1, motion_sec=1.0, video_sec=16.0, side=48, fps=10
    )
    write_labeled_root(root, config)
    return root
