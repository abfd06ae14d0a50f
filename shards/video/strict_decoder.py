"""Decoders that tell of damage in a source video instead of concealing it, as far as a codec lets them.

FFmpeg plays damaged videos as well as it can: it fills what it cannot decode with what was shown before, and goes on.
What is stored must be what was filmed, so every departure from the standard is an error here. Most codecs have no
checksums, and much damage decodes to other pictures without any (docs/formats.md has what each notices).
"""

from __future__ import annotations

import av

from egocurate.storage.open_video import video_stream

# What FFmpeg's decoders look at, besides what they meet: the bits that are left after a picture, and HEVC's checksums.
_OPTIONS = {
    "h264": {"err_detect": "explode+aggressive"},
    "hevc": {"err_detect": "explode+crccheck"},
    "libdav1d": {"strict": "strict"},
}
_EXPLODE = {"err_detect": "explode"}
# FFmpeg's own decoder of VP9 takes any bits for pictures; this one, as fast, sees where a picture's bits do not add up.
_VP9 = "libvpx-vp9"
_OF_8_BITS = ("yuv420p", "yuv422p", "yuv440p", "yuv444p")


def strict_decoder(container: av.container.InputContainer) -> av.VideoCodecContext:
    """Return a decoder of the best video stream, on one thread; it may have read the container's first frame.

    Raises OSError and av.error.FFmpegError as `open_video.video_stream`.
    """
    decoder = video_stream(container).codec_context
    decoder.thread_count = 1
    decoder.options = _OPTIONS.get(decoder.name, _EXPLODE)
    if decoder.name != "vp9" or decoder.pix_fmt not in _OF_8_BITS:
        return decoder
    if _is_turned(container):
        decoder.flush_buffers()
        return decoder
    strict = av.CodecContext.create(_VP9, "r")
    strict.extradata, strict.thread_count = decoder.extradata, 1
    strict.colorspace, strict.color_range = decoder.colorspace, decoder.color_range
    return strict


def _is_turned(container: av.container.InputContainer) -> bool:
    """Tell whether a container has its pictures turned, of which only its own decoder knows."""
    try:
        first = next(container.decode(video_stream(container)), None)
    except av.error.FFmpegError:
        return True
    return first is None or first.side_data.get("DISPLAYMATRIX") is not None
