"""VGG16 and VGG19 as numbers, against Keras' networks and against what a position depends on."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import functions
from style_transfer.method.architecture import ARCHITECTURES, VGG16, VGG19

THIN = {name: dataclasses.replace(each, widths=(1,) * 5) for name, each in ARCHITECTURES.items()}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_widths_and_strides_are_those_of_keras(name):
    build = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[name]
    oracle = build(weights=None, include_top=False, input_shape=(64, 64, 3))
    convolutions = [each for each in oracle.layers if isinstance(each, keras.layers.Conv2D)]
    architecture = ARCHITECTURES[name]
    assert architecture.layers == tuple(each.name for each in convolutions)
    for each in convolutions:
        _, height, _, width = each.output.shape
        assert architecture.width(each.name) == width
        assert architecture.stride(each.name) == 64 / height
        below = oracle.layers[oracle.layers.index(each) - 1]
        is_pooling = isinstance(below, keras.layers.MaxPooling2D)
        assert architecture.begins_block(each.name) == is_pooling
    assert architecture.largest_stride == 64 / convolutions[-1].output.shape[1]
    taken = [(each.name, each.kernel.shape[2]) for each in convolutions]
    for index, (name, _) in enumerate(taken):  # a decoder gives what the encoder takes
        assert architecture.mirrored(name) == taken[index::-1]


def test_receptive_fields_counted_by_hand():
    """3 for a convolution, and each pooling doubles the stride."""
    expected = {"block1_conv1": 3, "block1_conv2": 5, "block2_conv1": 10, "block3_conv1": 24}
    expected |= {"block4_conv1": 68, "block5_conv1": 156, "block5_conv4": 252}
    assert {name: VGG19.receptive_field(name) for name in expected} == expected
    expected = {"block3_conv3": 40, "block4_conv1": 60, "block5_conv3": 196}
    assert {name: VGG16.receptive_field(name) for name in expected} == expected


def seen_by(model, layer, position, side):
    """The rows of a white image that a position of a layer's features depends on."""
    image = tf.ones((1, side, 16, 3))
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(model(image)[layer][0, position])
    slopes = np.abs(tape.gradient(value, image)).sum(axis=(0, 2, 3))
    return np.flatnonzero(slopes)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_position_depends_on_its_receptive_field(name):
    """By the gradient of a network whose weights are all positive, and average poolings."""
    architecture = THIN[name]
    model = functions.build_model(architecture.layers, architecture, pooling="avg")
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([np.full_like(kernel, 0.1), np.zeros_like(bias)])
    side = 512
    for layer in architecture.layers:
        middle = side // architecture.stride(layer) // 2
        first, second = (seen_by(model, layer, place, side) for place in (middle, middle + 1))
        assert len(first) == first[-1] - first[0] + 1 == architecture.receptive_field(layer)
        assert second[0] - first[0] == architecture.stride(layer)


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_network_ends_at_its_deepest_layer(architecture):
    assert architecture.up_to(["block2_conv1", "block1_conv1"]) == architecture.layers[:3]
    assert architecture.up_to(architecture.layers) == architecture.layers


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        (VGG19, ()),
        (VGG19, ("block6_conv1",)),
        (VGG19, ("block1_conv1", "block1_pool")),
        (VGG16, ("block5_conv4",)),
        (VGG16, ("block3_conv4", "block1_conv1")),
    ],
)
def test_layers_that_it_lacks_are_refused_with_those_that_it_has(architecture, layers):
    last = architecture.layers[-1]
    with pytest.raises(ValueError, match=f"{architecture.name} has block1_conv1, .*{last}$"):
        architecture.up_to(layers)
