"""Statistics of a style against NumPy and SciPy: sums of parts, moments, distances, batches."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from style_transfer.method import statistics

SHAPE = (1, 9, 7, 6)
KINDS = ("mean-std", "wasserstein")
ROWS, COLUMNS = (slice(0, 2), slice(2, 9)), (slice(0, 4), slice(4, 7))
PARTS = [(slice(None), rows, columns) for rows in ROWS for columns in COLUMNS]


def features_of(seed, shape=SHAPE):
    return np.random.default_rng(seed).gamma(1.0, size=shape).astype(np.float32)


def guide_of(seed, batch=1):
    return np.random.default_rng(seed).random((batch, *SHAPE[1:3], 1), np.float32)


GUIDES = {
    "all": None,
    "guided": guide_of(5),
    "corner": np.zeros((*SHAPE[:3], 1), np.float32),
}
GUIDES["corner"][:, :2, :4] = 1
guided = pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)


def mean_difference(first, second):
    """An error as `compare` takes it."""
    return tf.reduce_mean((first - second) ** 2, axis=tuple(range(1, len(first.shape))))


def moments_written_out(features, guide=None):
    """The mean, the covariance and the deviation over the positions of (h, w, N), by NumPy."""
    flat = np.asarray(features, float).reshape(-1, features.shape[-1])
    weights = None if guide is None else np.asarray(guide, float).ravel()
    covariance = np.cov(flat, rowvar=False, bias=True, aweights=weights)
    mean = np.average(flat, axis=0, weights=weights)
    return {"mean": mean, "covariance": covariance, "deviation": np.sqrt(np.diag(covariance))}


def sums_written_out(features, guide, diagonal):
    """Σ g, Σ g F and Σ g F Fᵀ, position by position."""
    count, first, second = 0.0, 0.0, 0.0
    for row, column in np.ndindex(features.shape[:2]):
        value = features[row, column].astype(float)
        share = 1.0 if guide is None else float(guide[row, column, 0])
        count, first = count + share, first + share * value
        second = second + share * (value**2 if diagonal else np.outer(value, value))
    return count, first, second


@guided
def test_moments(guide):
    features = features_of(0)
    expected = moments_written_out(features[0], guide)
    found = statistics.describe(features, "wasserstein", guide)
    assert set(found) == {"mean", "covariance"}
    np.testing.assert_allclose(found["mean"], expected["mean"][np.newaxis], rtol=1e-5)
    covariance = expected["covariance"][np.newaxis]
    np.testing.assert_allclose(found["covariance"], covariance, rtol=1e-4, atol=2e-6)
    found = statistics.describe(features, "mean-std", guide)
    assert set(found) == {"mean", "deviation"}
    np.testing.assert_allclose(found["mean"], expected["mean"][np.newaxis], rtol=1e-5)
    np.testing.assert_allclose(found["deviation"], expected["deviation"][np.newaxis], rtol=1e-4)


@guided
@pytest.mark.parametrize("diagonal", [False, True], ids=["whole", "diagonal"])
def test_sums_are_those_of_numpy_and_add_up(guide, diagonal):
    """A part may have nothing of a region, as three have of `corner`."""
    features = features_of(0)
    whole = statistics.sum_positions(features, guide, diagonal=diagonal)
    parts = [
        statistics.sum_positions(
            features[part], None if guide is None else guide[part], diagonal=diagonal
        )
        for part in PARTS
    ]
    added = parts[0] + parts[1] + parts[2] + parts[3]
    assert type(added) is statistics.Sums
    expected = sums_written_out(features[0], None if guide is None else guide[0], diagonal)
    assert whole.second.shape == ((1, 6) if diagonal else (1, 6, 6))
    for found, sums, value in zip(whole, added, expected):
        np.testing.assert_allclose(found, np.asarray(value)[np.newaxis], rtol=1e-5)
        np.testing.assert_allclose(sums, found, rtol=1e-5)


@guided
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_added_sums_are_those_of_the_picture(guide, kind):
    features = features_of(0)
    diagonal = kind == "mean-std"
    first, *others = [
        statistics.sum_positions(
            features[part], None if guide is None else guide[part], diagonal=diagonal
        )
        for part in PARTS
    ]
    for other in others:
        first = first + other
    finish = statistics.deviations if diagonal else statistics.covariances
    expected = moments_written_out(features[0], guide)
    for name, found in finish(first).items():
        np.testing.assert_allclose(found[0], expected[name], rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("batch", [None, 1, 2], ids=["all", "one guide", "a guide for each"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_of_a_batch_has_its_own_statistics(kind, batch):
    features = features_of(0, (2, *SHAPE[1:])) * np.float32([1, 3]).reshape(2, 1, 1, 1)
    guide = batch and guide_of(5, batch)
    found = statistics.describe(features, kind, guide)
    for index in range(2):
        own = None if guide is None else guide[index % batch]
        expected = moments_written_out(features[index], own)
        for name, value in found.items():
            assert len(value) == 2
            np.testing.assert_allclose(value[index], expected[name], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_of_a_batch_is_compared_by_itself(kind):
    features = np.concatenate([features_of(0), 2 * features_of(1)])
    target = statistics.mix([statistics.describe(features_of(2), kind)], (1.0,))
    found = statistics.compare(statistics.describe(features, kind), target, mean_difference)
    assert found.shape == (2,)
    for index in range(2):
        value = statistics.describe(features[index : index + 1], kind)
        alone = statistics.compare(value, target, mean_difference)
        assert alone.shape == (1,)
        np.testing.assert_allclose(found[index], alone[0], rtol=1e-3)
    assert found[1] > 1.5 * found[0]


@pytest.mark.parametrize("size", [3, 40, 128])
def test_the_square_root_is_that_of_scipy(size):
    factors = np.random.default_rng(size).normal(size=(2, size, 3 * size))
    matrices = factors @ factors.transpose(0, 2, 1) / size * np.reshape([1, 100], (2, 1, 1))
    roots = statistics.square_root(tf.constant(matrices, tf.float32))
    for root, matrix in zip(roots, matrices):
        expected = scipy.linalg.sqrtm(matrix).real
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
    values, target = np.concatenate([features_of(0), features_of(3)]), 1.5 * features_of(1) + 0.2
    found = statistics.compare(
        statistics.describe(values, "wasserstein"),
        statistics.mix([statistics.describe(target, "wasserstein")], (1.0,)),
        None,
    )
    expected = [distance_written_out(x.reshape(-1, 6), target.reshape(-1, 6)) for x in values]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_distance_of_silence_is_one():
    target = statistics.mix([statistics.describe(features_of(1), "wasserstein")], (1.0,))
    silent = statistics.describe(np.zeros(SHAPE, np.float32), "wasserstein")
    np.testing.assert_allclose(statistics.compare(silent, target, None), [1], rtol=1e-3)


def test_the_distance_to_itself_is_nothing_and_has_a_gradient():
    features = tf.Variable(features_of(0))
    target = statistics.mix([statistics.describe(features, "wasserstein")], (1.0,))
    with tf.GradientTape() as tape:
        distance = statistics.compare(statistics.describe(features, "wasserstein"), target, None)
    assert 0 <= distance[0] < 1e-3
    gradient = tape.gradient(distance, features)
    assert gradient is not None and gradient.shape == SHAPE
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_slope_of_the_distance(kind):
    """Against differences of the loss, in a direction in which it changes much."""
    features, target = features_of(0), features_of(1)
    target = statistics.mix([statistics.describe(target, kind)], (1.0,))
    direction = features_of(2)

    def loss(values):
        return statistics.compare(statistics.describe(values, kind), target, mean_difference)[0]

    variable = tf.Variable(features)
    with tf.GradientTape() as tape:
        value = loss(variable)
    slope = np.sum(tape.gradient(value, variable) * direction)
    step = 2e-2
    differences = float(loss(features + step * direction) - loss(features - step * direction))
    np.testing.assert_allclose(slope, differences / (2 * step), rtol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "guide", [None, np.zeros((*SHAPE[:3], 1), np.float32)], ids=["all", "none"]
)
def test_silent_features_give_no_nan(kind, guide):
    silent = tf.Variable(np.zeros(SHAPE, np.float32))
    target = statistics.mix([statistics.describe(features_of(1), kind)], (1.0,))
    with tf.GradientTape() as tape:
        value = statistics.describe(silent, kind, guide)
        loss = statistics.compare(value, target, mean_difference)
    assert np.isfinite(loss).all()
    gradient = tape.gradient(loss, silent)
    assert gradient is not None and np.isfinite(gradient).all()


def test_means_and_deviations_are_compared_by_the_error():
    value, target = (statistics.describe(features_of(seed), "mean-std") for seed in (0, 1))
    found = statistics.compare(value, target, lambda a, b: np.sum(a, axis=1) - np.sum(b, axis=1))
    sums = [sum(np.sum(each[name]) for name in ("mean", "deviation")) for each in (value, target)]
    np.testing.assert_allclose(found, [(sums[0] - sums[1]) / 2], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_are_linear_in_the_shares(kind):
    first, second = (statistics.describe(features_of(seed), kind) for seed in (0, 1))
    mixed = statistics.mix([first, None, second], (1.0, 0.0, 3.0))
    for name in first:
        expected = 0.25 * np.asarray(first[name]) + 0.75 * np.asarray(second[name])
        np.testing.assert_allclose(mixed[name], expected, rtol=1e-5)
    assert ("root" in mixed) == (kind == "wasserstein")
    if "root" in mixed:
        squared = np.asarray(mixed["root"][0]) @ np.asarray(mixed["root"][0])
        np.testing.assert_allclose(squared, mixed["covariance"][0], atol=1e-3)
