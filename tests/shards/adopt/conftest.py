import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Sample = dict[str, bytes]


def write_tar(path: Path, samples: Iterable[tuple[str, Sample]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """Write a tar as the standard library does, which is how img2dataset's writer does."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, members in samples:
            for suffix, content in members.items():
                info = tarfile.TarInfo(f"{name}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(scope="session")
def tar_of() -> Callable[..., Path]:
    return write_tar


@pytest.fixture(scope="session")
def films(tmp_path_factory, make_video) -> dict[str, bytes]:
    """A video of 30 frames at 30 frames per second, one of VP9, a picture."""
    folder = tmp_path_factory.mktemp("films")
    picture = io.BytesIO()
    Image.fromarray(np.full((32, 48, 3), 90, np.uint8)).save(picture, "JPEG")
    return {
        "mp4": make_video(folder / "a.mp4", pts=range(30)).read_bytes(),
        "webm": make_video(folder / "a.webm", codec="libvpx-vp9", pts=range(20)).read_bytes(),
        "jpg": picture.getvalue(),
    }


@pytest.fixture
def video_set(tmp_path, films) -> Path:
    """Two tars as video2dataset writes them: 4 samples each, with a caption in txt and in json."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(2):
        samples = [
            (
                f"{number:05d}{i:04d}",
                {
                    "mp4": films["mp4"],
                    "txt": f"Person {i} cooks.".encode(),
                    "json": json.dumps({"caption": f"caption {i}", "status": "success"}).encode(),
                },
            )
            for i in range(4)
        ]
        write_tar(folder / f"{number:05d}.tar", samples)
    return folder
