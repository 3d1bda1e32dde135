"""The trained network's parts against NumPy written out."""

import numpy as np
import pytest

from style_transfer.feedforward import trained, trunk


def test_conditional_instance_normalization_written_out():
    generator = np.random.default_rng(0)
    layer = trunk.ConditionalInstanceNormalization()
    features = generator.normal(3.0, 2.0, (2, 5, 4, 6)).astype(np.float32)
    mixture = np.array([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]], np.float32)
    layer.build([features.shape, mixture.shape])
    scale, shift = (generator.normal(size=(3, 6)).astype(np.float32) for _ in range(2))
    layer.set_weights([scale, shift])
    found = np.asarray(layer([features, mixture]))
    for number in range(2):
        for channel in range(6):
            values = features[number, :, :, channel].astype(float)
            normal = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
            own = sum(share * each for share, each in zip(mixture[number], scale[:, channel]))
            moved = sum(share * each for share, each in zip(mixture[number], shift[:, channel]))
            np.testing.assert_allclose(
                found[number, :, :, channel], own * normal + moved, atol=1e-4
            )


def test_a_flat_picture_gives_numbers():
    model = trunk.build_trunk(1)
    image = trained.paint(model, np.zeros((1, 32, 32, 3), np.float32), [[1.0]])
    assert np.isfinite(image).all()


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 37, 50, 3)])
def test_a_picture_keeps_its_size_and_range(shape):
    model = trunk.build_trunk(2)
    photos = np.random.default_rng(0).random(shape, np.float32)
    images = trained.paint(model, photos, np.full((shape[0], 2), 0.5))
    assert images.shape == shape
    assert images.min() > 0 and images.max() < 1


def test_styles_differ_only_by_scales_and_shifts():
    one, two = trunk.build_trunk(1), trunk.build_trunk(2)
    norms = [
        layer for layer in two.layers if isinstance(layer, trunk.ConditionalInstanceNormalization)
    ]
    channels = sum(layer.scale.shape[-1] for layer in norms)
    assert two.count_params() - one.count_params() == 2 * channels
    assert 2 * one.count_params() < 1e6  # bytes in half precision
