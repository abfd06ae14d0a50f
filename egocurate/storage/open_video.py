"""Open video files of strangers: by containers of video alone, from the place that was named and no other."""

import io

import av

from egocurate.storage.paths import AnyPath
from egocurate.storage.remote_file import media

# A text that says it is a playlist, a session description or a list of files would have FFmpeg open what it names.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,mxf,ogg,nut,ivf,h264,hevc,m4v"
)


def open_video(path: AnyPath) -> av.container.InputContainer:
    """Open a video file or object; raises OSError (also FileNotFoundError, StoreError) or av.error.FFmpegError."""
    where = media(path)
    options = {"format_whitelist": _CONTAINERS}
    if isinstance(where, str):
        options["protocol_whitelist"] = "file"
    # Tags of a container are in any encoding, and nothing here reads them.
    return av.open(where, metadata_errors="replace", container_options=options)


def container_of(data: bytes) -> str | None:
    """Return how FFmpeg calls the container of a clip, by its first bytes: mp4, matroska (webm too), None for others.

    Of others some are playlists and the like, and what these name would be opened as well.
    """
    if data[4:8] == b"ftyp":
        return "mp4"
    return "matroska" if data[:4] == b"\x1a\x45\xdf\xa3" else None


def open_clip(data: bytes) -> av.container.InputContainer:
    """Open a stored clip, of which nothing is decoded to learn what it is; raises av.error.FFmpegError."""
    kind = container_of(data) or "mp4"  # which says what is wrong with other bytes
    # Opening would decode the first frame, to learn what the decoder learns for itself: a sixth of the time.
    return av.open(io.BytesIO(data), format=kind, metadata_errors="replace", options={"skip_frame": "all"})


def video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """Return the best video stream; raises OSError if there is none, or none that can be decoded."""
    stream = container.streams.best("video")
    if stream is None:
        raise OSError("no video stream")
    if stream.codec_context is None:
        raise OSError("its codec is not known")
    return stream
