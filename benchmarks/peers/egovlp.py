"""EgoVLP's layout: chunks of 600 s at 256 pixels, x264's defaults, read by OpenCV, which is told where to seek."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.peers.chunked import Chunks, Loader
from benchmarks.peers.data import Data

PACKAGE = "opencv-python-headless"


def build(data: Data) -> None:
    """The chunks are there."""


def _frames(path: str, indices: np.ndarray) -> np.ndarray:
    capture = cv2.VideoCapture(path)
    pictures = []
    for index in indices.tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        found, picture = capture.read()
        if not found:
            raise OSError(f"{path}: frame {index} cannot be read")
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    capture.release()
    return np.stack(pictures)


def open(data: Data, workers: int) -> Loader:
    """Return the loader."""
    cv2.setNumThreads(0)
    return Loader(Chunks(data, "egovlp", _frames), workers)
