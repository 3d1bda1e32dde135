"""Google Brain's networks for any style: style prediction and style transfer.

Ghiasi, Lee, Kudlur, Dumoulin and Shlens (arXiv:1705.06830): one network describes a painting by
100 numbers, its code; the other repaints a photo, and takes the scales and shifts of its
normalized features from that code, by an affine map. Where they are those of N styles, each with
its share, the second is the network of Dumoulin, Shlens and Kudlur (arXiv:1610.07629). The paper
predicts with Inception-v3; this is MobileNetV2, as published for phones.

Departure: the convolutions that shrink the picture are normalized by its own statistics, where the
paper has those of the batch, which want larger batches than a processor trains with.
"""

from dataclasses import dataclass

import keras
from keras import ops

from style_transfer.feedforward import moments

EPSILON = 1e-5
CODE = 100  # numbers that describe a style
SIDE = 256  # pixels of the shorter side of a painting, as the prediction network was trained


@dataclass(frozen=True)
class Layout:
    """What a transfer network looks like; the defaults are the paper's.

    Attributes:
        contract: channels of the three convolutions that shrink the picture, from 9×9.
        blocks: residual blocks.
        expand: channels of the two that enlarge it again; the last, 9×9, has three.
        style: how many numbers the style is.
        is_code: whether they are a code, which the scales and shifts are an affine map of; else
            shares of so many styles, of which each has its own.
        contract_norm: what normalizes the convolutions that shrink: `instance`; `style` (Dumoulin
            et al.); `none`: it is part of their weights, as in published ones.
    """

    contract: tuple = (32, 64, 128)
    blocks: int = 5
    expand: tuple = (64, 32)
    style: int = CODE
    is_code: bool = True
    contract_norm: str = "instance"


#: The published networks, a quarter as wide and narrower.
ARBITRARY = Layout((8, 16, 32), 5, (16, 8), contract_norm="none")
MULTISTYLE = Layout((32, 32, 32), 6, (8, 4), style=26, is_code=False, contract_norm="style")


def build_transfer_network(layout):
    """Build the network that repaints photos, with weights drawn at random.

    Args:
        layout: a `Layout`.

    Returns:
        A Keras model from [images (batch, height, width, 3), sRGB in [0, 1], sides multiples of
        4; styles (batch, `layout.style`)] to images of the same shape in (0, 1).
    """
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((layout.style,), name="style")
    hidden = image
    for number, channels in enumerate(layout.contract, start=1):
        name, norm = f"contract{number}", layout.contract_norm
        size, stride = (9, 1) if number == 1 else (3, 2)
        hidden = convolve(hidden, channels, name, size, stride, use_bias=norm == "none")
        if norm != "none":
            hidden = normalize(hidden, style if norm == "style" else None, name, layout)
        hidden = ops.relu(hidden)
    for number in range(1, layout.blocks + 1):
        first, second = f"residual{number}_conv1", f"residual{number}_conv2"
        inner = normalize(convolve(hidden, channels, first), style, first, layout)
        inner = convolve(ops.relu(inner), channels, second)
        hidden = hidden + normalize(inner, style, second, layout)
    for number, channels in enumerate(layout.expand, start=1):
        name = f"expand{number}"
        hidden = keras.layers.UpSampling2D(2, name=f"{name}_upsampling")(hidden)
        hidden = ops.relu(normalize(convolve(hidden, channels, name), style, name, layout))
    name = f"expand{len(layout.expand) + 1}"
    result = ops.sigmoid(normalize(convolve(hidden, 3, name, 9), style, name, layout))
    return keras.Model([image, style], result, name="transfer")


def convolve(hidden, channels, name, size=3, stride=1, *, use_bias=False):
    """Convolve features that go on beyond their edges, mirrored.

    Without a bias where a normalization follows, which would take it away.
    """
    edge = size // 2
    hidden = ops.pad(hidden, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
    initializer = {"kernel_initializer": "he_normal", "use_bias": use_bias}
    return keras.layers.Conv2D(channels, size, strides=stride, name=name, **initializer)(hidden)


def normalize(hidden, style, name, layout):
    """Normalize each channel of each picture; scale and shift it as its style, if any, says.

    Args:
        hidden: features (batch, height, width, N).
        style: (batch, numbers of the style), or None.
        name: of the convolution.
        layout: a `Layout`.
    """
    mean, variance = moments.Moments(name=f"{name}_moments")(hidden)
    scale, shift = ops.rsqrt(variance + EPSILON), 0.0
    if style is not None:
        channels = hidden.shape[-1]
        scale = scale * parameters(style, channels, f"{name}_scale", "ones", layout)
        shift = parameters(style, channels, f"{name}_shift", "zeros", layout)
    return hidden * scale + (shift - mean * scale)  # two copies of the features, and no more


def parameters(style, channels, name, start, layout):
    """Return the scales or shifts of a style, (batch, 1, 1, channels); at the start all alike."""
    near_zero = keras.initializers.RandomNormal(stddev=0.01)
    layer = keras.layers.Dense(
        channels,
        use_bias=layout.is_code,
        kernel_initializer=near_zero if layout.is_code else start,
        bias_initializer=start,
        name=name,
    )
    return ops.expand_dims(layer(style), (1, 2))


def build_prediction_network():
    """Build the network that describes a painting, with weights drawn at random.

    Returns:
        A Keras model from images (batch, height, width, 3), sRGB in [0, 1], to the codes
        (batch, height / 32, width / 32, 100) of their parts. The last layer is linear, so that
        the code of a painting, or of a region of it, is the mean over its parts.
    """
    trunk = keras.applications.MobileNetV2((None, None, 3), include_top=False, weights=None)
    codes = keras.layers.Conv2D(CODE, 1, name="code")(trunk.output)
    return keras.Model(trunk.input, codes, name="prediction")


def assign(model, arrays):
    """Give a network published weights, and return it, frozen.

    Args:
        model: from `build_transfer_network` or `build_prediction_network`.
        arrays: from the name of each convolution, scale and shift to [kernel] or [kernel, bias].

    Raises:
        ValueError: they are those of another network.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    norms = {name for name in layers if isinstance(layers[name], keras.layers.BatchNormalization)}
    if arrays.keys() != layers.keys() - norms:
        raise ValueError("they are the weights of another network")
    for name, (kernel, *bias) in arrays.items():
        norm = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(name, f"{name}_BN")
        if norm in norms:  # which is part of the published kernel and bias
            layers[name].set_weights([kernel])
            fold(layers[norm], *bias)
        else:
            layers[name].set_weights([kernel, *bias][: len(layers[name].weights)])
    model.trainable = False
    return model


def fold(layer, bias):
    """Let a batch normalization add a bias, and do nothing else."""
    one, zero = ops.ones_like(bias), ops.zeros_like(bias)
    layer.set_weights([one, bias, zero, one - layer.epsilon])
