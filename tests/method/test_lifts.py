"""Statistics of lifted features, A F + b, against NumPy that lifts every position."""

import numpy as np
import pytest
import tensorflow as tf

import functions
from style_transfer.method import statistics

SHAPE = (2, 6, 5, 4)  # batch, height, width, N
LIFT = np.random.default_rng(9).normal(size=(7, 5)).astype(np.float32)  # (K, N + 1)
GUIDES = {
    "all": None,
    "one guide": np.random.default_rng(5).random((1, 6, 5, 1), np.float32),
    "a guide for each": np.random.default_rng(6).random((2, 6, 5, 1), np.float32),
}
guided = pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)


def features_of(seed):
    return np.random.default_rng(seed).gamma(1.0, size=SHAPE).astype(np.float32)


def lifted(features):
    """Lift every position: A F + b."""
    return features @ LIFT[:, :-1].T + LIFT[:, -1]


def flat_of(features, guide, index):
    """The lifted positions (M, K) of one of a batch, float64, and how much each counts."""
    flat = lifted(features[index].astype(float)).reshape(-1, len(LIFT))
    if guide is None:
        return flat, np.ones(len(flat))
    return flat, guide[index % len(guide)].astype(float).ravel()


@guided
@pytest.mark.parametrize("diagonal", [False, True], ids=["whole", "diagonal"])
def test_lifted_sums(guide, diagonal):
    features = features_of(0)
    found = statistics.sum_positions(features, guide, LIFT, diagonal=diagonal)
    assert type(found) is statistics.Sums
    for index in range(2):
        flat, shares = flat_of(features, guide, index)
        second = np.einsum("m,mi,mj->ij", shares, flat, flat)
        np.testing.assert_allclose(found.count[index % len(found.count)], shares.sum(), rtol=1e-5)
        np.testing.assert_allclose(found.first[index], shares @ flat, rtol=1e-4, atol=1e-4)
        expected = np.diag(second) if diagonal else second
        np.testing.assert_allclose(found.second[index], expected, rtol=1e-4, atol=1e-3)


@guided
def test_lifted_sums_add_up(guide):
    """Those of the rows above and below are those of the picture, lifted before or after."""
    features = features_of(0)
    parts = [
        statistics.sum_positions(features[:, rows], None if guide is None else guide[:, rows])
        for rows in (slice(0, 2), slice(2, 6))
    ]
    whole = statistics.sum_positions(lifted(features), guide)
    for sums in ((parts[0] + parts[1]).lifted(LIFT), parts[0].lifted(LIFT) + parts[1].lifted(LIFT)):
        for found, expected in zip(sums, whole):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@guided
def test_lifted_moments(guide):
    features = features_of(1)
    moments = statistics.describe(features, "wasserstein", guide, LIFT)
    spread = statistics.describe(features, "mean-std", guide, LIFT)
    for index in range(2):
        flat, shares = flat_of(features, guide, index)
        mean = np.average(flat, axis=0, weights=shares)
        covariance = np.cov(flat, rowvar=False, bias=True, aweights=shares)
        for found in (moments, spread):
            np.testing.assert_allclose(found["mean"][index], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moments["covariance"][index], covariance, rtol=1e-3, atol=1e-4)
        deviation = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(spread["deviation"][index], deviation, rtol=1e-3)


@guided
def test_a_lifted_gram_matrix(guide):
    features = features_of(2)
    found = functions.gram_matrix(features, guide, LIFT)
    assert found.shape == (2, 7, 7)
    for index in range(2):
        flat, shares = flat_of(features, guide, index)
        expected = np.einsum("m,mi,mj->ij", shares, flat, flat) / shares.sum()
        np.testing.assert_allclose(found[index], expected, rtol=1e-4, atol=1e-4)


@guided
@pytest.mark.parametrize("kind", ["gram", "wasserstein", "mean-std"])
def test_the_gradient_is_that_of_really_lifted_features(guide, kind):
    features, target = tf.Variable(features_of(3)), lifted(features_of(4))
    target = statistics.mix([statistics.describe(target, kind, guide)], (1.0,))
    gradients = []
    for lift in (None, LIFT):
        with tf.GradientTape() as tape:
            seen = lifted(features) if lift is None else features
            value = statistics.describe(seen, kind, guide, lift)
            loss = statistics.compare(value, target, functions.relative_error)
        gradients.append(tape.gradient(loss, features).numpy())
    scale = np.abs(gradients[0]).max()
    assert scale > 1e-4
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-2, atol=1e-3 * scale)


def test_the_style_loss_lifts_the_regions_that_ask_for_it():
    """One layer with a lift, one without."""
    value, painting = features_of(5)[:1], features_of(6)[:1]
    error = 0.0
    for seen in (lifted, np.asarray):
        found, goal = (seen(each).reshape(30, -1).astype(float) for each in (value, painting))
        goal = goal.T @ goal / 30
        error += 0.5 * np.sum((found.T @ found / 30 - goal) ** 2) / np.sum(goal**2)
    targets = {
        name: (
            {
                "weight": 0.5,
                "statistics": statistics.describe(painting, "gram", **lift),
                **lift,
            },
        )
        for name, lift in (("a", {"lift": LIFT}), ("b", {}))
    }
    (loss,) = functions.style_loss({"a": value, "b": value}, targets).numpy()
    np.testing.assert_allclose(loss, error, rtol=1e-4)
