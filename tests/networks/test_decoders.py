"""Where the decoders come from: the bundled file, and files that are damaged."""

import hashlib

import h5py
import keras
import numpy as np
import pytest
from conftest import SMALL_VGG19

from style_transfer import files
from style_transfer.feedforward import decoder
from style_transfer.method.architecture import VGG19
from style_transfer.networks import decoders, weights

LEVELS = ("block5_conv1", "block4_conv1", "block3_conv1", "block2_conv1", "block1_conv1")


def draw(seed):
    """Random arrays of the decoders of a narrow network."""
    generator = np.random.default_rng(seed)
    return {
        level: {
            layer.name: tuple(
                generator.normal(size=array.shape).astype(np.float32)
                for array in layer.get_weights()
            )
            for layer in decoder.build_decoder(level, SMALL_VGG19).layers
            if layer.weights
        }
        for level in LEVELS
    }


@pytest.fixture(scope="module")
def levels():
    return draw(0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_was_written_is_read(levels, tmp_path, dtype):
    path = tmp_path / "decoders.h5"
    decoders.write(path, levels, dtype=dtype)
    loaded = decoders.load(path)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tuple(loaded.levels) == LEVELS
    for level, layers in loaded.levels.items():
        assert list(layers) == list(levels[level])
        for name, pair in layers.items():
            for array, expected in zip(pair, levels[level][name], strict=True):
                assert array.dtype == np.float32
                np.testing.assert_array_equal(array, expected.astype(dtype))


def test_the_bundled_file_has_all_levels_of_the_compact_network():
    loaded = decoders.load()
    assert tuple(loaded.levels) == LEVELS
    compact = weights.load("compact").architecture
    for level, layers in loaded.levels.items():
        built = decoder.assign(decoder.build_decoder(level, compact), layers)
        assert not built.trainable_weights
        convolutions = [each for each in built.layers if isinstance(each, keras.layers.Conv2D)]
        assert list(layers) == [each.name for each in convolutions]
        for layer in convolutions:
            for array, expected in zip(layer.get_weights(), layers[layer.name], strict=True):
                assert np.isfinite(array).all()
                np.testing.assert_array_equal(array, expected)


def test_the_bundled_file_is_read_once(monkeypatch):
    decoders.load()
    monkeypatch.setattr(files, "read", None)
    assert decoders.load() is decoders.load()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(name, value=None):
    """Return a function that takes an array out of a file, or puts another in its place."""

    def change(path):
        with h5py.File(path, "a") as file:
            del file[name]
            if value is not None:
                file[name] = value

    return change


KERNEL = "block2_conv1/block1_conv2/kernel"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "holds no decoders"),
        (lambda path: path.write_bytes(b"no decoders"), "holds no decoders"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "no such file"),
        (spoil("block3_conv1"), "holds no decoders"),
        (spoil(KERNEL), "holds no decoders"),
        (spoil(KERNEL, np.full((3, 3, 4, 4), np.nan)), "not finite"),
        (spoil(KERNEL, np.zeros((3, 3, 4, 4), int)), "not an array of floats"),
        (spoil(KERNEL, h5py.SoftLink("/block1_conv1")), "is a link"),
    ],
    ids=["short", "text", "empty", "missing", "a level", "an array", "NaN", "integers", "link"],
)
def test_a_damaged_file_is_one_line(levels, tmp_path, damage, reason):
    path = tmp_path / "decoders.h5"
    decoders.write(path, levels)
    damage(path)
    with pytest.raises(files.FileError) as caught:
        decoders.load(path)
    message = str(caught.value)
    assert message.isprintable() and message.startswith(f"{path}: ") and reason in message
    assert message.endswith("restore it from the project")


def test_the_levels_are_the_first_layers_of_the_blocks():
    assert decoders.LEVELS == LEVELS and all(level in VGG19.layers for level in LEVELS)
