"""The optimisers against SciPy, against the textbook recursion, and on nonsense."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from conftest import SMALL_WIDTHS

import functions
import optimizers
import weights
from settings import Settings


def quadratic(count=60, condition=1e3, seed=0):
    """A convex problem whose minimum lies outside the box in some coordinates."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(count, count)))
    matrix = basis @ np.diag(np.geomspace(1, condition, count)) @ basis.T
    centre = generator.uniform(-0.2, 1.2, count)

    def value(x):
        return 0.5 * (x - centre) @ matrix @ (x - centre), matrix @ (x - centre)

    def evaluate(image):
        error = tf.reshape(image, [-1]) - tf.constant(centre, tf.float32)
        product = tf.linalg.matvec(tf.constant(matrix, tf.float32), error)
        total = 0.5 * tf.tensordot(error, product, 1)
        return tf.stack([total, 0.0, 0.0, total]), tf.reshape(product, tf.shape(image))

    return value, evaluate


def image_of(count):
    return tf.Variable(tf.fill([1, count // 3, 1, 3], 0.5))


def run(optimizer, steps):
    return functions.build_training(optimizer)(tf.constant(steps)).numpy()


def test_lbfgs_finds_the_constrained_minimum_that_scipy_finds():
    value, evaluate = quadratic()
    image = image_of(60)
    losses = run(optimizers.LBFGS(image, evaluate), 150)
    oracle = scipy.optimize.minimize(
        value, np.full(60, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 60
    )
    np.testing.assert_allclose(losses[-1, 3], oracle.fun, rtol=1e-4)
    np.testing.assert_allclose(image.numpy().ravel(), oracle.x, atol=2e-3)
    assert ((oracle.x == 0) | (oracle.x == 1)).any()  # the box does matter here


def test_lbfgs_on_a_style_transfer_is_as_good_as_scipy():
    settings = Settings()
    generator = np.random.default_rng(0)
    photo, painting = generator.random((2, 1, 32, 40, 3), np.float32)
    model = functions.build_model(settings.layers, widths=SMALL_WIDTHS)
    weights.draw(0, SMALL_WIDTHS).assign(model)
    targets = functions.compute_targets(model, photo, painting, settings)
    evaluate = tf.function(functions.build_evaluation(model, targets, settings))

    def value(x):
        losses, gradient = evaluate(tf.constant(x.reshape(photo.shape), tf.float32))
        return float(losses[3]), gradient.numpy().ravel().astype(float)

    losses = run(optimizers.LBFGS(tf.Variable(photo), evaluate), 60)
    oracle = scipy.optimize.minimize(
        value,
        photo.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * photo.size,
        options={"maxfun": 60, "maxcor": 20},
    )
    assert losses[-1, 3] < 1.3 * oracle.fun
    assert losses[-1, 3] < 0.2 * losses[0, 3]


def two_loops(steps, changes, gradient):
    """Nocedal & Wright, Numerical Optimization, algorithm 7.4."""
    direction = gradient.copy()
    alphas = []
    for step, change in zip(steps[::-1], changes[::-1]):
        alphas.append(step @ direction / (step @ change))
        direction -= alphas[-1] * change
    direction *= steps[-1] @ changes[-1] / (changes[-1] @ changes[-1])
    for step, change, alpha in zip(steps, changes, alphas[::-1]):
        direction += step * (alpha - change @ direction / (step @ change))
    return -direction


@pytest.mark.parametrize("pairs", [1, 7, optimizers.HISTORY, 2 * optimizers.HISTORY + 3])
def test_the_compact_product_is_the_two_loop_recursion(pairs):
    generator = np.random.default_rng(pairs)
    optimizer = optimizers.LBFGS(image_of(90), quadratic(90)[1])
    scales = np.linspace(1, 5, 90)
    steps = generator.normal(size=(pairs, 90))
    changes = steps * scales + 0.1 * generator.normal(size=(pairs, 90))
    for step, change in zip(steps, changes):
        optimizer.remember(tf.constant(step, tf.float32), tf.constant(change, tf.float32))
    gradient = generator.normal(size=90)
    kept = slice(-optimizers.HISTORY, None)
    expected = two_loops(steps[kept], changes[kept], gradient)
    direction = optimizer.direction(tf.constant(gradient, tf.float32)).numpy()
    np.testing.assert_allclose(direction, expected, atol=1e-3 * np.abs(expected).max())


def test_a_step_beyond_reason_is_taken_back_and_the_next_is_shorter():
    """A loss that is infinite beyond a wall right beside the start."""

    def evaluate(image):
        total = tf.reduce_sum(tf.square(image - 1.0))
        beyond = tf.reduce_max(image) > 0.55
        total = tf.where(beyond, np.inf, total)
        gradient = tf.where(beyond, np.nan, 2.0 * (image - 1.0))
        return tf.stack([total, 0.0, 0.0, total]), gradient

    image = image_of(30)
    optimizer = optimizers.LBFGS(image, evaluate)
    losses = run(optimizer, 30)
    assert optimizer.taken_back.numpy() > 0
    assert np.isfinite(losses).all()
    assert (np.diff(losses[:, 3]) <= 0).all()
    assert 0.54 < image.numpy().max() <= 0.55


def test_nothing_to_do_moves_nothing():
    image = image_of(30)
    optimizer = optimizers.LBFGS(image, lambda x: (tf.zeros(4), tf.zeros_like(x)))
    np.testing.assert_array_equal(run(optimizer, 3), np.zeros((3, 4)))
    np.testing.assert_array_equal(image.numpy(), np.float32(0.5))


@pytest.mark.parametrize("kind", ["adam", "lbfgs"])
def test_what_is_saved_and_put_back_goes_on_to_the_same_bits(kind):
    _, evaluate = quadratic()

    def build(image):
        if kind == "adam":
            return optimizers.Adam(image, evaluate, learning_rate=0.01)
        return optimizers.LBFGS(image, evaluate)

    image = image_of(60)
    optimizer = build(image)
    run(optimizer, 8)
    saved = [each.numpy() for each in (image, *optimizer.variables)]
    run(optimizer, 8)
    again = image_of(60)
    restored = build(again)
    for variable, value in zip((again, *restored.variables), saved):
        variable.assign(value)
    run(restored, 8)
    np.testing.assert_array_equal(again.numpy(), image.numpy())


@pytest.mark.parametrize("kind", ["adam", "lbfgs"])
def test_pixels_stay_in_range(kind):
    value, evaluate = quadratic(seed=3)
    image = image_of(60)
    if kind == "adam":
        run(optimizers.Adam(image, evaluate, learning_rate=0.3), 20)
    else:
        run(optimizers.LBFGS(image, evaluate), 20)
    assert image.numpy().min() >= 0 and image.numpy().max() <= 1
