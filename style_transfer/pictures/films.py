"""Films in: video files by PyAV; GIFs, WebPs and folders of pictures by Pillow; frame by frame."""

import contextlib
import hashlib
import importlib.util
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from style_transfer import files, film_settings
from style_transfer.errors import SettingsError
from style_transfer.pictures import decoding, images

REMEDY = "give a film (MP4, MOV, MKV, WebM, AVI, …), a GIF, or a folder of pictures"
RATE = 25  # pictures a second, of a folder
HIGH = 720  # rows from which a film that does not name its colors has those of BT.709
BLINK = 100  # milliseconds that a GIF's frame without a duration is shown for, as browsers do


@dataclass(frozen=True)
class Film:
    """A film whose frames can be read, again and again.

    Attributes:
        path: as it was given.
        sha256: of the file, or of all pictures of a folder.
        size: (width, height) of its frames: upright, of square pixels.
        times: of its frames, in the order in which they are shown, in units of `time_base`.
        time_base: in seconds, a `Fraction`.
        notices: what the user should know, a line each.
        has_sound: whether there is sound to copy.
    """

    path: str
    sha256: str
    size: tuple[int, int]
    times: tuple[int, ...]
    time_base: Fraction
    notices: tuple[str, ...] = ()
    has_sound: bool = False

    def read(self, wanted):
        """Read frames one after the other; none is kept.

        Args:
            wanted: some of `times`, in their order.

        Yields:
            (time, pixels): a Pillow image of mode RGB, upright.

        Raises:
            files.FileError: one of them cannot be read.
        """
        left = iter(wanted)
        time = next(left, None)
        for shown, convert in self.decode(wanted) if wanted else ():
            if shown == time:
                yield time, convert()
                time = next(left, None)
            if time is None:
                return
        if time is not None:
            raise self.broken(time)

    def broken(self, time):
        """Build the error for a frame that is not there."""
        seconds = float((time - self.times[0]) * self.time_base)
        reason = f"breaks off, or is damaged, {seconds:.2f} s after its start"
        return files.FileError(self.path, reason, f"--duration {seconds:.2f}s stops before")

    def select(self, *, start=0.0, duration=math.inf, every=1):
        """Return those of `times` from a start on, in seconds, for a duration, each N-th."""
        first = self.times[0]
        seconds = [float((time - first) * self.time_base) for time in self.times]
        end = start + duration
        chosen = [time for time, at in zip(self.times, seconds) if start <= at < end]
        if not chosen:
            reason = f"ends before {start:g} s: it is {seconds[-1]:.2f} s long"
            raise files.FileError(self.path, reason, "choose an earlier --start")
        return tuple(chosen[::every])


@dataclass(frozen=True)
class VideoFile(Film):
    """A file that FFmpeg's libraries decode.

    Attributes:
        is_timed: whether its frames carry their times; else they are counted.
    """

    is_timed: bool = True

    def decode(self, wanted):
        """List (time, function that makes the picture) of the frames from the first wanted on."""
        import av

        with av.open(self.path) as container:
            stream = video_stream(self.path, container)
            stream.thread_type = "AUTO"
            if self.is_timed and wanted[0] != self.times[0]:
                with contextlib.suppress(av.FFmpegError):  # no index: from the beginning, then
                    container.seek(wanted[0], stream=stream)
            try:
                for count, frame in enumerate(container.decode(stream)):
                    yield self.describe(count, frame)
            except av.FFmpegError:
                return  # what is still wanted is missed by `read`

    def describe(self, count, frame):
        """Return the time of a decoded frame, and what makes a picture of it."""
        time = frame.pts if self.is_timed else self.times[min(count, len(self.times) - 1)]
        return time, lambda: to_picture(frame, self.size)


@dataclass(frozen=True)
class Animation(Film):
    """A GIF, WebP or PNG of several frames."""

    def decode(self, _wanted):
        """List (time, function that makes the picture) of all frames."""
        with open(self.path, "rb") as file:
            image = images.open_header(self.path, file.read())
        for index, time in enumerate(self.times):
            try:
                image.seek(index)
                picture = decoding.on_white(decoding.eight_bits(image.copy()))
            except Exception:  # Pillow's plug-ins raise all kinds of errors for a damaged file
                return
            yield time, lambda picture=picture: picture


@dataclass(frozen=True)
class Folder(Film):
    """A folder of pictures of one size, in the order of their names."""

    def decode(self, wanted):
        """List (time, function that makes the picture) of the wanted frames."""
        paths = images.expand(self.path)
        for time in wanted:
            yield time, lambda path=paths[time]: self.load(path)

    def load(self, path):
        """Read one of the pictures."""
        picture = images.load(path).pixels
        if picture.size != self.size:
            width, height = self.size
            raise files.FileError(
                path, "has another size than the first of the folder", f"make it {width}×{height}"
            )
        return picture


def load(path, *, rate=RATE):
    """Look at a film: what it is, how large, how many frames. Nothing is decoded but one frame.

    Args:
        path: of a video file, a GIF, or a folder of pictures.
        rate: pictures a second, of a folder.

    Returns:
        A `Film`.

    Raises:
        files.FileError: it is missing, no film, damaged from its beginning, or encrypted.
    """
    film = open_any(path, rate)
    if math.prod(film.size) > images.MAX_PIXELS:
        raise images.too_many_pixels(path)
    next(film.read(film.times[:1]))
    return film


def open_any(path, rate):
    """Do the work of `load`, without a look at a frame."""
    if Path(path).is_dir():
        return open_folder(path, rate)
    files.check_regular(path, remedy=REMEDY, most=None)
    try:
        with Image.open(path, formats=images.FORMATS) as image:
            animated = images.is_animated(image)
    except Exception:  # no picture: Pillow's plug-ins raise all kinds of errors
        return open_video(path)
    if not animated:
        remedy = "leave out `video` to repaint it: python main.py --content …"
        raise files.FileError(path, "is a picture, not a film", remedy)
    return open_animation(path)


def open_folder(path, rate):
    """Return the `Folder` of pictures."""
    paths = images.expand(path)
    total = hashlib.sha256()
    for each in paths:
        total.update(files.read(each, remedy=REMEDY))
    size = images.load(paths[0]).pixels.size
    times = tuple(range(len(paths)))
    return Folder(str(path), total.hexdigest(), size, times, 1 / Fraction(rate).limit_denominator())


def open_animation(path):
    """Return the `Animation` in a file, its times in milliseconds."""
    data = files.read(path, remedy=REMEDY)
    times, time = [], 0
    try:
        image = images.open_header(path, data)
        for index in range(image.n_frames):
            image.seek(index)
            times.append(time)
            time += round(image.info.get("duration", 0)) or BLINK
    except files.FileError:
        raise
    except Exception:  # as above
        if not times:
            raise files.FileError(path, "is damaged", REMEDY) from None
    return Animation(str(path), files.sha256(data), image.size, tuple(times), Fraction(1, 1000))


def open_video(path):
    """Return the `VideoFile`: its packets are counted, none is decoded."""
    check_installed()
    import av

    try:
        with av.open(str(path)) as container:
            stream = video_stream(path, container)
            times, is_timed = list_times(container, stream)
            size, notices = measure(stream)
            has_sound = bool(container.streams.audio)
            base = stream.time_base if is_timed else 1 / Fraction(stream.guessed_rate or RATE)
    except av.FFmpegError as error:
        reason = f"is no film that can be read, or its beginning is damaged ({error.strerror})"
        raise files.FileError(path, reason, REMEDY) from None
    if not times:
        raise files.FileError(path, "has no frames", REMEDY)
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    lines = tuple(f"{files.printable(path)}: {notice}" for notice in notices)
    return VideoFile(str(path), sha256, size, times, base, lines, has_sound, is_timed)


def check_installed():
    """Raise SettingsError where what reads films, or finds motion in them, is missing."""
    if importlib.util.find_spec("av") is None or importlib.util.find_spec("cv2") is None:
        raise SettingsError(
            f"films need PyAV and OpenCV; install them with: {film_settings.INSTALL}"
        )


def video_stream(path, container):
    """Return the first stream of moving pictures; a song's cover is none."""
    for stream in container.streams.video:
        if "attached_pic" not in str(stream.disposition):
            return stream
    reason = "has no moving pictures in it" if len(container.streams) else "is cut off, or damaged"
    raise files.FileError(path, reason, REMEDY)


def list_times(container, stream):
    """Return the times of all frames, and whether they are the frames' own."""
    import av

    times = []
    with contextlib.suppress(av.FFmpegError):  # it breaks off: what there is so far
        times = [
            packet.pts
            for packet in container.demux(stream)
            if packet.size and not packet.is_discard
        ]
    if None in times or len(set(times)) < len(times):
        return tuple(range(len(times))), False
    return tuple(sorted(times)), True


def measure(stream):
    """Return the size of a stream's frames, upright and of square pixels, and notices."""
    import av

    context, notices = stream.codec_context, []
    width, height = context.width, context.height
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or 1
    if aspect not in (0, 1):
        width = round(width * aspect)
        notices.append(f"its pixels are not square; shown as {width}×{height}")
    if context.color_trc in (16, 18):  # SMPTE ST 2084, ARIB STD-B67
        notices.append("high dynamic range; its colors are taken for ordinary ones")
    with av.open(stream.container.name) as again:
        frame = next(again.decode(video_stream(stream.container.name, again)))
    return ((height, width) if quarter_turns(frame) % 2 else (width, height)), notices


def quarter_turns(frame):
    """Return by how many quarters a frame is to be turned, counter-clockwise."""
    return round(frame.rotation / 90) % 4


def to_picture(frame, size):
    """Turn a decoded frame into an upright Pillow image of (width, height) in RGB."""
    unnamed = frame.colorspace == 2 and frame.height >= HIGH
    colors = {"src_colorspace": "ITU709"} if unnamed else {}
    pixels = frame.to_ndarray(format="rgb24", **colors)
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarter_turns(frame))))
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
