"""Google's architectures, with weights of chance: shapes, sizes, what depends on the style."""

import keras
import numpy as np
import pytest

from style_transfer.feedforward import architectures, google

SMALL = google.Layout((4, 6, 8), 2, (6, 4), style=10)


def random(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def count(model, word=""):
    return sum(int(np.prod(each.shape)) for each in model.weights if word in each.path)


def test_the_widths_are_those_of_the_paper():
    """1,379 channels take a scale and a shift from the code, each 100 numbers and one."""
    model = google.build_transfer_network(google.Layout())
    assert count(model, "_scale") == count(model, "_shift") == 1379 * 101
    convolutions = 81 * 3 * 32 + 9 * (32 * 64 + 64 * 128 + 10 * 128**2 + 128 * 64 + 64 * 32)
    assert count(model) == convolutions + 81 * 32 * 3 + 2 * 1379 * 101


def test_the_published_networks_have_as_many_weights_as_were_published():
    """Of 26 styles: 9×9 3→32, twice 32→32, six blocks of 32, 32→8→4, 9×9 4→3, all normalized."""
    model = google.build_transfer_network(google.MULTISTYLE)
    channels = 3 * 32 + 12 * 32 + 8 + 4 + 3
    assert (count(model, "_scale"), count(model)) == (26 * channels, 140_364 + 52 * channels)
    mobile = google.build_transfer_network(google.ARBITRARY)
    channels = 10 * 32 + 16 + 8 + 3
    assert count(mobile, "_scale") == channels * 101


@pytest.mark.parametrize("norm", ["instance", "style", "none"])
@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 37, 50, 3)])
def test_a_picture_keeps_its_size_and_range(norm, shape):
    model = google.build_transfer_network(google.Layout((4, 6, 8), 1, (6, 4), contract_norm=norm))
    images = architectures.paint(model, random(*shape), random(shape[0], 100))
    assert images.shape == shape
    assert images.min() > 0 and images.max() < 1


def test_features_are_normalized_scaled_and_shifted_as_written_out():
    """The parameters are an affine map of the code."""
    features, style = keras.Input((None, None, 5)), keras.Input((SMALL.style,))
    model = keras.Model([features, style], google.normalize(features, style, "layer", SMALL))
    generator = np.random.default_rng(1)
    arrays = {each.path: generator.normal(size=each.shape) for each in model.weights}
    for each in model.weights:
        each.assign(arrays[each.path])
    picture, code = generator.normal(3, 2, (2, 6, 4, 5)), generator.normal(size=(2, SMALL.style))
    found = np.asarray(model([picture.astype(np.float32), code.astype(np.float32)]))
    scale, shift = (
        code @ arrays[f"layer_{part}/kernel"] + arrays[f"layer_{part}/bias"]
        for part in ("scale", "shift")
    )
    for number in range(2):
        for channel in range(5):
            values = picture[number, :, :, channel]
            normal = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
            expected = scale[number, channel] * normal + shift[number, channel]
            np.testing.assert_allclose(found[number, :, :, channel], expected, atol=1e-4)


@pytest.mark.parametrize(("norm", "is_code"), [("instance", True), ("style", False)])
def test_a_new_network_can_be_trained(norm, is_code):
    """Towards another picture: every weight moves, and the error falls."""
    layout = google.Layout((4, 6, 8), 1, (6, 4), style=3, is_code=is_code, contract_norm=norm)
    model = google.build_transfer_network(layout)
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse", run_eagerly=True)
    inputs, target = [random(2, 16, 16, 3), random(2, 3)], random(4, 16, 16, 3)[2:]
    losses = [model.train_on_batch(inputs, target) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    assert all((now != then).any() for now, then in zip(model.get_weights(), before))


def test_at_the_start_all_styles_are_nearly_alike():
    model = google.build_transfer_network(SMALL)
    photo = random(1, 16, 16, 3)
    plain, other = (np.asarray(model([photo, code])) for code in (np.zeros((1, 10)), random(1, 10)))
    assert 0 < np.abs(plain - other).max() < 0.2


def test_the_prediction_network_is_keras_mobilenet_with_a_linear_layer():
    """100 numbers for each part; the mean over the parts is the code of the mean features."""
    model = google.build_prediction_network()
    picture = random(1, 96, 128, 3)
    codes = np.asarray(model(picture))
    assert codes.shape == (1, 3, 4, 100)
    trunk = keras.applications.MobileNetV2((None, None, 3), include_top=False, weights=None)
    trunk.set_weights(model.get_weights()[:-2])
    kernel, bias = model.get_weights()[-2:]
    features = np.asarray(trunk(picture)).mean(axis=(1, 2))
    np.testing.assert_allclose(codes.mean(axis=(1, 2)), features @ kernel[0, 0] + bias, atol=1e-5)


def test_weights_of_another_network_are_refused():
    model = google.build_transfer_network(SMALL)
    with pytest.raises(ValueError, match="another network"):
        google.assign(model, {"contract1": [np.zeros((9, 9, 3, 4), np.float32)]})
