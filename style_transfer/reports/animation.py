"""Animations of a run's frames: GIF and WebP, which loop, and MP4."""

import io

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.reports.frames import choose, read, shrink

MOST_FRAMES = 100  # of a GIF or WebP
GIF_BOX = (480, 960)  # width and height in pixels, at most
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000
MP4_RATE = 10  # frames a second
SAMPLE = (160, 160)  # pixels of a frame that have a say in the palette


def save_gif(frames, path):
    """Write an endless GIF of the frames; the last one stays for two seconds.

    At most 480×960 px and 100 frames, evenly chosen. All frames share one palette and none is
    dithered, so that nothing flickers where nothing changes.

    Args:
        frames: paths of pictures of one size, in order.
        path: of the GIF.
    """
    chosen = choose(frames, MOST_FRAMES)
    palette = choose_palette(chosen)
    small = (shrink(read(frame), GIF_BOX) for frame in chosen)
    indexed = (each.quantize(palette=palette, dither=Image.Dither.NONE) for each in small)
    write_loop(next(indexed), path, "GIF", len(chosen), append_images=indexed)


def save_webp(frames, path):
    """Write the frames as an endless WebP: their own size and colors, at most 100 of them.

    Args:
        frames: paths of pictures of one size, in order.
        path: of the WebP.
    """
    chosen = choose(frames, MOST_FRAMES)
    write_loop(open_film(chosen), path, "WEBP", len(chosen), quality=85)


def save_mp4(frames, path):
    """Write the frames as an MP4 (H.264, yuv420p) of 10 a second; the last one stays.

    The sides are made even, as the format wants them, by repeating the last row or column.

    Args:
        frames: paths of pictures of one size, in order.
        path: of the MP4.

    Raises:
        ImportError: PyAV is not installed.
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=MP4_RATE)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = read_even(frames[0]).shape[:2]
        for frame in [*frames, *frames[-1:] * MP4_RATE * 2]:
            pixels = av.VideoFrame.from_ndarray(read_even(frame), format="rgb24")
            container.mux(stream.encode(pixels))
        container.mux(stream.encode(None))
    files.write(path, buffer.getvalue())


def write_loop(first, path, kind, count, **options):
    """Write an endless animation of `count` frames with Pillow."""
    durations = [FRAME_MILLISECONDS] * (count - 1) + [LAST_FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, duration=durations, loop=0, **options)
    files.write(path, buffer.getvalue())


def choose_palette(frames):
    """Choose 256 colors for all frames together, the last one counting as much as any."""
    chosen = choose(frames, 16)
    sheet = Image.new("RGB", (SAMPLE[0], SAMPLE[1] * len(chosen)))
    for row, frame in enumerate(chosen):
        sheet.paste(read(frame).resize(SAMPLE), (0, SAMPLE[1] * row))
    return sheet.quantize(256, method=Image.Quantize.MEDIANCUT)


def open_film(frames):
    """Return the frames as one picture of several frames, of which one is in memory.

    Pillow's WebP makes a list of whatever it is to append, so that a generator would be held in
    memory whole: a hundred frames of 4096² are 5 GB. A picture that can seek is read in turn.
    """
    film = read(frames[0])
    film.n_frames = len(frames)
    film.seek = lambda index: film.paste(read(frames[index]))
    return film


def read_even(frame):
    """Read a frame into an array, its last row and column repeated where a side is odd."""
    pixels = np.asarray(read(frame))
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
