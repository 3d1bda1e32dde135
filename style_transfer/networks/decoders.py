"""Where the weights of the decoders come from: a file beside those of the compact network."""

import functools
import io
from dataclasses import dataclass

import h5py
import numpy as np

from style_transfer import files
from style_transfer.method.architecture import VGG19
from style_transfer.networks import hdf5, weights

#: The layers that features are decoded from, from the deepest up: one level each.
LEVELS = tuple(f"block{block}_conv1" for block in (5, 4, 3, 2, 1))
FILE = weights.COMPACT_FILES[VGG19.name].with_name("vgg19_compact_decoders.h5")
PARTS = ("kernel", "bias")


@dataclass(frozen=True)
class Decoders:
    """The weights of a decoder for each level.

    Attributes:
        levels: from each of `LEVELS` to a dictionary: from each layer's name, in the decoder's
            order, to (kernel (3, 3, in, out), bias (out,)), float32.
        sha256: of the file.
    """

    levels: dict
    sha256: str


@functools.lru_cache(maxsize=1)
def load(path=FILE):
    """Read the decoders of the bundled compact network, once.

    Raises:
        files.FileError: the file is missing or damaged.
    """
    remedy = "restore it from the project"
    data = files.read(path, remedy=remedy)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            levels = {level: read_level(file, level) for level in LEVELS}
    except Exception as error:  # HDF5 raises all kinds of errors for a damaged file
        raise files.FileError(path, f"holds no decoders ({error})", remedy) from None
    return Decoders(levels, files.sha256(data))


def read_level(file, level):
    """Read the arrays of one decoder."""
    return {
        name: tuple(
            hdf5.read_array(hdf5.find_array(file, f"{level}/{name}/{part}")) for part in PARTS
        )
        for name, _ in VGG19.mirrored(level)
    }


def write(path, levels, *, dtype=np.float16):
    """Write decoders, `Decoders.levels`, whole or not at all."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for level, layers in levels.items():
            for name, pair in layers.items():
                for part, array in zip(PARTS, pair):
                    file[f"{level}/{name}/{part}"] = np.asarray(array, dtype)
    files.write(path, buffer.getvalue())
