"""Every layout of Keras is read, and each of the two networks known from the other."""

import dataclasses

import h5py
import keras
import numpy as np
import pytest
from conftest import ROOT, SMALL_VGG19, SMALL_WIDTHS
from small import HEADS, SMALL, SMALL_VGG16, check, refused

from style_transfer import files
from style_transfer.method.architecture import ARCHITECTURES, VGG16, VGG19
from style_transfer.networks import weights


def keras_network(architecture):
    """Build Keras' own network, with random weights."""
    return getattr(keras.applications, architecture.name)(weights=None, include_top=False)


def narrow(network):
    """Rebuild one of Keras' networks with few channels; biases random, too."""

    def clone(layer):
        settings = layer.get_config()
        if "filters" in settings:
            settings["filters"] = SMALL_WIDTHS[int(layer.name[5]) - 1]
            settings["bias_initializer"] = "normal"
        return type(layer).from_config(settings)

    return keras.models.clone_model(network, clone_function=clone)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def oracle(request):
    """Each architecture with Keras' own network of it: (architecture, network, narrow network)."""
    architecture = ARCHITECTURES[request.param]
    network = keras_network(architecture)
    return architecture, network, narrow(network)


def arrays_of(network):
    """Return the arrays of a Keras network: {layer name: [kernel, bias]}."""
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def test_random_weights_have_the_layers_and_shapes_of_keras(oracle):
    architecture, network, _ = oracle
    drawn = weights.load("random", architecture=architecture)
    shapes = {name: [each.shape for each in pair] for name, pair in drawn.layers.items()}
    assert shapes == {
        layer.name: [tuple(each.shape) for each in layer.weights]
        for layer in network.layers
        if layer.weights
    }
    assert drawn.architecture == architecture


@pytest.mark.parametrize("name, save", [("v.weights.h5", "save_weights"), ("v.h5", "save")])
def test_what_keras_saves_is_read(oracle, tmp_path, name, save):
    architecture, _, network = oracle
    path = tmp_path / name
    getattr(network, save)(path)
    loaded = weights.load(path, architecture=architecture)
    check(loaded, path, arrays_of(network))
    assert loaded.architecture == dataclasses.replace(architecture, widths=SMALL_WIDTHS)


def test_a_file_of_full_width_is_read(tmp_path):
    network = keras_network(VGG16)
    path = tmp_path / "vgg16.weights.h5"
    network.save_weights(path)
    loaded = weights.load(path, architecture=VGG16)
    check(loaded, path, arrays_of(network))
    assert loaded.architecture == VGG16
    with pytest.raises(files.FileError, match="looks like VGG16, not VGG19; add --network vgg16$"):
        weights.load(path)


def test_weights_are_assigned_by_name(oracle):
    architecture, _, network = oracle
    drawn = weights.draw(4, dataclasses.replace(architecture, widths=SMALL_WIDTHS))
    drawn.assign(network)
    for name, pair in arrays_of(network).items():
        for array, expected in zip(pair, drawn.layers[name], strict=True):
            np.testing.assert_array_equal(array, expected)


def save_legacy(path, layers, *, top="", names=("{0}/kernel:0", "{0}/bias:0")):
    """Write the legacy layout, by default that of Keras 2."""
    with h5py.File(path, "w") as file:
        for layer, arrays in layers.items():
            group = file.create_group(f"{top}{layer}")
            keys = [name.format(layer) for name in names]
            group.attrs["weight_names"] = [key.encode() for key in keys]
            for key, array in zip(keys, arrays, strict=True):
                group[key] = array


@pytest.mark.parametrize("top", ["", "model_weights/"])
@pytest.mark.parametrize(
    "names",
    [
        ("{0}_W_1:0", "{0}_b_1:0"),  # the file published in 2016
        ("{0}/kernel:0", "{0}/bias:0"),  # Keras 2
        ("{0}/kernel", "{0}/bias"),  # Keras 3
    ],
)
@pytest.mark.parametrize("architecture", [SMALL_VGG16, SMALL_VGG19], ids=lambda each: each.name)
def test_the_legacy_layout_of_every_version(tmp_path, top, names, architecture):
    layers = weights.draw(2, architecture).layers
    path = tmp_path / "legacy.h5"
    save_legacy(path, layers, top=top, names=names)
    check(weights.load(path, architecture=architecture), path, layers)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL)
    check(weights.load(path), path, SMALL)


@pytest.mark.parametrize("heads", [None, HEADS], ids=["plain", "with heads"])
def test_our_file_is_one_that_keras_loads(oracle, tmp_path, heads):
    architecture, _, network = oracle
    layers = weights.draw(6, dataclasses.replace(architecture, widths=SMALL_WIDTHS)).layers
    path = tmp_path / "small.weights.h5"
    weights.write(path, layers, heads=heads)
    network.load_weights(path)
    for name, pair in arrays_of(network).items():
        for array, expected in zip(pair, layers[name], strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("write", [weights.write, save_legacy])
@pytest.mark.parametrize("flag, other", [("vgg16", "vgg19"), ("vgg19", "vgg16")])
def test_a_file_of_the_other_network_is_refused(tmp_path, write, flag, other):
    path = tmp_path / "file.h5"
    architecture = dataclasses.replace(ARCHITECTURES[flag], widths=(2, 3, 4, 5, 5))
    write(path, weights.draw(0, architecture).layers)
    assert weights.load(path, architecture=ARCHITECTURES[flag]).architecture == architecture
    with pytest.raises(files.FileError) as caught:
        weights.load(path, architecture=ARCHITECTURES[other])
    looks = f"looks like {flag.upper()}, not {other.upper()}; add --network {flag}"
    assert str(caught.value) == f"{path}: {looks}"


def test_the_compact_network_is_not_taken_for_vgg16():
    path = ROOT / "data" / "weights" / "vgg19_compact.weights.h5"
    with pytest.raises(files.FileError, match="looks like VGG19, not VGG16; add --network vgg19$"):
        weights.load(path, architecture=VGG16)


def test_more_layers_than_the_network_has_are_refused(tmp_path):
    path = tmp_path / "long.weights.h5"
    weights.write(path, {**SMALL, "one more": SMALL["block5_conv4"]})
    assert "more convolutions than VGG19" in refused(path)
    without = {name: pair for name, pair in SMALL.items() if name != "block4_conv3"}
    save_legacy(path, without)
    assert "has block4_conv4, but not all layers of VGG19 before it" in refused(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_kinds_of_floats_are_read_as_float32(tmp_path, dtype):
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL, dtype=dtype)
    for name, arrays in weights.load(path).layers.items():
        for array, original in zip(arrays, SMALL[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, original.astype(dtype).astype(np.float32))
    if dtype == np.float16:
        assert path.stat().st_size < 2.5 * sum(kernel.size for kernel, _ in SMALL.values()) + 50_000


def test_a_file_may_end_before_the_last_layer(tmp_path):
    path = tmp_path / "short.weights.h5"
    weights.write(path, {name: SMALL[name] for name in VGG19.layers[:5]})
    loaded = weights.load(path)
    assert list(loaded.layers) == list(VGG19.layers[:5])
    assert loaded.architecture == dataclasses.replace(VGG19, widths=(4, 6, 8, 8, 8))
    shallow, deep = (
        keras.Sequential([keras.Input((None, None, channels)), *layers])
        for channels, layers in (
            (6, [keras.layers.Conv2D(8, 3, name="block3_conv1")]),
            (8, [keras.layers.Conv2D(8, 3, name="block3_conv2")]),
        )
    )
    loaded.assign(shallow)
    np.testing.assert_array_equal(shallow.get_weights()[0], SMALL["block3_conv1"][0])
    with pytest.raises(ValueError, match="short.weights.h5.* has no layer block3_conv2"):
        loaded.assign(deep)


def test_a_short_file_widens_no_block(tmp_path):
    path = tmp_path / "short.weights.h5"
    weights.write(path, {name: SMALL[name] for name in VGG19.layers[:4]})
    assert weights.load(path).architecture.widths == (4, 6, 6, 6, 6)
