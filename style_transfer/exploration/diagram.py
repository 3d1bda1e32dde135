"""The graph of a network as a picture, by Matplotlib: no Graphviz needed."""

import io

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from style_transfer.reports.curves import COLORS, NO_METADATA, RULES

INK, MUTED, LINE, PALE = "#1e1d1b", "#68655e", "#dcd7cd", "#f2efe9"
LEFT, PITCH = 1.5, 0.92  # inches: for the names of the lines, and from layer to layer
TALLEST, WIDEST = 1.7, 0.5  # inches: the image; a layer of 512 channels
FLOOR = 0.35  # inches from the names of the layers up to the middle of the tallest, and half of it
ROW = 0.25  # inches of a line of numbers, or of a loss
TERMS = {"content": COLORS[0], "style": COLORS[1], "total variation": COLORS[2]}
PNG_DPI = 110

#: Lines under the layers: name, and how it is written for a `graph.Node`.
FACTS = {
    "size": lambda node: f"{node.width}×{node.height}",
    "channels": lambda node: f"{node.channels}",
    "sees": lambda node: f"{node.field} px",
    "weights": lambda node: shorten(node.weights),
    "multiplications": lambda node: shorten(node.multiplications),
}


@matplotlib.rc_context(RULES)
def draw(nodes, title, suffix):
    """Draw the layers from left to right, their numbers under them, and the losses they feed.

    A slab is as high and deep as the features (their square root: 512 px are twice 128), and as
    wide as there are channels (likewise).

    Args:
        nodes: `graph.Node`s, from the image upwards.
        title: above the picture.
        suffix: `svg` or `png`.

    Returns:
        The bytes of the file; nothing in it depends on the day or the machine.
    """
    below = ROW * (len(FACTS) + len(TERMS) + 2.5)
    width, height = LEFT + PITCH * (len(nodes) + 0.3), below + 1.4 * TALLEST + 0.9
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(-below, height - below))
    axes.set_axis_off()
    axes.text(0.2, height - below - 0.35, title, fontsize=13, color=INK)
    write_names(axes)
    largest = max(max(node.height, node.width) for node in nodes)
    for index, node in enumerate(nodes):
        x = LEFT + PITCH * (index + 0.5)
        draw_slab(axes, x, node, largest)
        write_facts(axes, x, node)
        mark_losses(axes, x, node)
    buffer = io.BytesIO()
    metadata = NO_METADATA if suffix == "svg" else {"Software": None}
    figure.savefig(buffer, format=suffix, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()


def draw_slab(axes, x, node, largest):
    """Draw a layer as a slab that is seen from the front, a little from the right and above."""
    tall, deep = (TALLEST * (side / largest) ** 0.5 for side in (node.height, node.width))
    wide, back = WIDEST * (node.channels / 512) ** 0.5, 0.2 * deep
    left, low = x - (wide + back) / 2, FLOOR + TALLEST * 0.6 - tall / 2
    color = {"image": LINE, "pooling": PALE}.get(node.kind) or color_of(node)
    right, high = left + wide, low + tall
    top = [(left, high), (left + back, high + back), (right + back, high + back), (right, high)]
    side = [(right, low), (right + back, low + back), (right + back, high + back), (right, high)]
    style = {"facecolor": color, "edgecolor": INK, "linewidth": 0.6, "alpha": 0.75}
    axes.add_patch(Rectangle((left, low), wide, tall, **style))
    for corners in (top, side):
        axes.add_patch(Polygon(corners, **style))
    if node.losses:
        axes.plot([x, x], [low, FLOOR + 0.1], color=LINE, linewidth=0.8, zorder=0)


def color_of(node):
    """Return the color of a convolution, that of its block."""
    return COLORS[int(node.name.removeprefix("block").partition("_")[0]) % len(COLORS)]


def write_names(axes):
    """Write what the lines of numbers, and the losses, are."""
    for row, name in enumerate(FACTS, start=1):
        axes.text(LEFT - 0.1, -ROW * row, name, ha="right", va="center", fontsize=9, color=MUTED)
    for row, (name, color) in enumerate(TERMS.items(), start=len(FACTS) + 2):
        axes.text(LEFT - 0.1, -ROW * row, name, ha="right", va="center", fontsize=9, color=color)
        axes.axhline(-ROW * row, xmin=LEFT / axes.get_xlim()[1], color=LINE, linewidth=0.8)


def write_facts(axes, x, node):
    """Write the name of a layer, and its numbers under it."""
    name = node.name.replace("_", "\n")
    axes.text(x, 0.05, name, ha="center", va="bottom", fontsize=9, color=INK)
    for row, fact in enumerate(FACTS.values(), start=1):
        axes.text(x, -ROW * row, fact(node), ha="center", va="center", fontsize=8.5, color=INK)


def mark_losses(axes, x, node):
    """Mark which terms of the loss a layer feeds, with its share of each."""
    for row, (name, color) in enumerate(TERMS.items(), start=len(FACTS) + 2):
        if name in node.losses:
            axes.plot([x], [-ROW * row], "o", color=color, markersize=9)
            share = f"{node.losses[name]:.2g}"
            axes.text(x + 0.13, -ROW * row + 0.07, share, fontsize=7.5, color=color)


def shorten(number):
    """Write a large number in four characters or so: 1.8 k, 42 M, 3.1 G; nothing for 0."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.{0 if number >= 10 * size else 1}f} {unit}"
    return str(number or "–")
