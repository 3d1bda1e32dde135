"""The networks that teach the compact VGG19: Keras' own, or a published compressed one (.npz)."""

from pathlib import Path

import keras
import numpy as np
from keras import ops

import functions
from style_transfer.method.architecture import VGG19
from style_transfer.networks import decoders, weights

#: What the compact network computes: VGG19 up to the deepest layer that style transfer needs.
STUDENT_LAYERS = VGG19.up_to(["block5_conv1"])


def load_teacher(source):
    """Build a teacher.

    Args:
        source: an `.npz` of a compressed encoder (see `build_compressed`), or what
            `weights.load` understands: `imagenet`, or a weights file of VGG19's layers.

    Returns:
        A frozen Keras model from images (batch, height, width, 3) in [0, 1] to a dictionary
        from each of `STUDENT_LAYERS` to its features after the ReLU.

    Raises:
        ValueError: the file lacks an array that the network needs.
    """
    if Path(source).suffix == ".npz":
        with np.load(source) as arrays:
            return build_compressed(dict(arrays))
    return build_network(weights.load(source))


def build_network(weights):
    """Build `functions.build_model` up to the last of `STUDENT_LAYERS`, with given `Weights`."""
    model = functions.build_model(STUDENT_LAYERS, weights.architecture)
    weights.assign(model)
    return model


def build_compressed(arrays, layers=STUDENT_LAYERS):
    """Build the encoder of Collaborative Distillation (Wang et al., arXiv:2003.08436).

    VGG19's layers with fewer channels; unlike it, convolutions pad by reflection and a 1×1
    convolution learned the preprocessing.

    Args:
        arrays: `conv0`, `conv11` … `conv51`, each with `.weight` (out, in, height, width) and
            `.bias` (out,).
        layers: names of the layers, from the image upwards.
    """
    image = keras.Input((None, None, 3), name="image")
    hidden = convolve(image, arrays, "conv0")
    outputs = {}
    for name in layers:
        if VGG19.begins_block(name):
            hidden = functions.POOLINGS["max"](2)(hidden)
        outputs[name] = hidden = convolve_reflected(hidden, arrays, name)
    model = keras.Model(image, outputs, name="compressed_vgg19")
    model.trainable = False
    return model


def load_decoders(source):
    """Build the published encoders and decoders for universal style transfer.

    Args:
        source: an `.npz`: the arrays of each level's encoder begin with `e1.` … `e5.`, those of
            its decoder with `d1.` … `d5.`.

    Returns:
        From each of `decoders.LEVELS` to (encoder, decoder): frozen Keras models, from images to
        features, and from features to a dictionary, in the decoder's order, from each layer's name
        to its output after the ReLU. The last one is the image.
    """
    with np.load(source) as arrays:
        arrays = dict(arrays)
    pairs = {}
    for level in decoders.LEVELS:
        own = [
            {name[3:]: array for name, array in arrays.items() if name.startswith(f"{kind}{block}")}
            for kind, block in (("e", VGG19.block(level)), ("d", VGG19.block(level)))
        ]
        encoder = build_compressed(own[0], VGG19.up_to([level]))
        encoder = keras.Model(encoder.input, encoder.output[level])
        pairs[level] = encoder, build_compressed_decoder(own[1], level)
    return pairs


def build_compressed_decoder(arrays, level):
    """Build the published decoder of one level, see `load_decoders`."""
    names = [name for name, _ in VGG19.mirrored(level)]
    channels = arrays[f"{short_name(names[0])}.weight"].shape[1]
    hidden = features = keras.Input((None, None, channels))
    outputs = {}
    for name in names:
        outputs[name] = hidden = convolve_reflected(hidden, arrays, name)
        if VGG19.begins_block(name):
            hidden = keras.layers.UpSampling2D(2)(hidden)
    model = keras.Model(features, outputs)
    model.trainable = False
    return model


def short_name(name):
    """Return what the published files call a layer: conv42 for `block4_conv2`."""
    return f"conv{VGG19.block(name)}{name[-1]}"


def convolve_reflected(features, arrays, name):
    """Apply a published convolution, padded by reflection, and ReLU."""
    padded = ops.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    return ops.relu(convolve(padded, arrays, short_name(name)))


def convolve(features, arrays, name):
    """Apply the convolution `name` of `arrays`, without padding."""
    try:
        kernel, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
    except KeyError as error:
        raise ValueError(f"the teacher's file has no array {error}") from None
    layer = keras.layers.Conv2D(kernel.shape[0], kernel.shape[2:], name=name)
    hidden = layer(features)
    layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])  # OIHW → HWIO
    return hidden


def border(name):
    """Count the rows at each edge of a layer's features that the padding can reach.

    There the compact network (zeros) and a teacher (reflection) differ whatever the weights. A
    position sees its own pixels, as many as the stride, and half of the rest on either side.
    """
    stride = VGG19.stride(name)
    beside = (VGG19.receptive_field(name) - stride) // 2
    return -(-beside // stride)
