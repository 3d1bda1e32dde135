"""The method against NumPy written out, against Keras, and against finite differences."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL_VGG19

import functions
from style_transfer.method.variation import SMOOTH
from style_transfer.networks import weights
from style_transfer.optimization import optimizers
from style_transfer.optimization.targets import Style, compute_targets
from style_transfer.pictures import images
from style_transfer.settings import Settings

SAMPLES = ROOT / "data" / "input"
SHAPES = {"a": (1, 5, 4, 3), "b": (1, 3, 2, 6)}
BATCH = {name: (2, *shape[1:]) for name, shape in SHAPES.items()}
FORMS = ("relative", "gatys", "mean")
SHARES = np.array([1.0, 200.0, 2.0], np.float32)  # α, β, γ


def features_of(seed, shapes=SHAPES):
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape, np.float32) for name, shape in shapes.items()}


def gram_written_out(features):
    """The sum of the outer products over all positions, of the first of a batch."""
    _, height, width, channels = features.shape
    gram = np.zeros((channels, channels))
    for row in range(height):
        for column in range(width):
            position = features[0, row, column].astype(float)
            gram += np.outer(position, position)
    return gram


def small_model(layers, **keywords):
    model = functions.build_model(layers, SMALL_VGG19, **keywords)
    weights.draw(3, SMALL_VGG19).assign(model)
    return model


@pytest.fixture(scope="module")
def model():
    """A narrow network with the layers of the paper."""
    return small_model(Settings().layers)


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


def losses_of(model, image, targets, settings):
    features = functions.extract_features(model, image, border=settings.border)
    return functions.compute_losses(features, image, targets, settings).numpy()


def test_gram_matrix():
    features = features_of(0)["a"]
    expected = gram_written_out(features) / 20
    np.testing.assert_allclose(functions.gram_matrix(features)[0], expected, rtol=1e-5)


def test_a_guided_gram_matrix_counts_positions_by_their_guide():
    features = features_of(0)["a"]
    guide = np.random.default_rng(1).random((1, 5, 4, 1), np.float32)
    expected = np.einsum("hwi,hwj,hw->ij", features[0], features[0], guide[0, ..., 0]) / guide.sum()
    np.testing.assert_allclose(functions.gram_matrix(features, guide)[0], expected, rtol=1e-5)


def test_each_of_a_batch_has_its_own_gram_matrix():
    batch = features_of(0, BATCH)["a"]
    guides = np.random.default_rng(1).random((2, 5, 4, 1), np.float32)
    for guide in (None, guides, guides[:1]):
        found = functions.gram_matrix(batch, guide)
        for index in range(2):
            place = slice(index, index + 1)
            own = guide if guide is None or len(guide) == 1 else guide[place]
            expected = functions.gram_matrix(batch[place], own)
            np.testing.assert_allclose(found[place], expected, rtol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01


def content_written_out(value, target, form):
    errors = []
    for name in SHAPES:
        squares = (value[name].astype(float) - target[name]) ** 2
        if form == "gatys":
            errors.append(0.5 * squares.sum())
        else:
            energy = np.mean(target[name].astype(float) ** 2) if form == "relative" else 1.0
            errors.append(squares.mean() / energy)
    return sum(errors) if form == "gatys" else np.mean(errors)


@pytest.mark.parametrize("form", FORMS)
def test_content_loss(form):
    value, target = features_of(0), features_of(1)
    (loss,) = functions.content_loss(value, target, form=form).numpy()
    np.testing.assert_allclose(loss, content_written_out(value, target, form), rtol=1e-5)


def style_targets(painting, shares, guides=None):
    return {
        name: (
            {
                "weight": share,
                "statistics": {"gram": functions.gram_matrix(painting[name])},
                **({"guide": guides[name]} if guides else {}),
            },
        )
        for name, share in shares.items()
    }


def style_written_out(value, painting, shares, form):
    total = 0.0
    for name, share in shares.items():
        _, height, width, channels = value[name].shape
        positions = height * width
        gram, goal = (gram_written_out(each[name]) for each in (value, painting))
        squares = (gram - goal) ** 2
        if form == "gatys":  # equation 4, with the sums of the paper
            total += share * squares.sum() / (4 * channels**2 * positions**2)
        elif form == "relative":
            total += share * squares.sum() / np.sum(goal**2)
        else:
            total += share * np.mean(squares) / positions**2
    return total


@pytest.mark.parametrize("form", FORMS)
def test_style_loss(form):
    value, painting = features_of(0), features_of(1)
    shares = {"a": 0.2, "b": 0.8}
    (loss,) = functions.style_loss(value, style_targets(painting, shares), form=form).numpy()
    expected = style_written_out(value, painting, shares, form)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_the_losses_of_a_batch_are_the_means_of_those_of_its_images(form):
    """One painting for both, and for each the features of its own photo."""
    value, photos, painting = features_of(0, BATCH), features_of(1, BATCH), features_of(2)
    image = np.random.default_rng(3).random((2, 5, 4, 3), np.float32)
    settings = Settings(loss=form)
    style = style_targets(painting, {"a": 0.2, "b": 0.8})

    def losses(place):
        features, content = ({n: e[place] for n, e in each.items()} for each in (value, photos))
        targets = SimpleNamespace(content=content, style=style)
        return functions.compute_losses(features, image[place], targets, settings).numpy()

    each = np.array([losses(slice(0, 1)), losses(slice(1, 2))])
    np.testing.assert_allclose(losses(slice(0, 2)), each.mean(axis=0), rtol=1e-5)
    assert np.abs(each[0] - each[1]).min() > 0


def test_relative_losses_do_not_depend_on_the_scale_of_the_network():
    value, target = features_of(0), features_of(1)
    louder = [{name: 1000 * each for name, each in group.items()} for group in (value, target)]
    quiet = functions.content_loss(value, target, form="relative")
    np.testing.assert_allclose(functions.content_loss(*louder, form="relative"), quiet, rtol=1e-5)


def test_a_target_without_signal_gives_no_division_by_zero():
    nothing = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    assert np.isfinite(functions.content_loss(features_of(0), nothing, form="relative"))
    assert functions.content_loss(nothing, nothing, form="relative") == 0
    targets = style_targets(nothing, {"a": 1.0})
    assert np.isfinite(functions.style_loss(features_of(0), targets, form="relative"))


@pytest.mark.parametrize("reduce", [np.mean, np.sum])
@pytest.mark.parametrize("power", [np.square, np.abs])
def test_total_variation(reduce, power):
    (image,) = pictures((5, 7))
    expected = reduce(power(np.diff(image, axis=1))) + reduce(power(np.diff(image, axis=2)))
    form = f"{reduce.__name__}-{'squared' if power is np.square else 'absolute'}"
    np.testing.assert_allclose(functions.total_variation(image, form=form), [expected], rtol=1e-5)


def test_the_isotropic_variation_is_the_mean_length_of_the_gradient():
    (image,) = pictures((5, 7))
    lengths = []
    for row in range(4):
        for column in range(6):
            here, below = image[0, row, column], image[0, row + 1, column]
            right = image[0, row, column + 1]
            squares = (below - here) ** 2 + (right - here) ** 2
            lengths.append(np.sqrt(np.mean(squares) + SMOOTH**2))
    variation = functions.total_variation(image, form="isotropic")
    np.testing.assert_allclose(variation, [np.mean(lengths)], rtol=1e-5)


def test_the_isotropic_variation_is_alike_in_all_directions():
    """A soft edge of one height costs its length, whichever way it runs."""
    rows, columns = np.mgrid[:64, :64].astype(np.float32) / 64
    costs = []
    for degrees in (0, 30, 45, 60, 90):
        way = np.deg2rad(degrees)
        slope = np.cos(way) * columns + np.sin(way) * rows
        image = np.repeat(slope[None, :, :, None] / 2, 3, axis=-1)
        costs.append(float(functions.total_variation(image, form="isotropic")[0]))
    np.testing.assert_allclose(costs, costs[0], rtol=0.01)


def test_the_summed_absolute_variation_is_that_of_tensorflow():
    (image,) = pictures((5, 7))
    batch = np.concatenate([image, image**2])
    expected = tf.image.total_variation(tf.constant(batch))
    variation = functions.total_variation(batch, form="sum-absolute")
    np.testing.assert_allclose(variation, expected, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_the_losses_are_zero_at_the_targets(model, form):
    settings = Settings(loss=form)
    photo, painting = pictures((32, 40), (48, 40))
    targets = compute_targets(model, photo, [Style(painting)], settings)
    assert losses_of(model, photo, targets, settings)[0] == 0
    same = compute_targets(model, photo, [Style(photo)], settings)
    assert losses_of(model, photo, same, settings)[1] == 0


def test_the_border_mirrors_the_pictures(model):
    """The losses, from NumPy, of features of mirrored pictures without those of the border."""
    photo, painting, image = pictures((35, 40), (36, 44), (35, 40))
    settings = Settings(border=5)
    # 35 + 2 · 5 = 45 lacks 3 of 48 = 3 · 16: 1 more before, 2 more after. And so on.
    borders = [((6, 7), (12, 12)), ((6, 6), (10, 10)), ((6, 7), (12, 12))]
    seen = []
    for picture, border in zip((photo, painting, image), borders):
        features = model(np.pad(picture, ((0, 0), *border, (0, 0)), mode="reflect"))
        for name, each in features.items():
            stride = 2 ** (int(name[5]) - 1)
            (top, bottom), (left, right) = np.array(border) // stride
            _, height, width, _ = each.shape
            features[name] = each.numpy()[:, top : height - bottom, left : width - right]
        seen.append(features)
    (layer,) = settings.content_layers
    content, _, moved = (features[layer] for features in seen)
    style = 0.0
    for layer in settings.style_layers:
        _, wanted, found = (
            gram_written_out(features[layer]) / features[layer][0, ..., 0].size for features in seen
        )
        style += np.mean((found - wanted) ** 2) / np.mean(wanted**2) / len(settings.style_layers)
    targets = compute_targets(model, photo, [Style(painting)], settings)
    losses = losses_of(model, image, targets, settings)
    expected = np.mean((moved - content) ** 2) / np.mean(content**2), style
    np.testing.assert_allclose(losses[:2], expected, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_evaluation_is_the_weighted_sum_with_its_slope(model, form):
    """The slope in a direction of chance, from differences of the losses."""
    settings = Settings(loss=form)
    photo, painting, image = pictures((32, 40), (48, 40), (32, 40))
    targets = compute_targets(model, photo, [Style(painting)], settings)
    each = losses_of(model, image, targets, settings).astype(float)
    shares = (np.array([0.2, 0.3, 0.5]) / each).astype(np.float32)  # so that all of them count
    evaluate = functions.build_evaluation(model, settings)
    found = evaluate(tf.constant(image), targets, tf.constant(shares))
    np.testing.assert_allclose(found["losses"], each, rtol=1e-5)
    np.testing.assert_allclose(found["total"], 1.0, rtol=1e-5)
    gradient = found["gradient"].numpy()
    direction = np.sign(gradient) * np.random.default_rng(4).random(image.shape, np.float32)
    step = np.float32(1e-4)
    ahead, behind = (
        losses_of(model, image + sign * step * direction, targets, settings) for sign in (1, -1)
    )
    slope = np.sum(shares * (ahead.astype(float) - behind)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=0.01)


def adam_written_out(gradient_at, image, rate, steps):
    """Kingma & Ba, arXiv:1412.6980, algorithm 1, and the clipping to [0, 1]."""
    first, second = np.zeros_like(image), np.zeros_like(image)
    for step in range(1, steps + 1):
        gradient = gradient_at(image)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
        image = np.clip(image - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-7), 0, 1)
    return image


def test_training_is_adam_with_clipping(model):
    settings = Settings()
    photo, painting, start = pictures((32, 40), (36, 32), (32, 40))
    targets = compute_targets(model, photo, [Style(painting)], settings)

    def gradient_at(image):
        variable = tf.Variable(image.astype(np.float32))
        with tf.GradientTape() as tape:
            features = functions.extract_features(model, variable, border=settings.border)
            losses = functions.compute_losses(features, variable, targets, settings)
            total = tf.reduce_sum(SHARES * losses)
        return tape.gradient(total, variable).numpy()

    evaluate = functions.build_evaluation(model, settings)
    optimizer = optimizers.Adam(learning_rate=0.01)
    state, totals = optimizer.start(start), []
    for _ in range(5):
        state = functions.training_step(
            state, optimizer, lambda image: evaluate(image, targets, tf.constant(SHARES))
        )
        totals.append(float(state["total"]))
    image = state["image"].numpy()
    expected = adam_written_out(gradient_at, start, 0.01, 4)  # the first only evaluates the start
    # Adam divides by the gradient's size, so where that is nearly 0 rounding decides its sign.
    assert np.quantile(np.abs(image - expected), 0.99) < 1e-3
    assert np.isin(image, (0.0, 1.0)).any()  # something was clipped
    last = losses_of(model, image, targets, settings)
    np.testing.assert_allclose(state["losses"], last, rtol=1e-4)
    np.testing.assert_allclose(totals[-1], SHARES @ last, rtol=1e-4)
    assert totals[-1] < totals[0]


def optimize(model, photo, painting, settings, steps):
    """Return the image after steps of Adam from the photo."""
    targets = compute_targets(model, photo, [Style(painting)], settings)
    evaluate = tf.function(functions.build_evaluation(model, settings), autograph=False)
    adam = optimizers.Adam(learning_rate=0.02)
    state = adam.start(photo)
    for _ in range(steps + 1):
        state = functions.training_step(
            state, adam, lambda image: evaluate(image, targets, tf.constant(SHARES))
        )
    return state["image"]


def test_bfloat16_reaches_the_loss_of_float32():
    """Within 3 % after 20 steps of the compact network, both evaluated in float32."""
    settings = Settings()
    photo, painting = (
        images.to_tensor(picture, images.fitted_size(picture.pixels.size, 64))
        for picture in (images.load(SAMPLES / name) for name in ("temple.jpg", "night_strokes.jpg"))
    )
    compact = weights.load("compact")
    models, totals = {}, {}
    for precision in ("float32", "bfloat16"):
        model = functions.build_model(settings.layers, compact.architecture, precision=precision)
        compact.assign(model)
        models[precision] = model
    targets = compute_targets(models["float32"], photo, [Style(painting)], settings)
    for precision, model in models.items():
        image = optimize(model, photo, painting, settings, 20)
        totals[precision] = SHARES @ losses_of(models["float32"], image, targets, settings)
    before = SHARES @ losses_of(models["float32"], photo, targets, settings)
    assert totals["float32"] < 0.7 * before
    assert totals["bfloat16"] != totals["float32"]
    assert totals["bfloat16"] <= 1.03 * totals["float32"]
