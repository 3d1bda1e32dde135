"""The optimizers against SciPy, against the textbook recursion, and on nonsense."""

import copy
import functools

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from conftest import SMALL_VGG19

import functions
from style_transfer.networks import weights
from style_transfer.optimization import optimizers, quasi_newton, states, walks
from style_transfer.optimization.targets import Style, compute_targets
from style_transfer.runs import checkpoint
from style_transfer.settings import Settings

SHARES = (0.5, 0.375, 0.125)


def found(total, gradient):
    """What an evaluation returns; the terms are told apart by their shares of the total."""
    return dict(losses=total * tf.constant(SHARES), total=total, gradient=gradient)


@functools.cache
def quadratic(count=60, condition=1e3, seed=0):
    """A convex problem whose minimum lies outside the box in some coordinates."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(count, count)))
    matrix = basis @ np.diag(np.geomspace(1, condition, count)) @ basis.T
    center = generator.uniform(-0.2, 1.2, count)

    def value(x):
        return 0.5 * (x - center) @ matrix @ (x - center), matrix @ (x - center)

    def evaluate(image):
        error = tf.reshape(image, [-1]) - tf.constant(center, tf.float32)
        product = tf.linalg.matvec(tf.constant(matrix, tf.float32), error)
        total = 0.5 * tf.tensordot(error, product, 1)
        return found(total, tf.reshape(product, tf.shape(image)))

    return value, evaluate


def image_of(count):
    return np.full((1, count // 3, 1, 3), 0.5, np.float32)


@functools.cache
def compiled(optimizer, evaluate):
    """Compile a step, once for each optimizer and problem."""

    @tf.function(autograph=False)
    def step(state):
        return functions.training_step(state, optimizer, evaluate)

    return step


def run(optimizer, evaluate, state, steps):
    """Take the steps; return the state after them and the total after each."""
    totals = []
    for _ in range(steps):
        state = compiled(optimizer, evaluate)(state)
        totals.append(state["total"].numpy())
    return state, np.array(totals)


def test_lbfgs_finds_the_constrained_minimum_that_scipy_finds():
    value, evaluate = quadratic()
    optimizer = optimizers.LBFGS()
    state, totals = run(optimizer, evaluate, optimizer.start(image_of(60)), 151)
    oracle = scipy.optimize.minimize(
        value, np.full(60, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 60
    )
    np.testing.assert_allclose(totals[-1], oracle.fun, rtol=1e-4)
    np.testing.assert_allclose(state["image"].numpy().ravel(), oracle.x, atol=2e-3)
    assert ((oracle.x == 0) | (oracle.x == 1)).any()  # the box does matter here


def test_lbfgs_on_a_style_transfer_is_as_good_as_scipy():
    settings = Settings()
    generator = np.random.default_rng(0)
    photo, painting = generator.random((2, 1, 32, 40, 3), np.float32)
    model = functions.build_model(settings.layers, SMALL_VGG19)
    weights.draw(0, SMALL_VGG19).assign(model)
    targets = compute_targets(model, photo, [Style(painting)], settings)
    evaluate_any = tf.function(functions.build_evaluation(model, settings))
    factors = tf.constant([1.0, 200.0, 2.0])

    def evaluate(image):
        return evaluate_any(image, targets, factors)

    def value(x):
        each = evaluate(tf.constant(x.reshape(photo.shape), tf.float32))
        return float(each["total"]), each["gradient"].numpy().ravel().astype(float)

    optimizer = optimizers.LBFGS(history=20)
    _, totals = run(optimizer, evaluate, optimizer.start(photo), 61)
    oracle = scipy.optimize.minimize(
        value,
        photo.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * photo.size,
        options={"maxfun": 60, "maxcor": 20},
    )
    assert totals[-1] < 1.3 * oracle.fun
    assert totals[-1] < 0.2 * totals[0]


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
    centers = (np.arange(size) + 0.5) * small / size - 0.5
    below = np.floor(centers).astype(int)
    matrix = np.zeros((size, small))
    for part, each in ((1 - centers + below, below), (centers - below, below + 1)):
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
    found = quasi_newton.precondition(tf.constant(gradient)).numpy().reshape(-1, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("pairs", "history"), [(1, 20), (7, 20), (20, 20), (43, 20), (1, 1), (3, 1), (9, 4)]
)
def test_the_compact_product_is_the_two_loop_recursion(pairs, history):
    generator = np.random.default_rng(pairs)
    optimizer = optimizers.LBFGS(history=history)
    state = optimizer.start(image_of(90))
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
        compared = optimizer.compare(state | before, after)
        state = quasi_newton.remember(state | after, *compared)
    kept = slice(-history, None)
    expected = two_loops(steps[kept], changes[kept], gradient, matrix)
    move = quasi_newton.find_step(state).numpy().ravel()
    np.testing.assert_allclose(move, expected, atol=1e-3 * np.abs(expected).max())


def test_a_step_beyond_reason_is_taken_back_and_the_next_is_shorter():
    """A loss that is infinite beyond a wall right beside the start."""

    def evaluate(image):
        total = tf.reduce_sum(tf.square(image - 1.0))
        beyond = tf.reduce_max(image) > 0.55
        total = tf.where(beyond, np.inf, total)
        gradient = tf.where(beyond, np.nan, 2.0 * (image - 1.0))
        return found(total, gradient)

    optimizer = optimizers.LBFGS()
    state, totals = run(optimizer, evaluate, optimizer.start(image_of(30)), 30)
    assert state["taken_back"] > 0
    assert np.isfinite(totals).all()
    assert (np.diff(totals) <= 0).all()
    assert 0.54 < state["image"].numpy().max() <= 0.55


def test_nothing_to_do_moves_nothing():
    optimizer = optimizers.LBFGS()

    def evaluate(image):
        return found(tf.constant(0.0), tf.zeros_like(image))

    state, totals = run(optimizer, evaluate, optimizer.start(image_of(30)), 3)
    np.testing.assert_array_equal(totals, np.zeros(3))
    np.testing.assert_array_equal(state["image"], np.float32(0.5))


OPTIMIZERS = {
    "adam": optimizers.Adam(learning_rate=0.3),
    "average": optimizers.Adam(learning_rate=0.01, average=0.9),
    "lbfgs": optimizers.LBFGS(),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_first_step_evaluates_the_start_and_stays_there(optimizer):
    _, evaluate = quadratic()
    state, totals = run(optimizer, evaluate, optimizer.start(image_of(60)), 1)
    np.testing.assert_array_equal(state["image"], image_of(60))
    np.testing.assert_array_equal(optimizer.shown_image(state), image_of(60))
    expected = evaluate(tf.constant(image_of(60)))
    assert totals[0] == state["total"]
    for name, value in expected.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS.values()][:2] + [optimizers.LBFGS(history=3)])
def test_strip_by_strip_it_takes_the_same_steps(optimizer, monkeypatch):
    """And what a state held is let go of, in the dictionary alone."""
    monkeypatch.setattr(walks, "STRIP", 2000)
    by_strips = copy.copy(optimizer)
    by_strips.walk = walks.Strips()
    _, evaluate = quadratic()
    state = by_strips.start(image_of(60))
    for _ in range(9):
        kept, before = dict(state), state
        state = functions.training_step(state, by_strips, evaluate)
        assert isinstance(optimizer, optimizers.LBFGS) or "first" not in before
    whole, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 9)
    for name, tensor in states.flatten(whole).items():
        close = dict(rtol=1e-3, atol=1e-4 * max(1.0, np.abs(tensor).max()))
        np.testing.assert_allclose(states.flatten(state)[name], tensor, **close, err_msg=name)
    again = functions.training_step(kept, by_strips, evaluate)
    tf.nest.map_structure(np.testing.assert_array_equal, again, state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_is_saved_and_put_back_goes_on_to_the_same_bits(optimizer, tmp_path):
    _, evaluate = quadratic()
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 8)
    path = tmp_path / "checkpoint.npz"
    saved = {name: tensor.numpy() for name, tensor in states.flatten(state).items()}
    checkpoint.write(path, saved, {})
    state, _ = run(optimizer, evaluate, state, 8)
    example = optimizer.start(np.zeros_like(image_of(60)))
    restored = states.unflatten(checkpoint.read(path)[0], example)
    again, _ = run(optimizer, evaluate, restored, 8)
    tf.nest.map_structure(np.testing.assert_array_equal, again, state)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda arrays: arrays.pop("pairs.3"), "nothing as pairs.3"),
        (lambda arrays: arrays.update(more=np.zeros(2)), "2 float64 as more, not nothing"),
        (lambda arrays: arrays.update(image=image_of(57)), "1×19×1×3 float32 as image"),
        (lambda arrays: arrays.update(losses=np.zeros(4, np.float32)), "4 float32 as losses"),
        (lambda arrays: arrays.update(count=np.array(2.0)), "one float64 as count, not one int32"),
    ],
)
def test_what_is_not_of_this_state_is_refused(change, named):
    state = optimizers.LBFGS(history=5).start(image_of(60))
    arrays = {name: tensor.numpy() for name, tensor in states.flatten(state).items()}
    states.unflatten(dict(arrays), state)
    change(arrays)
    with pytest.raises(checkpoint.CheckpointError, match=named):
        states.unflatten(arrays, state)


def test_another_history_is_refused():
    state, other = (optimizers.LBFGS(history=each).start(image_of(60)) for each in (5, 6))
    arrays = {name: tensor.numpy() for name, tensor in states.flatten(state).items()}
    with pytest.raises(checkpoint.CheckpointError, match="pairs.5"):
        states.unflatten(arrays, other)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_pixels_stay_in_range(optimizer):
    _, evaluate = quadratic(seed=3)
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 20)
    for image in (state["image"], optimizer.shown_image(state)):
        assert np.min(image) >= 0 and np.max(image) <= 1


def test_a_reweighted_state_is_evaluated_where_it_is_and_keeps_its_history():
    _, evaluate = quadratic()
    _, other = quadratic(seed=1)
    optimizer = optimizers.LBFGS(history=20)
    before, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 9)
    state, totals = run(optimizer, other, optimizer.reweighted(before), 1)
    np.testing.assert_array_equal(state["image"], before["image"])
    expected = other(state["image"])
    np.testing.assert_allclose(totals[0], expected["total"], rtol=1e-6)
    image, gradient = state["image"].numpy(), expected["gradient"].numpy()
    held = ((image <= 0) & (gradient > 0)) | ((image >= 1) & (gradient < 0))
    gradient = np.where(held, 0, gradient)
    np.testing.assert_allclose(state["gradient"], gradient, rtol=1e-5, atol=1e-5)
    assert state["count"] == before["count"] > 0
    tf.nest.map_structure(np.testing.assert_array_equal, state["pairs"], before["pairs"])
    pairs = np.stack(state["pairs"]).reshape(20, 2, -1)
    products = (pairs @ gradient.ravel()).T  # of each s and z with the gradient
    np.testing.assert_allclose(state["products"], products, rtol=1e-4, atol=1e-4)
    _, totals = run(optimizer, other, state, 100)
    assert totals[-1] < 0.5 * totals[0]


@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_the_first_move_of_a_reweighted_state_is_half_as_long(factor):
    """Whether the losses have got more weight or less, the history stays as good as it was."""
    _, evaluate = quadratic()

    def weighted(image):
        each = evaluate(image)
        return found(factor * each["total"], factor * each["gradient"])

    optimizer = optimizers.LBFGS()
    before, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 9)
    state, _ = run(optimizer, weighted, optimizer.reweighted(before), 1)
    assert state["count"] == before["count"]
    steps = [quasi_newton.find_step(each).numpy() for each in (before, state)]
    steps = [np.where(each["gradient"] == 0, 0, step) for each, step in zip((before, state), steps)]
    np.testing.assert_allclose(steps[1], 0.5 * factor * steps[0], rtol=1e-3, atol=1e-5 * factor)


def test_adam_is_that_of_keras():
    """With a large epsilon, whose place in the formula then matters."""
    _, evaluate = quadratic()
    arguments = dict(beta_1=0.99, beta_2=0.9, epsilon=0.1)
    optimizer = optimizers.Adam(learning_rate=0.002, **arguments)
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 13)
    oracle, image = keras.optimizers.Adam(0.002, **arguments), tf.Variable(image_of(60))
    for _ in range(12):
        oracle.apply([evaluate(image)["gradient"]], [image])
    assert 0 < image.numpy().min() < 0.49 < 0.51 < image.numpy().max() < 1  # nothing was clipped
    np.testing.assert_allclose(state["image"], image, rtol=1e-5)


def test_the_average_is_the_weighted_mean_of_the_images():
    _, evaluate = quadratic()
    optimizer = OPTIMIZERS["average"]
    state, _ = run(optimizer, evaluate, optimizer.start(image_of(60)), 1)
    images = []
    for _ in range(7):
        state, _ = run(optimizer, evaluate, state, 1)
        images.append(state["image"].numpy())
    expected = np.average(images, axis=0, weights=0.9 ** np.arange(6, -1, -1.0))
    np.testing.assert_allclose(optimizer.shown_image(state), expected, rtol=1e-5)
    assert np.abs(expected - images[-1]).max() > 1e-3
