"""The network for any painting: what it is told, written out in NumPy; where it starts from."""

import keras
import numpy as np
import pytest

import functions
from style_transfer.feedforward import architectures, prediction, trunk
from style_transfer.feedforward.start import mix_styles
from style_transfer.networks import weights


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return prediction.build_network()


@pytest.fixture(scope="module")
def paintings():
    generator = np.random.default_rng(0)
    return [generator.random((1, 48, 64, 3), np.float32) ** power for power in (1, 2, 3)]


def test_moments_written_out(paintings):
    compact = weights.load("compact")
    model = functions.build_model(prediction.LAYERS, compact.architecture)
    compact.assign(model)
    features = functions.extract_features(model, paintings[1], border=prediction.BORDER)
    flat = [np.asarray(features[name], float)[0] for name in prediction.LAYERS]
    found = prediction.describe(paintings[1])
    assert found.shape == (2, 16 + 32 + 64 + 128 + 128) or found.shape[0] == 2
    np.testing.assert_allclose(
        found[0], np.concatenate([each.mean(axis=(0, 1)) for each in flat]), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        found[1], np.concatenate([(each**2).mean(axis=(0, 1)) for each in flat]), rtol=1e-4
    )


def test_the_code_is_standardized(network, paintings):
    moments = np.stack([prediction.describe(each) for each in paintings])
    code = prediction.find_code(network)
    code.adapt(moments)
    deviations = np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0) + 1e-4)
    plain = np.hstack([moments[:, 0], np.log(deviations)])
    expected = (plain - plain.mean(axis=0)) / (plain.std(axis=0) + 0.01)
    np.testing.assert_allclose(np.asarray(code(moments)), expected, atol=2e-3)


def test_shares_sum_to_one(network, paintings):
    moments = np.stack([prediction.describe(each) for each in paintings])
    shares = np.asarray(network.get_layer("predictor")(moments))
    assert shares.shape == (3, prediction.ARCHETYPES)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-4)
    assert np.abs(shares[0] - shares[1]).max() > 1e-3


def test_a_predicted_style_becomes_a_row_of_scales_and_shifts(network, paintings):
    """The trunk of one style paints as the network for any, told of that painting."""
    moments = prediction.describe(paintings[2])[None]
    shares = np.asarray(network.get_layer("predictor")(moments))
    arrays = architectures.list_weights(network)
    single = trunk.build_trunk(1)
    architectures.assign(single, mix_styles(arrays, shares))
    photo = np.random.default_rng(8).random((1, 40, 52, 3), np.float32)
    found = architectures.paint(single, photo, [[1.0]])
    np.testing.assert_allclose(found, architectures.paint(network, photo, moments), atol=1e-3)
