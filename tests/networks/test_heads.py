"""Heads beside the layers of a weights file: they are read as written, or refused."""

import h5py
import numpy as np
import pytest
from small import HEADS, SMALL, check, refused

from style_transfer.networks import weights


def write(tmp_path, name="block3_conv1", arrays=None):
    """Write small weights with heads, one of them replaced by other arrays; return the path."""
    path = tmp_path / "small.weights.h5"
    weights.write(path, SMALL, heads=HEADS)
    if arrays is not None:
        with h5py.File(path, "a") as file:
            del file[f"heads/{name}"]
            for position, array in enumerate(arrays):
                file[f"heads/{name}/{position}"] = array
    return path


def test_heads_are_read_as_they_were_written(tmp_path):
    path = write(tmp_path)
    loaded = weights.load(path)
    check(loaded, path, SMALL)
    assert list(loaded.heads) == list(HEADS)
    for name, pair in loaded.heads.items():
        for array, expected in zip(pair, HEADS[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, expected)
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0


def test_heads_in_half_precision_are_float32_again(tmp_path):
    path = tmp_path / "half.weights.h5"
    weights.write(path, SMALL, heads=HEADS, dtype=np.float16)
    for name, pair in weights.load(path).heads.items():
        for array, expected in zip(pair, HEADS[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, expected.astype(np.float16))


def test_a_file_without_heads_has_none(tmp_path):
    path = tmp_path / "plain.weights.h5"
    weights.write(path, SMALL)
    loaded = weights.load(path)
    assert loaded.heads == {} and loaded.lifts == {}
    assert weights.draw(0, loaded.architecture).heads == {}


def test_a_lift_is_the_head_as_one_matrix(tmp_path):
    """Times the features with a one below them, it is what the head computes."""
    loaded = weights.load(write(tmp_path))
    assert loaded.lifts.keys() == HEADS.keys()
    for name, (kernel, bias) in HEADS.items():
        features = np.random.default_rng(0).random(len(kernel), np.float32)
        lift = loaded.lifts[name]
        assert lift.shape == (len(bias), len(kernel) + 1) and lift.dtype == np.float32
        found = lift @ np.append(features, np.float32(1))
        np.testing.assert_allclose(found, features @ kernel + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "shapes",
    [
        [(7, 8), (7,)],
        [(8, 7), (8,)],
        [(8, 7), (1,)],
        [(8, 7), ()],
        [(8, 1), ()],
        [(8, 7), (1, 7)],
        [(1, 1, 8, 7), (7,)],
        [(7,), (7,)],
        [(8, 0), (0,)],
        [(8, 513), (513,)],
        [(8, 7)],
        [(8, 7), (7,), (7,)],
    ],
    ids=str,
)
def test_a_head_of_another_shape_is_refused(tmp_path, shapes):
    path = write(tmp_path, arrays=[np.zeros(shape, np.float32) for shape in shapes])
    assert "block3_conv1" in refused(path)


@pytest.mark.parametrize(
    "arrays",
    [
        [np.full((8, 7), np.nan, np.float32), np.zeros(7, np.float32)],
        [np.zeros((8, 7), np.float32), np.full(7, np.inf, np.float32)],
        [np.zeros((8, 7), int), np.zeros(7, int)],
    ],
    ids=["NaN", "infinity", "whole numbers"],
)
def test_a_head_of_other_values_is_refused(tmp_path, arrays):
    refused(write(tmp_path, arrays=arrays))


def test_a_head_in_another_file_is_not_followed(tmp_path):
    path = write(tmp_path)
    weights.write(tmp_path / "other.h5", SMALL, heads=HEADS)
    with h5py.File(path, "a") as file:
        del file["heads/block3_conv1"]
        file["heads/block3_conv1"] = h5py.ExternalLink("other.h5", "heads/block3_conv1")
    assert "is a link" in refused(path)
