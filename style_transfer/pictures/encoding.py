"""Films out: H.264 in MP4, every frame at its own time, with the sound of another film copied."""

import contextlib
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from style_transfer import files

CRF = 17  # of x264: hardly to be told from the pictures
BT709 = 1  # the number of that standard, in the lists of colors of H.264
LIMITED = 1  # and of the range 16 to 235
#: Sound that players expect in MP4; any other goes, as it is, into Matroska.
IN_MP4 = {"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"}
KINDS = {".mp4": "mp4", ".mkv": "matroska"}


@dataclass(frozen=True)
class Sound:
    """A part of a film's sound.

    Attributes:
        path: of the film.
        shift: the moment, in seconds of its own clock, that becomes 0.
        begin, end: packets outside are left out.
    """

    path: str
    shift: Fraction
    begin: float = -math.inf
    end: float = math.inf


def choose_suffix(sound):
    """Return `.mp4`, or `.mkv` where the sound is of a kind that MP4 does not hold."""
    if sound is None:
        return ".mp4"
    import av

    with av.open(sound.path) as container:
        names = {stream.codec_context.name for stream in container.streams.audio}
    return ".mp4" if names <= IN_MP4 else ".mkv"


def write(path, pictures, times, time_base, *, sound=None, crf=CRF):
    """Write a film, whole or not at all; one picture at a time is in memory.

    Sides are made even, as the format wants them, by repeating the last row or column.

    Args:
        path: `.mp4` or `.mkv`.
        pictures: an iterator of (height, width, 3), uint8, of one size.
        times: of the pictures, in units of `time_base`; the first one is shown at once.
        time_base: in seconds, a `Fraction`.
        sound: a `Sound`, or None.
        crf: quality of x264, 0 (exact) to 51.

    Raises:
        OSError: it could not be written.
    """
    import av

    path = Path(path)
    with files.writing(path) as file, contextlib.ExitStack() as stack:
        film = stack.enter_context(av.open(file, "w", format=KINDS[path.suffix]))
        stream = None
        copied = iter(())
        for picture, time in zip(pictures, times):
            pixels = make_even(picture)
            if stream is None:
                stream = add_video(film, pixels, time_base, crf)
                copied = copy_sound(stack, film, sound)
            at = time - times[0]
            mux_until(film, copied, at * time_base)
            film.mux(stream.encode(make_frame(pixels, at, time_base)))
        film.mux(stream.encode(None))
        mux_until(film, copied, None)


def add_video(film, pixels, time_base, crf):
    """Add the stream of pictures to a film that is being written."""
    # What x264 calls mbtree writes other bytes in one of ten films on a busy machine.
    stream = film.add_stream("libx264", options={"crf": str(crf), "mbtree": "0"})
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = time_base
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = LIMITED
    return stream


def make_frame(pixels, time, time_base):
    """Make the frame of a picture that is shown at a time."""
    import av

    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = time, time_base
    return frame


def make_even(pixels):
    """Repeat the last row or column of (height, width, 3) where a side is odd."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded)


def copy_sound(stack, film, sound):
    """Add a stream for each of the sound's; return an iterator of (seconds, packet).

    Packets are copied as they are: nothing is lost, and they are decoded nowhere.
    """
    if sound is None:
        return iter(())
    import av

    source = stack.enter_context(av.open(sound.path))
    streams = {each.index: film.add_stream_from_template(each) for each in source.streams.audio}
    return list_packets(source, streams, sound)


def list_packets(source, streams, sound):
    """List (seconds, packet) of the packets between begin and end, moved to begin at 0."""
    for packet in source.demux(source.streams.audio):
        if not packet.size or packet.pts is None:
            continue
        seconds = packet.pts * packet.time_base
        if sound.begin <= seconds < sound.end:
            shift = round(sound.shift / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = streams[packet.stream_index]
            yield seconds - sound.shift, packet


def mux_until(film, packets, end):
    """Write packets up to a time in seconds, or all; the first one behind is written, too."""
    for seconds, packet in packets:
        film.mux_one(packet)
        if end is not None and seconds >= end:
            return
