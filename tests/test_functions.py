"""The method against NumPy written out, and against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL_WIDTHS

import functions
from style_transfer.networks import weights
from style_transfer.optimization import optimizers
from style_transfer.pictures import images
from style_transfer.settings import LAYERS, Settings

SAMPLES = ROOT / "data" / "input"
SHAPES = {"a": (1, 5, 4, 3), "b": (1, 3, 2, 6)}


def features_of(seed):
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape, np.float32) for name, shape in SHAPES.items()}


def gram_written_out(features):
    _, height, width, channels = features.shape
    gram = np.zeros((channels, channels))
    for row in range(height):
        for column in range(width):
            position = features[0, row, column].astype(float)
            gram += np.outer(position, position)
    return gram


def small_model(layers, **keywords):
    model = functions.build_model(layers, widths=SMALL_WIDTHS, **keywords)
    weights.draw(3, SMALL_WIDTHS).assign(model)
    return model


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


def test_every_layer_equals_keras_vgg19():
    oracle = keras.applications.VGG19(weights=None, include_top=False)
    layers = {name: oracle.get_layer(name).get_weights() for name in LAYERS}
    model = functions.build_model(LAYERS)
    weights.Weights("oracle", layers, "").assign(model)
    (image,) = pictures((40, 56))
    prepared = keras.applications.vgg19.preprocess_input(image * 255.0)
    outputs = keras.Model(oracle.inputs[0], [oracle.get_layer(name).output for name in LAYERS])
    for name, expected in zip(LAYERS, outputs(prepared)):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(model(image)[name] / scale, expected / scale, atol=1e-5)


def test_the_model_ends_at_the_deepest_layer_it_needs():
    model = small_model(("block2_conv1", "block3_conv2"))
    assert set(model.output) == {"block2_conv1", "block3_conv2"}
    names = [layer.name for layer in model.layers if layer.name in LAYERS]
    assert names == list(LAYERS[: LAYERS.index("block3_conv2") + 1])
    assert not model.trainable_weights


def test_average_pooling_averages():
    layers = ("block1_conv2", "block2_conv1")
    model = small_model(layers, pooling="avg")
    features = model(pictures((8, 6))[0])
    below = features["block1_conv2"].numpy()
    pooled = below.reshape(1, 4, 2, 3, 2, -1).mean(axis=(2, 4))
    expected = model.get_layer("block2_conv1")(pooled)
    np.testing.assert_allclose(features["block2_conv1"], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("layers", [("block6_conv1",), ("block1_pool",), ()])
def test_unknown_layers_are_refused(layers):
    with pytest.raises(ValueError, match="layer"):
        functions.build_model(layers)


def test_gram_matrix():
    features = features_of(0)["a"]
    expected = gram_written_out(features) / 20
    np.testing.assert_allclose(functions.gram_matrix(features), expected, rtol=1e-5)


def test_content_loss_of_the_paper():
    value, target = features_of(0), features_of(1)
    expected = sum(0.5 * np.sum((value[name] - target[name]) ** 2) for name in SHAPES)
    loss = functions.content_loss(value, target, form="gatys")
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def gram_targets(painting, shares):
    return {
        name: (functions.RegionTarget(share, functions.describe_style(painting[name], "gram"), ()),)
        for name, share in shares.items()
    }


def test_style_loss_of_the_paper():
    value, painting = features_of(0), features_of(1)
    shares = {"a": 0.2, "b": 0.8}
    targets = gram_targets(painting, shares)
    expected = 0.0
    for name, (_, height, width, channels) in SHAPES.items():
        squares = (gram_written_out(value[name]) - gram_written_out(painting[name])) ** 2
        factor = 4 * channels**2 * (height * width) ** 2
        expected += shares[name] * squares.sum() / factor
    loss = functions.style_loss(value, targets, kind="gram", form="gatys")
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_relative_losses():
    value, target = features_of(0), features_of(1)
    errors = [
        np.mean((value[name] - target[name]) ** 2) / np.mean(target[name] ** 2) for name in SHAPES
    ]
    loss = functions.content_loss(value, target, form="relative")
    np.testing.assert_allclose(loss, np.mean(errors), rtol=1e-5)

    shares = {"a": 0.25, "b": 0.75}
    targets = gram_targets(target, shares)
    expected = 0.0
    for name, (_, height, width, _channels) in SHAPES.items():
        gram, goal = (gram_written_out(each[name]) / (height * width) for each in (value, target))
        expected += shares[name] * np.sum((gram - goal) ** 2) / np.sum(goal**2)
    loss = functions.style_loss(value, targets, kind="gram", form="relative")
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_relative_losses_do_not_depend_on_the_scale_of_the_network():
    value, target = features_of(0), features_of(1)
    louder = [{name: 1000 * each for name, each in group.items()} for group in (value, target)]
    quiet = functions.content_loss(value, target, form="relative")
    np.testing.assert_allclose(functions.content_loss(*louder, form="relative"), quiet, rtol=1e-5)


def test_a_target_without_signal_gives_no_division_by_zero():
    nothing = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    assert np.isfinite(functions.content_loss(features_of(0), nothing, form="relative"))
    assert functions.content_loss(nothing, nothing, form="relative") == 0


@pytest.mark.parametrize("reduce", [np.mean, np.sum])
@pytest.mark.parametrize("power", [np.square, np.abs])
def test_total_variation(reduce, power):
    (image,) = pictures((5, 7))
    expected = reduce(power(np.diff(image, axis=1))) + reduce(power(np.diff(image, axis=2)))
    form = f"{reduce.__name__}-{'squared' if power is np.square else 'absolute'}"
    np.testing.assert_allclose(functions.total_variation(image, form=form), expected, rtol=1e-5)


def test_the_summed_absolute_variation_is_that_of_tensorflow():
    (image,) = pictures((5, 7))
    expected = tf.image.total_variation(tf.constant(image))[0]
    variation = functions.total_variation(image, form="sum-absolute")
    np.testing.assert_allclose(variation, expected, rtol=1e-5)


def test_mean_losses():
    value, target = features_of(0), features_of(1)
    errors = [np.mean((value[name] - target[name]) ** 2) for name in SHAPES]
    loss = functions.content_loss(value, target, form="mean")
    np.testing.assert_allclose(loss, np.mean(errors), rtol=1e-5)
    shares = {"a": 0.25, "b": 0.75}
    expected = 0.0
    for name, (_, height, width, _channels) in SHAPES.items():
        gram, goal = (gram_written_out(each[name]) / (height * width) for each in (value, target))
        expected += shares[name] * np.mean((gram - goal) ** 2)
    loss = functions.style_loss(value, gram_targets(target, shares), kind="gram", form="mean")
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_layer_weights():
    shapes = {"block1_conv1": (1, 4, 4, 64), "block2_conv1": (1, 2, 2, 128)}
    features = {name: np.zeros(shape) for name, shape in shapes.items()}
    given = ("block1_conv1:1", "block2_conv1:3")
    expected = {"equal": (0.25, 0.75), "geometric": (4 / 7, 3 / 7), "gatys": (1 / 4096, 3 / 16384)}
    for preset, values in expected.items():
        settings = Settings(style_layers=given, layer_weights=preset)
        weights = functions.layer_weights(features, settings)
        np.testing.assert_allclose(list(weights.values()), values)


def test_torch_preprocessing():
    (image,) = pictures((4, 5))
    expected = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(functions.preprocess(image, "torch"), expected, rtol=1e-5)
    oracle = keras.applications.imagenet_utils.preprocess_input(image * 255.0, mode="torch")
    np.testing.assert_allclose(functions.preprocess(image, "torch"), oracle, atol=1e-5)


def test_styles_are_blended_linearly():
    settings = Settings()
    model = small_model(settings.layers)
    photo, first, second = pictures((32, 40), (36, 44), (48, 40))
    shares = (0.9, 0.3)
    styles = [functions.Style(each, (share,)) for each, share in zip((first, second), shares)]
    mixed = functions.compute_targets(model, photo, styles, settings).style
    for name, (region,) in mixed.items():
        grams = [
            functions.gram_matrix(functions.look(model, each, border=settings.border)[name])
            for each in (first, second)
        ]
        np.testing.assert_allclose(
            region.target["gram"], 0.75 * grams[0] + 0.25 * grams[1], rtol=1e-4
        )


def test_a_guided_gram_matrix_counts_positions_by_their_guide():
    features = features_of(0)["a"]
    guide = np.random.default_rng(1).random((1, 5, 4, 1), np.float32)
    expected = np.einsum("hwi,hwj,hw->ij", features[0], features[0], guide[0, ..., 0]) / guide.sum()
    np.testing.assert_allclose(functions.gram_matrix(features, guide), expected, rtol=1e-5)


@pytest.mark.parametrize("form", ["relative", "gatys"])
def test_the_total_is_the_weighted_sum_and_zero_at_the_targets(form):
    settings = Settings(loss=form, content_weight=2.0, style_weight=3.0, tv_weight=5.0)
    model = small_model(settings.layers)
    photo, painting, image = pictures((32, 40), (48, 40), (32, 40))
    targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)
    content, style, variation, total = functions.compute_losses(model, image, targets, settings)
    np.testing.assert_allclose(total, 2 * content + 3 * style + 5 * variation, rtol=1e-5)
    assert functions.compute_losses(model, photo, targets, settings)[0] == 0
    same = functions.compute_targets(model, photo, [functions.Style(photo)], settings)
    assert functions.compute_losses(model, photo, same, settings)[1] == 0


def test_bfloat16_reaches_the_loss_of_float32():
    """Within 3 % after 100 steps of the compact network, both evaluated in float32."""
    settings = Settings()
    photo, painting = (
        images.to_tensor(picture, images.fitted_size(picture.pixels.size, 96))
        for picture in (images.load(SAMPLES / name) for name in ("temple.jpg", "night_strokes.jpg"))
    )
    compact = weights.load("compact")
    exact = functions.build_model(settings.layers, widths=compact.widths)
    compact.assign(exact)
    targets = functions.compute_targets(exact, photo, [functions.Style(painting)], settings)
    totals = {}
    for precision in ("float32", "bfloat16"):
        model = functions.build_model(settings.layers, widths=compact.widths, precision=precision)
        compact.assign(model)
        own_targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)
        evaluate = functions.build_evaluation(model, settings)
        adam = optimizers.Adam(learning_rate=0.02)
        state = adam.start(photo)
        train = functions.build_training(evaluate, adam, state, own_targets)
        state, _ = train(state, own_targets, tf.constant(101))
        losses = functions.compute_losses(exact, state["image"], targets, settings)
        totals[precision] = losses[3].numpy()
    assert totals["bfloat16"] != totals["float32"]
    assert totals["bfloat16"] <= 1.03 * totals["float32"]


def test_the_border_mirrors_the_pictures():
    photo, painting, image = pictures((35, 40), (36, 44), (35, 40))
    """The losses, from NumPy, of features of mirrored pictures without those of the border."""
    settings = Settings(border=5)
    model = small_model(settings.layers)
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
    targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)
    losses = functions.compute_losses(model, image, targets, settings)
    expected = np.mean((moved - content) ** 2) / np.mean(content**2), style
    np.testing.assert_allclose(losses[:2], expected, rtol=1e-4)


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


def test_one_training_serves_pictures_of_all_sizes():
    settings = Settings()
    model = small_model(settings.layers)
    evaluate, optimizer = functions.build_evaluation(model, settings), optimizers.LBFGS()
    train = None
    for sizes in (((32, 40), (36, 32)), ((50, 35), (40, 41))):
        photo, painting = pictures(*sizes)
        targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)
        state = optimizer.start(np.full_like(photo, 0.5))
        train = train or functions.build_training(evaluate, optimizer, state, targets)
        state, losses = train(state, targets, tf.constant(3))
        expected = functions.compute_losses(model, state["image"], targets, settings)
        np.testing.assert_allclose(losses[-1], expected, rtol=1e-4)
        assert losses[-1, 3] < losses[0, 3]
    assert train.experimental_get_tracing_count() == 1


def test_training_is_adam_with_clipping():
    settings = Settings()
    model = small_model(settings.layers)
    photo, painting, start = pictures((32, 40), (36, 32), (32, 40))
    targets = functions.compute_targets(model, photo, [functions.Style(painting)], settings)

    def gradient_at(image):
        variable = tf.Variable(image.astype(np.float32))
        with tf.GradientTape() as tape:
            total = functions.compute_losses(model, variable, targets, settings)[3]
        return tape.gradient(total, variable).numpy()

    optimizer = optimizers.Adam(learning_rate=0.01)
    state = optimizer.start(start)
    evaluate = functions.build_evaluation(model, settings)
    train = functions.build_training(evaluate, optimizer, state, targets)
    state, history = train(state, targets, tf.constant(5))
    image = state["image"]
    expected = adam_written_out(gradient_at, start, 0.01, 4)
    # Adam divides by the gradient's size, so where that is nearly 0 rounding decides its sign.
    assert np.quantile(np.abs(image.numpy() - expected), 0.99) < 1e-3
    assert np.isin(image.numpy(), (0.0, 1.0)).any()  # something was clipped
    last = functions.compute_losses(model, image, targets, settings)
    np.testing.assert_allclose(history[-1], last, rtol=1e-4)
    assert history.shape == (5, 4)  # the first is the start's
    assert history[-1, 3] < history[0, 3]
