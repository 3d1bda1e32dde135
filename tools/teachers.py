"""The networks that teach the compact VGG19: Keras' own, or a published compressed one (.npz)."""

from pathlib import Path

import keras
import numpy as np
from keras import ops

import functions
from style_transfer.settings import CONVOLUTIONS, LAYERS

#: What the compact network computes: VGG19 up to the deepest layer that style transfer needs.
STUDENT_LAYERS = LAYERS[: LAYERS.index("block5_conv1") + 1]


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
    # Imported here: the .npz teacher needs none of it, so training with it runs everywhere.
    from style_transfer.networks import weights

    loaded = weights.load(source)
    return build_network(loaded.layers, loaded.widths)


def build_network(layers, widths):
    """Build `functions.build_model` with given weights.

    Args:
        layers: `{name: (kernel HWIO, bias)}` for each of `STUDENT_LAYERS`.
        widths: channels in each of the five blocks.
    """
    model = functions.build_model(STUDENT_LAYERS, widths=widths)
    for name in STUDENT_LAYERS:
        model.get_layer(name).set_weights(layers[name])
    return model


def build_compressed(arrays):
    """Build the encoder of Collaborative Distillation (Wang et al., arXiv:2003.08436).

    VGG19's layers with fewer channels; unlike it, convolutions pad by reflection and a 1×1
    convolution learnt the preprocessing.

    Args:
        arrays: `conv0`, `conv11` … `conv51`, each with `.weight` (out, in, height, width) and
            `.bias` (out,).
    """
    image = keras.Input((None, None, 3), name="image")
    hidden = convolve(image, arrays, "conv0")
    outputs = {}
    for name in STUDENT_LAYERS:
        block, convolution = int(name[5]), int(name[-1])
        if block > 1 and convolution == 1:
            hidden = functions.pool(hidden, "max", name=f"block{block - 1}_pool")
        hidden = ops.pad(hidden, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        hidden = ops.relu(convolve(hidden, arrays, f"conv{block}{convolution}"))
        outputs[name] = hidden
    model = keras.Model(image, outputs, name="compressed_vgg19")
    model.trainable = False
    return model


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

    There the compact network (zeros) and a teacher (reflection) differ whatever the weights.
    """
    reach = 0
    for block, count in enumerate(CONVOLUTIONS, start=1):
        for convolution in range(1, count + 1):
            reach += 1
            if name == f"block{block}_conv{convolution}":
                return reach
        reach = (reach + 1) // 2  # a pooled position is reached if either of its two was
    raise ValueError(f"unknown layer {name}")
