"""The curves: the axes' data, the SVG and the PNG, against NumPy."""

import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from style_transfer.reports import curves
from style_transfer.runs.losses import Losses

SVG = "{http://www.w3.org/2000/svg}"
TERMS = ("content", "style", "total_variation", "temporal", "critic")
NAMES = [*(f"curve-{number}" for number in range(1, 6)), "curve-total"]


def make_losses(values, terms=TERMS):
    """Losses of one step an epoch, the last column being the total."""
    values = np.asarray(values, float)
    steps = np.arange(len(values))
    return Losses(terms, steps, steps, values[:, :-1], values[:, -1])


def draw_numbers(count=50):
    return 10.0 ** np.random.default_rng(0).uniform(-3.5, 1.5, (count, len(TERMS) + 1))


def read_points(svg, name):
    """Return the points, (n, 2), of a curve in the SVG's units; fails at a gap."""
    group = ElementTree.fromstring(svg).find(f".//{SVG}g[@id='{name}']")
    path = group.find(f"{SVG}path").get("d")
    assert path.count("M") == 1
    return np.array(re.findall(r"[ML] (\S+) (\S+)", path), float)


def test_the_figure_holds_every_curve_with_its_label():
    values = draw_numbers()
    (axes,) = curves.draw(make_losses(values)).axes
    lines = {line.get_gid(): line for line in axes.lines}
    assert list(lines) == NAMES
    for name, column in zip(NAMES, values.T):
        np.testing.assert_array_equal(lines[name].get_xydata(), list(enumerate(column)))
    labels = [line.get_label() for line in axes.lines]
    assert labels == [*("content", "style", "total variation"), "temporal", "critic"] + [
        "total (weighted)"
    ]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == len(NAMES)


def test_the_svg_has_the_curves_where_numpy_puts_them():
    """Steps from the left to the right of the area, logarithms from -4 to 2 from its bottom up."""
    values = draw_numbers()
    svg = curves.to_svg(make_losses(values))
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())
    left, bottom, wide, high = curves.AREA
    for name, column in zip(NAMES, values.T):
        x = width * (left + wide * np.linspace(0, 1, len(column)))
        y = height * (1 - bottom - high * (np.log10(column) + 4) / 6)
        np.testing.assert_allclose(read_points(svg, name), np.stack([x, y], 1), atol=1e-3)


def test_the_text_of_the_svg_is_text_and_says_the_powers_of_ten():
    svg = curves.to_svg(make_losses(draw_numbers()))
    texts = [each.text for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts[-7:] == ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]
    assert texts[:7] == ["0", "10", "20", "30", "40", "step", "0.0001"]


def test_the_svg_is_the_same_each_time_and_stands_alone():
    losses = make_losses(draw_numbers())
    svg = curves.to_svg(losses)
    assert svg == curves.to_svg(losses)
    assert svg.startswith("<svg ") and "metadata" not in svg
    assert not re.search(r'(href|url)\s*[=(]\s*"?[^#"]', svg.replace("xmlns:xlink", ""))


def test_what_has_no_logarithm_leaves_a_gap():
    values = np.ones((5, 2))
    values[:, 0] = [0.0, np.nan, 1.0, np.inf, -1.0]
    (axes,) = curves.draw(make_losses(values, ("content",))).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [np.nan, np.nan, 1, np.nan, np.nan])
    assert axes.get_ylim() == (0.1, 10.0)


def test_losses_without_any_number_are_drawn():
    assert "<svg" in curves.to_svg(make_losses(np.full((3, 2), np.nan), ("content",)))


@pytest.mark.parametrize(
    ("values", "limits"), [([0.2, 30.0], (0.1, 100)), ([1.0, 10.0], (1, 10)), ([5.0], (1, 10))]
)
def test_the_range_is_of_whole_powers_of_ten(values, limits):
    (axes,) = curves.draw(make_losses(np.array([values, values]).T, ("content",))).axes
    np.testing.assert_allclose(axes.get_ylim(), limits)


def test_a_wide_range_has_few_lines():
    svg = curves.to_svg(make_losses([[1e-12, 1.0], [1.0, 1e12]], ("content",)))
    assert 3 <= svg.count('id="ytick_') <= 9


def test_a_long_run_has_at_most_a_thousand_points_and_its_last_step():
    steps = 5001
    losses = make_losses(np.random.default_rng(0).uniform(1, 9, (steps, len(TERMS) + 1)))
    svg = curves.to_svg(losses)
    points = read_points(svg, "curve-total")
    assert 900 < len(points) <= 1000
    assert points[-1, 0] == pytest.approx(360 * (curves.AREA[0] + curves.AREA[2]))
    assert len(svg) < 200_000


def test_hostile_names_stay_text(tmp_path):
    losses = make_losses(np.ones((3, 3)), ("$x^$", "<script>"))
    assert "<script>" not in curves.to_svg(losses)
    curves.save_png(losses, tmp_path / "losses.png")


def test_the_png_shows_every_curve(tmp_path):
    """One after the other, each in its color, with zeros among them."""
    values = draw_numbers(20)
    values[0, 0] = 0.0
    curves.save_png(make_losses(values), tmp_path / "losses.png")
    with Image.open(io.BytesIO((tmp_path / "losses.png").read_bytes())) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    found = {"#{:02x}{:02x}{:02x}".format(*color) for color in np.unique(pixels, axis=0)}
    assert {*curves.COLORS[:5], curves.TOTAL_COLOR} <= found


def test_the_screen_is_left_alone():
    """No pyplot, which would choose a backend for a notebook that is open as well."""
    code = (
        "import sys; import numpy as np; from style_transfer.reports import curves;"
        "from style_transfer.runs.losses import Losses; one = np.ones(3);"
        "curves.to_svg(Losses((), one, one, np.ones((3, 0)), one));"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
