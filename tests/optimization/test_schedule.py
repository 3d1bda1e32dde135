"""The plan of a run: sizes, epochs, warm-up, when a scale is left, and time."""

import numpy as np
import pytest

from style_transfer.optimization import schedule
from style_transfer.optimization.schedule import Scale
from style_transfer.settings import Settings


@pytest.mark.parametrize(
    ("side", "short_side", "changes", "expected"),
    [
        (512, 340, {"epochs": 10, "init": "instant"}, [(512, 10)]),
        (1024, 700, {"epochs": 8, "init": "instant"}, [(512, 2), (724, 2), (1024, 4)]),
        (512, 340, {"epochs": 10}, [(181, 2), (256, 2), (362, 2), (512, 4)]),
        (512, 340, {"epochs": 10, "scales": "1"}, [(512, 10)]),
        (512, 340, {"epochs": 8}, [(181, 1), (256, 2), (362, 2), (512, 3)]),
        (512, 340, {"epochs": 2}, [(362, 1), (512, 1)]),
        (200, 150, {"epochs": 4}, [(200, 4)]),
        (1024, 700, {"epochs": 6}, [(side, 1) for side in (181, 256, 362, 512, 724, 1024)]),
        (512, 340, {"epochs": 3, "scales": "128,256,512"}, [(128, 1), (256, 1), (512, 1)]),
        (300, 200, {"epochs": 3, "scales": "64,128,512"}, [(64, 1), (128, 1), (300, 1)]),
        (512, 64, {"epochs": 3, "scales": "128,512"}, [(512, 3)]),
    ],
)
def test_the_epochs_are_shared_out_over_the_scales(side, short_side, changes, expected):
    scales = schedule.plan_scales(side, short_side, Settings(**{"init": "content"} | changes))
    assert [(scale.side, scale.epochs) for scale in scales] == expected
    assert sum(scale.epochs for scale in scales) == changes["epochs"]


def test_the_time_left_counts_the_pixels_to_come():
    scales = [Scale(256, 1), Scale(512, 2)]
    left = schedule.seconds_left(scales, scales[0], 5, 0.1, 10)
    np.testing.assert_allclose(left, 0.1 * (5 + 2 * 10 * 4))
    assert schedule.seconds_left(scales, scales[1], 0, 0.1, 10) == 0


def test_the_style_grows_over_the_warm_up():
    """Sixteenth, quarter, whole; a third of the scale at most."""

    def shares(steps, **keywords):
        found, step = [], 0
        while step < steps:
            settings = Settings(**{"init": "content"} | keywords)
            share, count = schedule.warm_up(step, steps, settings)
            found.append((share, count))
            step += count
        return found

    assert shares(300) == [(1 / 16, 15), (1 / 4, 15), (1, 270)]
    assert shares(60) == [(1 / 16, 10), (1 / 4, 10), (1, 40)]
    assert shares(60, warmup=8) == [(1 / 16, 4), (1 / 4, 4), (1, 52)]
    assert shares(5) == shares(5, warmup=0) == [(1, 5)]
    assert shares(60, init="instant") == [(1, 60)]
    assert schedule.warm_up(12, 60, Settings(init="content")) == (1 / 4, 8)


def test_a_run_fitted_into_a_budget_takes_that_time():
    scales = [Scale(128, 2), Scale(256, 2)]
    settings = schedule.fit_into(60, scales, 0.02, Settings(epochs=4))
    taken = schedule.total_seconds(scales, 0.02, settings.steps)
    assert 60 * 0.95 < taken <= 60
    assert schedule.fit_into(0.001, scales, 0.02, Settings()).steps == 1


@pytest.mark.parametrize(
    ("patience", "totals", "settled"),
    [
        (1, [10.0], False),
        (1, [10.0, 9.98], False),
        (1, [10.0, 9.995], True),
        (1, [10.0, 11.0], True),
        (2, [10.0, 9.995], False),
        (2, [10.0, 9.995, 9.992], True),
        (2, [10.0, 9.995, 9.98], False),
        (0, [10.0, 10.0, 10.0], False),
    ],
)
def test_a_loss_that_has_settled(patience, totals, settled):
    assert schedule.has_settled(totals, patience) == settled
