"""Weights files that are damaged, or made to do harm, are refused soon and cheaply."""

import dataclasses
import math
import pickle
import shutil
import zlib

import h5py
import numpy as np
import pytest
from small import SMALL, check, refused

from style_transfer import files
from style_transfer.method.architecture import VGG19
from style_transfer.networks import layouts, weights

KERNEL, BIAS = SMALL["block1_conv1"]
FIRST = "layers/conv2d/vars"


@pytest.fixture
def small_file(tmp_path):
    """A file of small weights, which a test may damage."""
    path = tmp_path / "bad.weights.h5"
    weights.write(path, SMALL)
    return path


def replace(path, **arrays):
    with h5py.File(path, "r+") as file:
        for name, array in arrays.items():
            del file[FIRST][name]
            if array is not None:
                file[FIRST][name] = array


def test_truncated_files_are_refused(small_file):
    data = small_file.read_bytes()
    for length in (0, 7, 100, 2000, len(data) // 2, len(data) - 1):
        small_file.write_bytes(data[:length])
        refused(small_file)


class Surprise:
    """What a pickle can do when it is loaded."""

    def __reduce__(self):
        return open, ("surprise", "w")


@pytest.mark.parametrize(
    "data", [b"weights" * 99, pickle.dumps(Surprise()), b"PK\x03\x04" + bytes(99)]
)
def test_what_is_not_hdf5_is_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.h5"
    path.write_bytes(data)
    assert "not a VGG19 weights file" in refused(path)
    assert [each.name for each in tmp_path.iterdir()] == ["weights.h5"]


@pytest.mark.parametrize(
    "arrays, reason",
    [
        ({"0": KERNEL[:, :, :2]}, "block1_conv1 has shapes (3, 3, 2, 4) and (4,)"),
        ({"0": KERNEL[:2]}, "block1_conv1 has shapes"),
        ({"0": KERNEL[..., :3]}, "block1_conv1 has shapes"),
        ({"0": KERNEL[..., :3], "1": BIAS[:3]}, "block1_conv2 has shapes"),
        ({"0": KERNEL[..., :0], "1": BIAS[:0]}, "block1_conv1 has shapes (3, 3, 3, 0) and (0,)"),
        ({"0": BIAS}, "block1_conv1 has shapes (4,) and (4,)"),
        ({"1": KERNEL}, "block1_conv1 has shapes"),
        ({"0": KERNEL.astype(int)}, "not an array of floats"),
        ({"0": KERNEL.astype("S4")}, "not an array of floats"),
        ({"0": np.array(["a", "b"], object)}, "not an array of floats"),
        ({"0": h5py.Empty("f")}, "has shapes"),
        ({"1": np.full(4, np.nan, np.float32)}, "not finite"),
        ({"1": np.full(4, 1e300)}, "not finite"),
        ({"1": None}, "bad.weights.h5"),
        ({"0": None, "1": None}, "bad.weights.h5"),
    ],
)
def test_wrong_arrays_are_refused(small_file, arrays, reason):
    replace(small_file, **arrays)
    assert reason in refused(small_file)


def test_a_third_array_and_a_group_in_place_of_one_are_refused(small_file):
    with h5py.File(small_file, "r+") as file:
        file[FIRST]["2"] = BIAS
    refused(small_file)
    with h5py.File(small_file, "r+") as file:
        del file[FIRST]["1"], file[FIRST]["2"]
        file[FIRST].create_group("1")
    assert "not an array of floats" in refused(small_file)


def test_a_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["dense/kernel"] = np.ones((3, 3), np.float32)
        file.create_dataset("block1_conv1", (4, 10**8), np.float32, chunks=(1, 100))
    assert "no layer block1_conv1" in refused(tmp_path / "other.h5")


@pytest.mark.parametrize("place", ["layers", "layers/conv2d", FIRST, f"{FIRST}/0"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_links_are_not_followed(small_file, tmp_path, place, kind):
    whole = tmp_path / "whole.h5"
    shutil.copy(small_file, whole)
    with h5py.File(small_file, "r+") as file:
        file.move("layers", "elsewhere")
        moved = place.replace("layers", "elsewhere", 1)
        if kind == "soft":
            link = h5py.SoftLink(f"/{moved}")
        else:
            link = h5py.ExternalLink(str(whole), f"/{place}")
        if place != "layers":
            parent = place.rpartition("/")[0]
            file.copy("elsewhere", "layers")
            del file[place]
            assert parent in file
        file[place] = link
    assert "is a link" in refused(small_file)


def test_values_in_another_file_are_not_read(small_file, tmp_path):
    whole = tmp_path / "whole.h5"
    shutil.copy(small_file, whole)
    layout = h5py.VirtualLayout(KERNEL.shape, np.float32)
    layout[...] = h5py.VirtualSource(str(whole), f"{FIRST}/0", KERNEL.shape)
    for virtual in (True, False):
        with h5py.File(small_file, "r+") as file:
            del file[FIRST]["0"]
            if virtual:
                file[FIRST].create_virtual_dataset("0", layout)
            else:
                raw = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
                (tmp_path / "raw").write_bytes(KERNEL.tobytes())
                file[FIRST].create_dataset("0", KERNEL.shape, np.float32, external=raw)
        assert "another file" in refused(small_file)


def test_absurd_shapes_are_refused_before_anything_is_allocated(small_file):
    shapes = (10**9,), (3, 3, 3, 10**8), (4096,) * 4
    for shape in shapes:
        for position in ("0", "1"):
            weights.write(small_file, SMALL)
            with h5py.File(small_file, "r+") as file:
                del file[FIRST][position]
                chunks = tuple(min(side, 100) for side in shape)
                file[FIRST].create_dataset(position, shape, np.float32, chunks=chunks)
            assert small_file.stat().st_size < 100_000
            refused(small_file)
    with h5py.File(small_file, "w") as file:  # without chunks: nothing of it is in the file
        file.create_dataset(f"{FIRST}/0", (3, 3, 3, 10**8), np.float32)
        file.create_dataset(f"{FIRST}/1", (10**8,), np.float32)
    assert "block1_conv1 has shapes" in refused(small_file)


PACKINGS = {
    "chunks alone": {"chunks": True},
    "gzip": {"compression": "gzip"},
    "shuffled gzip": {"compression": "gzip", "shuffle": True, "fletcher32": True},
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_arrays_in_chunks_are_read(tmp_path, packing):
    path = tmp_path / "packed.weights.h5"
    wide = dataclasses.replace(VGG19, widths=(64, 128, 256, 1, 1))
    layers = dict(list(weights.draw(0, wide).layers.items())[:5])  # up to 1 MB an array
    with h5py.File(path, "w") as file:
        for index, pair in enumerate(layers.values()):
            for position, array in enumerate(pair):
                name = f"{layouts.numbered_path(index)}/{position}"
                file.create_dataset(name, data=array, **PACKINGS[packing])
    check(weights.load(path), path, layers)


def pack(path, chunk, *, position="1", shape=(4,), **options):
    """Put an array of one packed chunk in the place of the first bias, or kernel."""
    with h5py.File(path, "r+") as file:
        del file[FIRST][position]
        options = {"chunks": shape, "compression": "gzip", **options}
        array = file[FIRST].create_dataset(position, shape, np.float32, **options)
        array.id.write_direct_chunk((0,) * len(shape), chunk)


def test_a_compressed_bomb_is_refused(small_file):
    pack(small_file, zlib.compress(bytes(50_000_000)))
    assert "unpacks to another size" in refused(small_file)
    bomb = zlib.compress(bytes(100_000_000))
    shape = (3, 3, 3, 512)  # of which an honest chunk may be as large as the bomb
    assert len(bomb) < 2 * 4 * math.prod(shape)
    weights.write(small_file, {"block1_conv1": (np.zeros(shape), np.zeros(512))})
    pack(small_file, bomb, position="0", shape=shape)
    assert "unpacks to another size" in refused(small_file)


def test_packings_that_nobody_needs_are_refused(small_file):
    pack(small_file, bytes(16), compression="lzf")
    assert "in another way than gzip" in refused(small_file)
    pack(small_file, b"not gzip")
    refused(small_file)
    pack(small_file, zlib.compress(bytes(8)))
    refused(small_file)
    with h5py.File(small_file, "r+") as file:
        del file[FIRST]["1"]
        options = {"maxshape": (None,), "chunks": (10**8,)}
        file[FIRST].create_dataset("1", (4,), np.float32, **options)
    assert "chunks of an absurd size" in refused(small_file)


def test_a_group_of_very_many_arrays_is_refused(small_file):
    with h5py.File(small_file, "r+") as file:
        for index in range(2, 2000):
            file[FIRST][str(index)] = file[FIRST]["1"]
    assert "holds 2000 arrays" in refused(small_file)


def test_any_damaged_byte_gives_finite_weights_or_one_line(small_file):
    generator = np.random.default_rng(0)
    data = small_file.read_bytes()
    for _ in range(60):
        damaged = bytearray(data)
        for position in generator.integers(0, len(data), 20):
            damaged[position] = generator.integers(256)
        small_file.write_bytes(damaged)
        try:
            loaded = weights.read(small_file, architecture=VGG19)
        except files.FileError as error:
            assert str(error).isprintable()
        else:
            assert all(
                np.isfinite(array).all() for pair in loaded.layers.values() for array in pair
            )
