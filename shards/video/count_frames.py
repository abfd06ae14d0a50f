"""How many frames a stored clip holds, by decoding all of it and keeping none."""

import io

import av

from egocurate.shards.shard_format import MP4
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError, check_size, first_line


def count_frames(members: list[bytes], kind: str) -> int:
    """Return the number of frames of a clip, one mp4 or a picture file for each frame, as `kind` (`mp4`, `jpg`) says.

    Raises DecodeError if some part of it does not decode.
    """
    if kind != MP4:
        return sum(len(decode_pictures([picture])) for picture in members)
    try:
        with av.open(io.BytesIO(members[0]), format="mp4", metadata_errors="replace") as container:
            check_size(container.streams.video[0].width, container.streams.video[0].height)
            return sum(1 for _ in container.decode(video=0))
    except (av.error.FFmpegError, AttributeError, IndexError) as error:
        raise DecodeError(f"PyAV: {first_line(error)}") from error
