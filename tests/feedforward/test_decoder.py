"""The decoder's layers, shapes and paddings, against NumPy and SciPy written out."""

import keras
import numpy as np
import pytest
import scipy.signal
from conftest import SMALL_VGG19

from style_transfer.feedforward import decoder
from style_transfer.method.architecture import VGG19

LEVELS = [f"block{block}_conv1" for block in range(1, 6)]


def draw(model, seed=0):
    """Random arrays for a decoder, of about unit gain, with small biases: {name: [both]}."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (generator.normal(size=each.shape) for each in layer.get_weights())
            kernel *= np.sqrt(2 * bias.size / kernel.size)
            arrays[layer.name] = [kernel.astype(np.float32), 0.1 * bias.astype(np.float32)]
    return arrays


@pytest.mark.parametrize("level", LEVELS)
def test_a_picture_is_as_much_larger_as_the_features_were_smaller(level):
    model = decoder.build_decoder(level, SMALL_VGG19)
    channels, stride = SMALL_VGG19.width(level), 2 ** LEVELS.index(level)
    assert model.output_shape == (None, None, None, 3)
    for height, width in ((2, 2), (3, 5)):
        image = model(np.ones((2, height, width, channels), np.float32))
        assert image.shape == (2, height * stride, width * stride, 3)


def test_the_layers_are_those_of_the_network_backwards():
    """With an upsampling where the network has a pooling, and no ReLU on the picture."""
    model = decoder.build_decoder("block3_conv1", VGG19)
    known = (keras.layers.Conv2D, keras.layers.UpSampling2D)
    layers = [each for each in model.layers if isinstance(each, known)]
    assert [each.name for each in layers] == [
        "block3_conv1",
        "block3_conv1_upsampling",
        "block2_conv2",
        "block2_conv1",
        "block2_conv1_upsampling",
        "block1_conv2",
        "block1_conv1",
    ]
    convolutions = [each for each in layers if isinstance(each, keras.layers.Conv2D)]
    assert [each.filters for each in convolutions] == [128, 128, 64, 64, 3]
    assert [each.kernel_size for each in convolutions] == [(3, 3)] * 5
    names = [each.activation.__name__ for each in convolutions]
    assert names == ["relu"] * 4 + ["linear"]


def convolve(features, kernel, bias):
    """A 3 × 3 convolution of (h, w, N) that goes on beyond the edges, mirrored."""
    padded = np.pad(features, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    return bias + np.stack(
        [
            sum(
                scipy.signal.correlate(padded[..., before], kernel[..., before, after], "valid")
                for before in range(kernel.shape[2])
            )
            for after in range(kernel.shape[3])
        ],
        axis=-1,
    )


@pytest.mark.parametrize("shape", [(2, 2), (4, 3)])
def test_a_decoder_is_that_of_numpy(shape):
    model = decoder.build_decoder("block2_conv1", SMALL_VGG19)
    arrays = draw(model)
    decoder.assign(model, arrays)
    features = np.random.default_rng(1).normal(size=(*shape, 6)).astype(np.float32)
    hidden = np.maximum(convolve(features.astype(float), *arrays["block2_conv1"]), 0)
    hidden = hidden.repeat(2, axis=0).repeat(2, axis=1)  # nearest neighbors
    hidden = np.maximum(convolve(hidden, *arrays["block1_conv2"]), 0)
    expected = convolve(hidden, *arrays["block1_conv1"])
    assert expected.min() < 0 and np.ptp(expected, axis=(0, 1)).min() > 0.1
    (found,) = model(features[np.newaxis])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_flat_picture_has_no_frame():
    """The features of one color everywhere give one color everywhere, up to the edges."""
    model = decoder.build_decoder("block4_conv1", SMALL_VGG19)
    decoder.assign(model, draw(model))
    features = np.random.default_rng(1).random(8, np.float32)
    (image,) = model(np.broadcast_to(features, (1, 3, 4, 8)))
    assert np.ptp(image, axis=(0, 1)).max() < 1e-5
    (other,) = model(np.broadcast_to(features[::-1], (1, 3, 4, 8)))
    assert np.abs(image - other).max() > 0.01


def test_weights_are_assigned_by_name_and_frozen():
    model = decoder.build_decoder("block2_conv1", SMALL_VGG19)
    arrays = draw(model, 3)
    assert decoder.assign(model, dict(reversed(arrays.items()))) is model
    assert not model.trainable_weights
    for name, pair in arrays.items():
        for found, expected in zip(model.get_layer(name).get_weights(), pair, strict=True):
            np.testing.assert_array_equal(found, expected)
