"""The curves of a run's losses as SVG, on a logarithmic scale."""

import math

from style_transfer.reports.report import evenly

#: The losses in the order of their columns, and what they are called.
LOSSES = {
    "content": "content",
    "style": "style",
    "total_variation": "total variation",
    "total": "total (weighted)",
}
SIDE = 1000  # units of the drawing, both ways
POINTS = 1000  # of a curve, at most
LINES = 6  # across the curves, about


def draw(rows):
    """Draw the losses over the steps.

    The labels are no part of the drawing, so that they keep their size when it is stretched.

    Args:
        rows: (epoch, step, content, style, total variation, total) each.

    Returns:
        A dictionary of HTML: `lines` and `curves`, elements of an SVG of 1000×1000 units; `ticks`,
        the labels of the lines, each placed in percent from the top; `last`, the last step.
    """
    rows, last = evenly(rows, POINTS), max(1, rows[-1][1])
    low, high = decades(value for row in rows for value in row[2:])
    lines, ticks = [], []
    for power in range(low, high + 1, math.ceil((high - low) / LINES)):
        share = (high - power) / (high - low)
        lines.append(f'<line x2="{SIDE}" y1="{SIDE * share:.1f}" y2="{SIDE * share:.1f}"/>')
        ticks.append(f'<span class="tick" style="top: {share:.2%}">{10.0**power:g}</span>')
    curves = []
    for column, name in enumerate(LOSSES, start=2):
        path = trace([(row[1] / last, row[column]) for row in rows], low, high)
        curves.append(f'<path class="{name}" d="{path}"/>')
    parts = {"lines": lines, "ticks": ticks, "curves": curves, "last": [str(rows[-1][1])]}
    return {name: "".join(part) for name, part in parts.items()}


def has_logarithm(value):
    """Tell whether a value has a place on a logarithmic scale."""
    return 0 < value < math.inf


def decades(values):
    """Return the powers of ten, (low, high), between which all values lie."""
    logarithms = [math.log10(value) for value in values if has_logarithm(value)] or [0.0]
    low = math.floor(min(logarithms))
    return low, max(low + 1, math.ceil(max(logarithms)))


def trace(points, low, high):
    """Write a curve as the path of an SVG, broken where a value has no logarithm.

    Args:
        points: (place from 0 to 1, value) each.
        low, high: powers of ten at the bottom and the top.
    """
    path, letter = [], "M"
    for place, value in points:
        if has_logarithm(value):
            share = (high - math.log10(value)) / (high - low)
            path.append(f"{letter}{SIDE * place:.1f} {SIDE * share:.1f}")
        letter = "L" if has_logarithm(value) else "M"
    return "".join(path)
