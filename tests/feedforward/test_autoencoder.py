"""The auto-encoders for any painting, against NumPy and against universal style transfer."""

import numpy as np
import pytest

import functions
from style_transfer.feedforward import architectures, autoencoder, decoder, prediction
from style_transfer.networks import decoders, weights


def test_adaptive_instance_normalization_written_out():
    generator = np.random.default_rng(0)
    features = generator.normal(2.0, 3.0, (2, 6, 5, 4)).astype(np.float32)
    painting = generator.normal(-1.0, 0.5, (2, 50, 4))
    moments = np.stack([painting.mean(axis=1), (painting**2).mean(axis=1)], axis=1)
    layer = autoencoder.AdaptiveInstanceNormalization()
    found = np.asarray(layer([features, moments.astype(np.float32)]), float)
    for number in range(2):
        flat = features[number].reshape(-1, 4).astype(float)
        normal = (flat - flat.mean(axis=0)) / flat.std(axis=0)
        expected = normal * painting[number].std(axis=0) + painting[number].mean(axis=0)
        np.testing.assert_allclose(found[number].reshape(-1, 4), expected, atol=1e-3)


def test_moments_of_a_layer():
    widths = [16, 32, 64, 128, 128]
    starts = np.cumsum([0, *widths])
    for number, layer in enumerate(prediction.LAYERS):
        found = prediction.find_channels(layer)
        assert (found.start, found.stop) == (starts[number], starts[number + 1])
    assert prediction.count_channels() == starts[-1]


@pytest.fixture(scope="module")
def picture():
    """Smooth, of two colors, which a decoder gives back well."""
    x = np.linspace(0, 1, 64, dtype=np.float32)
    plane = np.stack(np.meshgrid(x, x), axis=-1)
    return np.concatenate([plane, plane[..., :1]], axis=-1)[None]


def adapted(picture, painting):
    """What the encoder and the decoder of universal style transfer make, with NumPy between."""
    compact, level = weights.load("compact"), autoencoder.LEVEL
    encoder = functions.build_model((level,), compact.architecture)
    compact.assign(encoder)
    inverse = decoder.build_decoder(level, compact.architecture)
    decoder.assign(inverse, decoders.load().levels[level])
    edge = autoencoder.EDGE
    edges = [(edge, edge - side % -8) for side in picture.shape[1:3]]
    padded = np.pad(picture, ((0, 0), *edges, (0, 0)), mode="reflect")
    features = np.asarray(encoder(padded)[level], float)
    own = prediction.describe(painting)[:, prediction.find_channels(level)]
    mean, variance = features.mean(axis=(1, 2)), features.var(axis=(1, 2))
    deviation = np.sqrt(np.maximum(own[1] - own[0] ** 2, 0) + 1e-5)
    mapped = (features - mean) / np.sqrt(variance + 1e-5) * deviation + own[0]
    image = np.asarray(inverse(mapped.astype(np.float32)))
    height, width = picture.shape[1:3]
    return np.clip(image[:, edge : edge + height, edge : edge + width], 0, 1)


@pytest.mark.parametrize("skips", [False, True])
def test_untrained_it_is_adain_with_the_decoder_that_gives_back_pictures(skips, picture):
    painting = np.random.default_rng(1).random((1, 48, 40, 3), np.float32)
    model = autoencoder.build_network(skips=skips)
    found = architectures.paint(model, picture, prediction.describe(painting)[None])
    np.testing.assert_allclose(found, adapted(picture, painting), atol=2e-3)
    names = architectures.list_weights(model)
    assert any("skip" in name for name in names) == skips
    assert not any(name.startswith("block") for name in names)
    odd = architectures.paint(model, picture[:, :52, :44], prediction.describe(painting)[None])
    np.testing.assert_allclose(odd, adapted(picture[:, :52, :44], painting), atol=2e-3)
    assert sum(each.size for each in names.values()) * 2 < 1e6  # bytes in half precision
