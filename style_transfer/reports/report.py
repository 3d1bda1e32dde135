"""Pictures of a run: the curves of its losses, animations of its frames, contact sheets."""

import io

import matplotlib
import numpy as np
from PIL import Image

from style_transfer import files

matplotlib.use("Agg")  # draws without a screen
from matplotlib import pyplot

GIF_WIDTH = 480
GIF_FRAMES = 100
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000
VIDEO_RATE = 10  # frames a second


def draw_losses(rows, path):
    """Draw the losses over the steps, on a logarithmic scale.

    Args:
        rows: (epoch, step, content, style, total variation, total) each.
        path: of the PNG.
    """
    steps = [row[1] for row in rows]
    figure, axes = pyplot.subplots(figsize=(8, 5), dpi=100, layout="constrained")
    labels = ("content", "style", "total variation", "total (weighted)")
    for column, label in enumerate(labels, start=2):
        # On a logarithmic scale a zero (content loss of the photo itself) has no place.
        values = [row[column] if row[column] > 0 else float("nan") for row in rows]
        weight = 2.5 if column == 5 else 1.5
        axes.plot(steps, values, label=label, linewidth=weight)
    axes.set(yscale="log", xlabel="step", ylabel="loss", title="Losses")
    axes.grid(which="major", alpha=0.3)
    axes.legend()
    save_figure(figure, path)


def save_figure(figure, path):
    """Write a figure as PNG, whole or not at all, and forget it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    pyplot.close(figure)
    files.write(path, buffer.getvalue())


def animate(frames, path):
    """Write an endless GIF of the frames; the last one stays for two seconds.

    At most 480 px wide and 100 frames, evenly chosen. All frames share one palette and none is
    dithered, so that nothing flickers where nothing changes.

    Args:
        frames: paths of pictures of one size, in order.
        path: of the GIF.
    """
    pictures = [load_frame(frame) for frame in evenly(frames, GIF_FRAMES)]
    palette = shared_palette(pictures)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [FRAME_MILLISECONDS] * (len(indexed) - 1) + [LAST_FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=durations,
        loop=0,
    )
    files.write(path, buffer.getvalue())


def animate_webp(frames, path):
    """Write the frames as an endless WebP: their own size and colors, at most 100 of them."""
    pictures = [read_frame(frame) for frame in evenly(frames, GIF_FRAMES)]
    durations = [FRAME_MILLISECONDS] * (len(pictures) - 1) + [LAST_FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        quality=85,
    )
    files.write(path, buffer.getvalue())


def film(frames, path):
    """Write the frames as an MP4 (H.264, yuv420p) of 10 a second; the last one stays.

    The sides are made even, as the format wants them, by repeating the last row or column.

    Raises:
        ImportError: PyAV is not installed.
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=VIDEO_RATE)
        stream.pix_fmt = "yuv420p"
        stream.width, stream.height = (side + side % 2 for side in read_frame(frames[0]).size)
        for frame in [*frames, *frames[-1:] * VIDEO_RATE * 2]:
            pixels = np.asarray(read_frame(frame))
            height, width = pixels.shape[:2]
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    files.write(path, buffer.getvalue())


def read_frame(path):
    """Read a frame as it is."""
    with Image.open(path) as picture:
        return picture.convert("RGB")


def load_frame(path):
    """Read a frame, at most 480 px wide."""
    rgb = read_frame(path)
    width = min(GIF_WIDTH, rgb.width)
    return rgb.resize((width, max(1, round(rgb.height * width / rgb.width))), Image.LANCZOS)


def evenly(items, most):
    """Choose at most `most` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def shared_palette(pictures):
    """Choose 256 colors for all pictures together, the last one counting as much as any."""
    samples = [picture.resize((160, 160)) for picture in evenly(pictures, 16)]
    sheet = Image.new("RGB", (160, 160 * len(samples)))
    for row, sample in enumerate(samples):
        sheet.paste(sample, (0, 160 * row))
    return sheet.quantize(256, method=Image.Quantize.MEDIANCUT)


def draw_sheet(path, *, title, rows, columns, cells):
    """Draw a labelled grid of pictures.

    Args:
        path: of the PNG.
        rows, columns: their labels.
        cells: from (row, column) to the path of a picture; what is missing stays empty.
    """
    pictures = {place: load_frame(cell) for place, cell in cells.items()}
    first = next(iter(pictures.values()), None)
    ratio = first.height / first.width if first else 1.0
    width = max(1.6, min(3.2, 16 / len(columns)))  # inches
    size = (width * len(columns) + 0.5, width * ratio * len(rows) + 0.8)
    figure, grid = pyplot.subplots(
        len(rows), len(columns), figsize=size, dpi=120, squeeze=False, layout="constrained"
    )
    for (row, column), axes in ((place, grid[place]) for place in np.ndindex(grid.shape)):
        axes.set(xticks=[], yticks=[])
        if (row, column) in pictures:
            axes.imshow(pictures[row, column], aspect="equal", interpolation="antialiased")
        else:
            axes.text(0.5, 0.5, "failed", ha="center", va="center", transform=axes.transAxes)
        if row == 0:
            axes.set_title(columns[column], fontsize=9)
        if column == 0:
            axes.set_ylabel(rows[row], fontsize=9)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
