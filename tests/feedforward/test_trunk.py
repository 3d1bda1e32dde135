"""The trained network's parts against NumPy written out."""

import keras
import numpy as np
import pytest

from style_transfer.feedforward import architectures, style_file, trained, trunk


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
    image = architectures.paint(model, np.zeros((1, 32, 32, 3), np.float32), [[1.0]])
    assert np.isfinite(image).all()


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 37, 50, 3)])
def test_a_picture_keeps_its_size_and_range(shape):
    model = trunk.build_trunk(2)
    photos = np.random.default_rng(0).random(shape, np.float32)
    images = architectures.paint(model, photos, np.full((shape[0], 2), 0.5))
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


def test_bilinear_upsampling_is_that_of_keras():
    features = np.random.default_rng(1).normal(size=(2, 5, 7, 3)).astype(np.float32)
    expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(features)
    layer = trunk.BilinearUpSampling()
    np.testing.assert_allclose(layer(features), expected, atol=1e-6)
    assert layer.compute_output_shape((None, 5, None, 3)) == (None, 10, None, 3)


@pytest.mark.parametrize("arch", ["johnson", *style_file.FOR_ANY])
def test_as_a_graph_it_takes_pictures_of_all_sizes(arch):
    model = architectures.build(arch, 2)
    graph = trained.compiled(model)
    told = np.float32([[0.5, 0.5]]) if arch == "johnson" else np.ones((1, 2, 368), np.float32)
    for shape in ((1, 32, 40, 3), (1, 48, 36, 3), (1, 64, 64, 3), (1, 37, 51, 3)):
        photo = np.random.default_rng(2).random(shape, np.float32)
        found = architectures.paint(graph, photo, told)
        np.testing.assert_allclose(found, architectures.paint(model, photo, told), atol=1e-4)
