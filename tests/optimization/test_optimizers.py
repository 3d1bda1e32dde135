"""The optimizers against SciPy, against the textbook recursion, and on nonsense."""

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from conftest import SMALL_WIDTHS

import functions
from style_transfer.networks import weights
from style_transfer.optimization import optimizers
from style_transfer.settings import Settings


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
    return np.full((1, count // 3, 1, 3), 0.5, np.float32)


def run(optimizer, evaluate, state, steps):
    """Run the steps; return the state after them and all losses."""
    train = functions.build_training(lambda image, _: evaluate(image), optimizer, state, ())
    state, losses = train(state, (), tf.constant(steps))
    return state, losses.numpy()


def start(optimizer, evaluate, image):
    """Return the state of an image that was evaluated."""
    return run(optimizer, evaluate, optimizer.start(image), 1)[0]


def test_lbfgs_finds_the_constrained_minimum_that_scipy_finds():
    value, evaluate = quadratic()
    optimizer = optimizers.LBFGS()
    state, losses = run(optimizer, evaluate, optimizer.start(image_of(60)), 151)
    oracle = scipy.optimize.minimize(
        value, np.full(60, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 60
    )
    np.testing.assert_allclose(losses[-1, 3], oracle.fun, rtol=1e-4)
    np.testing.assert_allclose(state["image"].numpy().ravel(), oracle.x, atol=2e-3)
    assert ((oracle.x == 0) | (oracle.x == 1)).any()  # the box does matter here


def test_lbfgs_on_a_style_transfer_is_as_good_as_scipy():
    settings = Settings()
    generator = np.random.default_rng(0)
    photo, painting = generator.random((2, 1, 32, 40, 3), np.float32)
    model = functions.build_model(settings.layers, widths=SMALL_WIDTHS)
    weights.draw(0, SMALL_WIDTHS).assign(model)
    targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)
    evaluate_any = tf.function(functions.build_evaluation(model, settings))

    def evaluate(image):
        return evaluate_any(image, targets)

    def value(x):
        losses, gradient = evaluate(tf.constant(x.reshape(photo.shape), tf.float32))
        return float(losses[3]), gradient.numpy().ravel().astype(float)

    optimizer = optimizers.LBFGS()
    _, losses = run(optimizer, evaluate, optimizer.start(photo), 61)
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


def two_loops(steps, changes, gradient, matrix):
    """Nocedal & Wright, Numerical Optimization, algorithm 7.4, from a scaled matrix."""
    direction = gradient.copy()
    alphas = []
    for step, change in zip(steps[::-1], changes[::-1]):
        alphas.append(step @ direction / (step @ change))
        direction -= alphas[-1] * change
    newest = changes[-1]
    direction = matrix @ direction * (steps[-1] @ newest / (newest @ matrix @ newest))
    for step, change, alpha in zip(steps, changes, alphas[::-1]):
        direction += step * (alpha - change @ direction / (step @ change))
    return -direction


def enlarge(small, size):
    """The (size, small) matrix of bilinear enlargement, pixels being areas, edges repeated."""
    centres = (np.arange(size) + 0.5) * small / size - 0.5
    below = np.floor(centres).astype(int)
    matrix = np.zeros((size, small))
    for part, each in ((1 - centres + below, below), (centres - below, below + 1)):
        np.add.at(matrix, (np.arange(size), np.clip(each, 0, small - 1)), part)
    return matrix


def preconditioner(height, width):
    """The sum over coarser versions, as a matrix, for one channel."""
    total, enlargement = np.eye(height * width), np.eye(height * width)
    for level in range(1, 6):
        shape = (height + 1) // 2, (width + 1) // 2
        enlargement = enlargement @ np.kron(enlarge(shape[0], height), enlarge(shape[1], width))
        height, width = shape
        total += (1.5 / 4) ** level * enlargement @ enlargement.T
    return total


@pytest.mark.parametrize("shape", [(16, 32), (37, 50), (33, 5)])
def test_the_preconditioner_is_a_sum_over_coarser_versions(shape):
    gradient = np.random.default_rng(0).normal(size=(1, *shape, 3)).astype(np.float32)
    expected = preconditioner(*shape) @ gradient.reshape(-1, 3)
    found = optimizers.precondition(tf.constant(gradient)).numpy().reshape(-1, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("pairs", [1, 7, optimizers.HISTORY, 2 * optimizers.HISTORY + 3])
def test_the_compact_product_is_the_two_loop_recursion(pairs):
    generator = np.random.default_rng(pairs)
    state = optimizers.LBFGS().start(image_of(90))
    scales = np.linspace(1, 5, 90)
    steps = generator.normal(size=(pairs, 90))
    changes = steps * scales + 0.1 * generator.normal(size=(pairs, 90))
    gradient = generator.normal(size=90)
    matrix = np.kron(preconditioner(30, 1), np.eye(3))

    def at(image, gradient):
        vectors = dict(image=image, gradient=gradient, preconditioned=matrix @ gradient)
        return {
            name: tf.reshape(tf.constant(vector, tf.float32), (1, 30, 1, 3))
            for name, vector in vectors.items()
        }

    for step, change in zip(steps, changes):
        before, after = at(0 * step, gradient - change), at(step, gradient)
        state = optimizers.accept(state | after, *optimizers.compare(before, after))
    kept = slice(-optimizers.HISTORY, None)
    expected = two_loops(steps[kept], changes[kept], gradient, matrix)
    move = optimizers.find_move(state).numpy().ravel()
    np.testing.assert_allclose(move, expected, atol=1e-3 * np.abs(expected).max())


def test_a_step_beyond_reason_is_taken_back_and_the_next_is_shorter():
    """A loss that is infinite beyond a wall right beside the start."""

    def evaluate(image):
        total = tf.reduce_sum(tf.square(image - 1.0))
        beyond = tf.reduce_max(image) > 0.55
        total = tf.where(beyond, np.inf, total)
        gradient = tf.where(beyond, np.nan, 2.0 * (image - 1.0))
        return tf.stack([total, 0.0, 0.0, total]), gradient

    optimizer = optimizers.LBFGS()
    state, losses = run(optimizer, evaluate, optimizer.start(image_of(30)), 30)
    assert state["taken_back"] > 0
    assert np.isfinite(losses).all()
    assert (np.diff(losses[:, 3]) <= 0).all()
    assert 0.54 < state["image"].numpy().max() <= 0.55


def test_nothing_to_do_moves_nothing():
    optimizer = optimizers.LBFGS()

    def evaluate(image):
        return tf.zeros(4), tf.zeros_like(image)

    state, losses = run(optimizer, evaluate, optimizer.start(image_of(30)), 3)
    np.testing.assert_array_equal(losses, np.zeros((3, 4)))
    np.testing.assert_array_equal(state["image"], np.float32(0.5))


OPTIMIZERS = {
    "adam": optimizers.Adam(learning_rate=0.3),
    "average": optimizers.Adam(learning_rate=0.01, average=0.9),
    "lbfgs": optimizers.LBFGS(),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_first_step_evaluates_the_start_and_stays_there(optimizer):
    _, evaluate = quadratic()
    state, losses = run(optimizer, evaluate, optimizer.start(image_of(60)), 1)
    np.testing.assert_array_equal(state["image"], image_of(60))
    np.testing.assert_array_equal(optimizer.picture(state), image_of(60))
    expected, gradient = evaluate(tf.constant(image_of(60)))
    np.testing.assert_allclose(losses[0], expected, rtol=1e-6)
    np.testing.assert_allclose(state["gradient"], gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_is_saved_and_put_back_goes_on_to_the_same_bits(optimizer):
    _, evaluate = quadratic()
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 8)
    saved = tf.nest.map_structure(lambda tensor: tensor.numpy(), state)
    state, _ = run(optimizer, evaluate, state, 8)
    restored = tf.nest.map_structure(tf.constant, saved)
    again, _ = run(optimizer, evaluate, restored, 8)
    tf.nest.map_structure(np.testing.assert_array_equal, again, state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_pixels_stay_in_range(optimizer):
    _, evaluate = quadratic(seed=3)
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 20)
    for image in (state["image"], optimizer.picture(state)):
        assert np.min(image) >= 0 and np.max(image) <= 1


def test_a_reconsidered_state_is_evaluated_where_it_is_and_keeps_its_history():
    _, evaluate = quadratic()
    _, other = quadratic(seed=1)
    optimizer = optimizers.LBFGS()
    before, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 9)
    state, losses = run(optimizer, other, optimizer.reconsider(before), 1)
    np.testing.assert_array_equal(state["image"], before["image"])
    expected, gradient = other(state["image"])
    np.testing.assert_allclose(losses[0], expected, rtol=1e-6)
    image = state["image"].numpy()
    held = ((image <= 0) & (gradient > 0)) | ((image >= 1) & (gradient < 0))
    gradient = np.where(held, 0, gradient)
    np.testing.assert_allclose(state["gradient"], gradient, rtol=1e-5, atol=1e-5)
    assert state["count"] == before["count"] > 0
    tf.nest.map_structure(np.testing.assert_array_equal, state["pairs"], before["pairs"])
    pairs = np.stack(state["pairs"]).reshape(optimizers.HISTORY, 2, -1)
    products = (pairs @ gradient.ravel()).T  # of each s and z with the gradient
    np.testing.assert_allclose(state["products"], products, rtol=1e-4, atol=1e-4)
    _, losses = run(optimizer, other, state, 100)
    assert losses[-1, 3] < 0.5 * losses[0, 3]


def test_adam_is_that_of_keras():
    """With a large epsilon, whose place in the formula then matters."""
    _, evaluate = quadratic()
    arguments = dict(beta_1=0.99, beta_2=0.9, epsilon=0.1)
    optimizer = optimizers.Adam(learning_rate=0.002, **arguments)
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 13)
    oracle, image = keras.optimizers.Adam(0.002, **arguments), tf.Variable(image_of(60))
    for _ in range(12):
        oracle.apply([evaluate(image)[1]], [image])
    assert 0 < image.numpy().min() < 0.49 < 0.51 < image.numpy().max() < 1  # nothing was clipped
    np.testing.assert_allclose(state["image"], image, rtol=1e-5)


def test_the_average_is_the_weighted_mean_of_the_images():
    _, evaluate = quadratic()
    optimizer = OPTIMIZERS["average"]
    state = start(optimizer, evaluate, image_of(60))
    images = []
    for _ in range(7):
        state, _ = run(optimizer, evaluate, state, 1)
        images.append(state["image"].numpy())
    expected = np.average(images, axis=0, weights=0.9 ** np.arange(6, -1, -1.0))
    np.testing.assert_allclose(optimizer.picture(state), expected, rtol=1e-5)
    assert np.abs(expected - images[-1]).max() > 1e-3
