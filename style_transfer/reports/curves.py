"""The curves of a run's losses, by Matplotlib: as PNG, and as SVG for the page."""

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from style_transfer import files
from style_transfer.reports.frames import choose

SIZE = (5.0, 3.3)  # inches: as wide as a phone, so that its text can be read there
PNG_DPI = 180
POINTS = 1000  # of a curve, at most
#: Where in the figure the curves are: left, bottom, width, height, from 0 to 1.
AREA = (0.13, 0.16, 0.82, 0.81)
COLORS = ("#0b6cab", "#c04a06", "#15805e", "#8a3fa0", "#8a6d00", "#b02a5b")
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))
TOTAL = "curve-total"
TOTAL_COLOR = "#1e1d1b"
RULES = {
    "axes.autolimit_mode": "round_numbers",  # from a power of ten to a power of ten
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans"],
    "lines.linewidth": 1.3,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "style-transfer",  # the same names of elements each time
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True, eq=False)
class Curve:
    """One of the curves.

    Attributes:
        name: for programs, unlike any other's: `curve-1`, `curve-2`, …, `curve-total`.
        label: for people.
        values: (n,) float.
    """

    name: str
    label: str
    values: np.ndarray


def list_curves(losses):
    """Return the curves of `Losses`: one for each term, in their order, and the total."""
    terms = [
        Curve(f"curve-{number}", term.replace("_", " "), values)
        for number, (term, values) in enumerate(zip(losses.terms, losses.values.T), start=1)
    ]
    return [*terms, Curve(TOTAL, "total (weighted)", losses.totals)]


def draw(losses):
    """Draw the losses over the steps, on a logarithmic scale.

    Args:
        losses: a `runs.losses.Losses`.

    Returns:
        A Matplotlib figure, its one pair of axes at `AREA`, from step 0 to the last. Each curve
        has its name as `gid`. What has no logarithm, as the content loss of the photo itself,
        which is 0, leaves a gap.
    """
    return draw_curves(list_curves(losses), losses.steps, "step")


@matplotlib.rc_context(RULES)
def draw_curves(curves, places, label):
    """Draw curves over places, (n,) numbers from 0 or 1 on, of that name; see `draw`."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes(AREA)
    chosen = choose(range(len(places)), POINTS)
    for index, curve in enumerate(curves):
        values = curve.values[chosen]
        values = np.where((values > 0) & np.isfinite(values), values, np.nan)
        (line,) = axes.plot(places[chosen], values, label=curve.label, gid=curve.name)
        line.set(color=COLORS[index % len(COLORS)], linestyle=DASHES[index % len(DASHES)])
        if curve.name == TOTAL:
            line.set(color=TOTAL_COLOR, linestyle="-", linewidth=2.0)
    axes.set(yscale="log", xlabel=label, xlim=(places[0], max(places[0] + 1, places[-1])))
    shape_axes(axes)
    return figure


def shape_axes(axes):
    """Give the axes their scales, and their grid."""
    axes.set_ymargin(0)
    axes.set_ylim(axes.get_ylim())  # now, while the rules hold
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.tick_params(left=False, bottom=False)
    axes.spines[:].set_visible(False)
    axes.grid(axis="y", color="#dcd7cd", linewidth=0.8)


def save_png(losses, path):
    """Draw the losses, with a legend, into a PNG."""
    figure, buffer = draw(losses), io.BytesIO()
    with matplotlib.rc_context(RULES):
        figure.axes[0].legend(fontsize="small")
        figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    files.write(path, buffer.getvalue())


def to_svg(losses):
    """Draw the losses into an SVG element for a page, which has a legend of its own.

    Nothing in it depends on the day or the machine. Its colors are for a bright page; a style
    sheet changes them by the names of the curves, which are the ids of their groups.

    Returns:
        The text of an `svg` element.
    """
    return figure_to_svg(draw(losses))


def figure_to_svg(figure):
    """Return the text of an `svg` element, see `to_svg`."""
    buffer = io.StringIO()
    with matplotlib.rc_context(RULES):
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
