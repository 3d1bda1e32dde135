"""Statistics of a style against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from style_transfer.method import statistics

SHAPE = (1, 9, 7, 6)


def features_of(seed):
    return np.random.default_rng(seed).gamma(1.0, size=SHAPE).astype(np.float32)


def guide_of(seed):
    return np.random.default_rng(seed).random((*SHAPE[:3], 1), np.float32)


@pytest.mark.parametrize("guide", [None, guide_of(5)], ids=["all", "guided"])
def test_moments(guide):
    features = features_of(0)
    flat = features.reshape(-1, 6)
    weights = None if guide is None else guide.ravel()
    found = statistics.moments(features, guide)
    np.testing.assert_allclose(found["mean"], np.average(flat, axis=0, weights=weights), rtol=1e-5)
    covariance = np.cov(flat, rowvar=False, bias=True, aweights=weights)
    np.testing.assert_allclose(found["covariance"], covariance, rtol=1e-4, atol=1e-6)
    deviations = statistics.channel_moments(features, guide)["deviation"]
    np.testing.assert_allclose(deviations, np.sqrt(np.diag(covariance)), rtol=1e-4)


@pytest.mark.parametrize("size", [3, 40, 128])
def test_the_square_root_is_that_of_scipy(size):
    factor = np.random.default_rng(size).normal(size=(size, 3 * size))
    matrix = factor @ factor.T / size
    expected = scipy.linalg.sqrtm(matrix).real
    root = statistics.square_root(tf.constant(matrix, tf.float32))
    np.testing.assert_allclose(root, expected, atol=2e-3 * np.abs(expected).max())


def distance_written_out(first, second):
    means, covariances = zip(
        *((np.mean(x, 0), np.cov(x, rowvar=False, bias=True)) for x in (first, second))
    )
    root = scipy.linalg.sqrtm(covariances[1]).real
    cross = scipy.linalg.sqrtm(root @ covariances[0] @ root).real
    distance = np.sum((means[0] - means[1]) ** 2)
    distance += np.trace(covariances[0] + covariances[1] - 2 * cross)
    return distance / (np.sum(means[1] ** 2) + np.trace(covariances[1]))


def test_the_wasserstein_distance():
    value, target = features_of(0), 1.5 * features_of(1) + 0.2
    found = statistics.differ(
        statistics.moments(value),
        statistics.mix([statistics.moments(target)], (1.0,)),
        None,
    )
    expected = distance_written_out(value.reshape(-1, 6), target.reshape(-1, 6))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_distance_to_itself_is_nothing_and_has_a_gradient():
    features = tf.Variable(features_of(0))
    target = statistics.mix([statistics.moments(features)], (1.0,))
    with tf.GradientTape() as tape:
        distance = statistics.differ(statistics.moments(features), target, None)
    assert 0 <= distance < 1e-3
    gradient = tape.gradient(distance, features)
    assert gradient is None or np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", [statistics.moments, statistics.channel_moments])
def test_silent_features_give_no_nan(kind):
    silent = tf.Variable(np.zeros(SHAPE, np.float32))
    target = statistics.mix([kind(features_of(1))], (1.0,))
    with tf.GradientTape() as tape:
        value = kind(silent)
        loss = statistics.differ(value, target, lambda a, b: tf.reduce_mean((a - b) ** 2))
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, silent)).all()


def test_means_and_deviations_are_compared_by_the_measure():
    value, target = (statistics.channel_moments(features_of(seed)) for seed in (0, 1))
    found = statistics.differ(value, target, lambda a, b: float(np.sum(a) - np.sum(b)))
    sums = [sum(np.sum(each[name]) for name in ("mean", "deviation")) for each in (value, target)]
    np.testing.assert_allclose(found, (sums[0] - sums[1]) / 2, rtol=1e-5)
