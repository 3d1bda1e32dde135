"""The curves as SVG: where the points lie."""

import math
import re

import pytest

from style_transfer.reports import curves

ROWS = [
    (0, 0, 0.0, 10.0, 0.01, 1000.0),
    (1, 1, 0.1, 1.0, 0.01, 100.0),
    (1, 2, 1.0, 0.1, 0.01, 10.0),
]


def paths(drawn):
    return dict(re.findall(r'<path class="(\w+)" d="([^"]*)"/>', drawn["curves"]))


def test_a_power_of_ten_is_a_fifth_of_the_height_where_there_are_five():
    drawn = paths(curves.draw(ROWS))
    assert drawn["total"] == "M0.0 0.0L500.0 200.0L1000.0 400.0"
    assert drawn["total_variation"] == "M0.0 1000.0L500.0 1000.0L1000.0 1000.0"


def test_a_zero_leaves_a_gap():
    assert paths(curves.draw(ROWS))["content"] == "M500.0 800.0L1000.0 600.0"
    points = [(0.0, 1.0), (0.5, math.nan), (1.0, 1.0)]
    assert curves.trace(points, 0, 1) == "M0.0 1000.0M1000.0 1000.0"


@pytest.mark.parametrize(
    ("values", "range_"),
    [
        ([0.2, 30.0], (-1, 2)),
        ([1.0, 10.0], (0, 1)),
        ([1.0], (0, 1)),
        ([0.0, math.inf, math.nan], (0, 1)),
    ],
)
def test_the_range_is_of_whole_powers_of_ten(values, range_):
    assert curves.decades(values) == range_


def test_every_line_has_its_label():
    drawn = curves.draw(ROWS)
    labels = re.findall(r'top: ([\d.]+)%">([^<]+)<', drawn["ticks"])
    assert (
        labels
        == [
            ("0.00", "1000"),
            ("20.00", "100"),
            ("40.00", "10"),
            ("60.00", "1"),
            ("80.00", "0.1"),
            ("100.00", "0.01"),
        ][::-1]
    )
    assert drawn["lines"].count("<line ") == 6
    assert drawn["last"] == "2"


def test_a_wide_range_has_few_lines():
    rows = [(0, 0, 1e-6, 1.0, 1.0, 1.0), (1, 1, 1.0, 1.0, 1.0, 1e12)]
    assert curves.draw(rows)["lines"].count("<line ") <= 8


def test_a_long_run_has_at_most_a_thousand_points():
    rows = [(step, step, 1.0, 1.0, 1.0, 1.0) for step in range(5000)]
    path = paths(curves.draw(rows))["total"]
    assert len(re.findall("[ML]", path)) == 1000
    assert path.endswith("L1000.0 1000.0")
