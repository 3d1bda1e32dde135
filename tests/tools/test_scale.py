"""The simulation of many workers: what is known without it."""

import dataclasses
import math

import pytest

from tools import scale

QUIET = scale.Load(
    seconds=30.0,
    start=10.0,
    checkpoint=15.0,
    vanish=1e-12,
    workers=4,
    replace=60.0,
    driver=0.0,
    bytes=1.0,
)


def test_where_nothing_vanishes_all_workers_paint_all_the_time():
    hours, lost, busy = scale.simulate(1000, 10, QUIET)
    assert hours * 3600 == pytest.approx(10 + 100 * 30)
    assert (lost, busy) == (0, 0)


def test_a_driver_that_is_slow_is_the_limit():
    """It takes in one picture a second, and fifty workers would paint 1.67."""
    load = dataclasses.replace(QUIET, driver=1.0)
    hours, lost, busy = scale.simulate(5000, 50, load)
    assert hours * 3600 == pytest.approx(5000, rel=0.01)
    assert busy == pytest.approx(1, abs=0.01)
    assert lost == pytest.approx(0.4, abs=0.02)  # of each 50 s a worker waits for 20


def test_what_vanishes_costs_half_a_checkpoint_and_a_new_machine():
    """Three times an hour; within the 70 s until there is another one it may vanish again."""
    load = dataclasses.replace(QUIET, vanish=3.0, workers=1)
    _, lost, _ = scale.simulate(60_000, 20, load)
    away = 1 - math.exp(-3 * 70 / 3600)
    assert lost == pytest.approx(away + 3 * 7.5 / 3600 * (1 - away), rel=0.05)


def test_machines_take_all_their_workers_with_them():
    """As many hours, within chance; but the seed decides alone."""
    load = dataclasses.replace(QUIET, vanish=3.0)
    first = scale.simulate(5000, 20, load, seed=4)
    assert first == scale.simulate(5000, 20, load, seed=4)
    single = scale.simulate(5000, 20, dataclasses.replace(load, workers=1), seed=4)
    assert first[0] == pytest.approx(single[0], rel=0.1)
