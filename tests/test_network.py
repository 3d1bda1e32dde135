"""The truncated network of `functions.build_model`, against Keras' own."""

import keras
import numpy as np
import pytest
from conftest import SMALL_VGG19

import functions
from style_transfer.method import preprocessing
from style_transfer.method.architecture import ARCHITECTURES, VGG16, VGG19
from style_transfer.networks import weights


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


def small_model(layers, **keywords):
    model = functions.build_model(layers, SMALL_VGG19, **keywords)
    weights.draw(3, SMALL_VGG19).assign(model)
    return model


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_equals_that_of_keras(name):
    """Of full size, with random weights."""
    architecture = ARCHITECTURES[name]
    build = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[name]
    oracle = build(weights=None, include_top=False)
    layers = {each: oracle.get_layer(each).get_weights() for each in architecture.layers}
    model = functions.build_model(architecture.layers, architecture)
    weights.Weights("oracle", architecture, layers, "").assign(model)
    (image,) = pictures((64, 64))
    prepared = keras.applications.vgg19.preprocess_input(image * 255.0)
    outputs = [oracle.get_layer(each).output for each in architecture.layers]
    found = model(image)
    for layer, expected in zip(
        architecture.layers, keras.Model(oracle.inputs[0], outputs)(prepared)
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[layer] / scale, expected / scale, atol=1e-5)


def test_the_model_ends_at_the_deepest_layer_it_needs():
    model = small_model(("block2_conv1", "block3_conv2"))
    assert set(model.output) == {"block2_conv1", "block3_conv2"}
    names = [layer.name for layer in model.layers if layer.name in VGG19.layers]
    assert names == list(VGG19.layers[: VGG19.layers.index("block3_conv2") + 1])
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


def test_a_layer_that_only_vgg19_has_is_refused_by_vgg16():
    with pytest.raises(ValueError, match="block5_conv4.*VGG16 has block1_conv1.*block5_conv3$"):
        functions.build_model(("block5_conv4",), VGG16)


def test_torch_preprocessing():
    (image,) = pictures((4, 5))
    expected = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(preprocessing.preprocess(image, "torch"), expected, rtol=1e-5)
    oracle = keras.applications.imagenet_utils.preprocess_input(image * 255.0, mode="torch")
    np.testing.assert_allclose(preprocessing.preprocess(image, "torch"), oracle, atol=1e-5)


def test_the_preprocessing_is_part_of_the_model():
    """With torch's, the first convolution sees numbers that are some 60 times smaller."""
    (image,) = pictures((8, 6))
    for kind in ("caffe", "torch"):
        model = small_model(("block1_conv1",), preprocessing=kind)
        expected = model.get_layer("block1_conv1")(preprocessing.preprocess(image, kind))
        np.testing.assert_allclose(model(image)["block1_conv1"], expected, rtol=1e-4, atol=1e-4)
