"""How many frames a stored clip holds, by decoding all of it and keeping none."""

import io

import av

from egocurate.shards.shard_format import VIDEO_KINDS
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError, check_size, first_line
from egocurate.storage.open_video import container_of


def count_frames(members: list[bytes], kind: str) -> int:
    """Return the number of frames of a clip, one video or a picture file for each frame, as `kind` (`mp4`, `jpg`) says.

    Raises DecodeError if some part of it does not decode.
    """
    if kind not in VIDEO_KINDS:
        return sum(len(decode_pictures([picture])) for picture in members)
    try:
        with av.open(
            io.BytesIO(members[0]), format=container_of(members[0]) or "mp4", metadata_errors="replace"
        ) as container:
            check_size(container.streams.video[0].width, container.streams.video[0].height)
            return sum(1 for _ in container.decode(video=0))
    except (av.error.FFmpegError, AttributeError, IndexError) as error:
        raise DecodeError(f"PyAV: {first_line(error)}") from error
