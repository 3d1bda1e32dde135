"""The critic: its losses against NumPy, that it learns, that it waits when it is ahead."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from style_transfer.feedforward import critic

WIDTHS = {"low": 3, "high": 5}
PAINTINGS = [np.random.default_rng(0).random((1, 40, 50, 3), np.float32)]


@pytest.fixture
def judge():
    keras.utils.set_random_seed(1)
    return critic.Critic(0.5, WIDTHS, PAINTINGS)


def features(seed, mean=0.0):
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(mean, 1.0, (2, 8, 6, width)).astype(np.float32)
        for name, width in WIDTHS.items()
    }


def test_its_losses_written_out(judge):
    judgments = [np.asarray(each, float) for each in judge.model(features(2))]
    assert [each.shape for each in judgments] == [(2, 8, 6, 1)] * 2
    found = np.asarray(judge.judge(features(2)))
    expected = np.mean([np.log1p(np.exp(-each)).mean(axis=(1, 2, 3)) for each in judgments], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    loss, won = critic.compare([tf.constant(each, tf.float32) for each in judgments])
    parts = [
        np.log1p(np.exp(-each[:1])).mean() + np.log1p(np.exp(each[1:])).mean() for each in judgments
    ]
    assert float(loss) == pytest.approx(np.mean(parts), rel=1e-5)
    rights = [[(each[:1] > 0).mean(), (each[1:] < 0).mean()] for each in judgments]
    assert float(won) == pytest.approx(np.mean(rights), rel=1e-5)


def test_it_learns_to_tell_them_apart_and_then_waits(judge):
    for step in range(40):
        judge.learn(features(10 + step, 1.0), features(1000 + step, -1.0), 0.05)
    paintings, images = (np.mean(judge.judge(features(5, mean))) for mean in (1.0, -1.0))
    assert paintings < np.log(2) < images
    before = [np.array(each) for each in judge.model.trainable_variables]
    judge.learn(features(6, 3.0), features(7, -3.0), 0.01)  # which it tells apart already
    for old, new in zip(before, judge.model.trainable_variables):  # a step would be 0.01 long
        np.testing.assert_allclose(old, np.array(new), atol=2e-3)


def test_it_draws_crops_of_the_paintings(judge):
    crops = np.asarray(judge.draw(np.random.default_rng(3), (2, 8, 9, 3)))
    (painting,) = PAINTINGS
    places = np.lib.stride_tricks.sliding_window_view(painting[0], (8, 9, 3))[:, :, 0]
    for crop in crops:
        assert (places == crop).all(axis=(2, 3, 4)).any()
