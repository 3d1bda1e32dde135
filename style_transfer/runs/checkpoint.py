"""The checkpoint of a run: the whole state of the optimization, believed only if unharmed.

A file in NumPy's npz format: arrays, and among them one of the bytes of a JSON header and one of
the SHA-256 of all others. Nothing in it is ever unpickled.
"""

import hashlib
import json
import math
import zipfile

import numpy as np

from style_transfer import files

SCHEMA = 3
HEADER, DIGEST = "header", "sha256"


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used; says why."""


class DamagedError(CheckpointError):
    """A checkpoint is not as it was written."""


def write(path, arrays, header, *, keep=None):
    """Write a checkpoint whole or not at all.

    Args:
        path: a `Path`.
        arrays: from name to array.
        header: what JSON can hold.
        keep: the path under which the checkpoint before is kept.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(header | {"schema": SCHEMA}, sort_keys=True)
    arrays = arrays | {HEADER: np.frombuffer(text.encode(), np.uint8)}
    arrays[DIGEST] = np.frombuffer(digest(arrays), np.uint8)
    try:
        with files.writing(path, keep=keep) as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise files.say_bytes(error, sum(each.nbytes for each in arrays.values())) from None


def read(path):
    """Read a checkpoint.

    Returns:
        (arrays, header) as given to `write`.

    Raises:
        DamagedError: it is not as it was written.
        CheckpointError: another version of the program wrote it.
    """
    try:
        arrays = read_arrays(path)
        found, expected = arrays.pop(DIGEST).tobytes(), digest(arrays)
        header = json.loads(arrays.pop(HEADER).tobytes())
        schema = header.pop("schema")
    except Exception as error:  # zipfile, NumPy and JSON raise all kinds of errors for damage
        raise DamagedError(f"{path.name} is damaged ({files.printable(error)})") from None
    if found != expected:
        raise DamagedError(f"{path.name} is damaged (its SHA-256 differs)")
    if schema != SCHEMA:
        reason = f"{path.name} is of schema {schema}, and this program knows {SCHEMA}"
        raise CheckpointError(f"{reason}: it belongs to another version")
    return arrays, header


def read_arrays(path):
    """Read all arrays of an npz file that is stored as it is, not compressed."""
    with zipfile.ZipFile(path) as archive:
        # Unpacked, a few kilobytes could fill the memory; what we write is not packed.
        if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
            raise ValueError("its arrays are compressed")
        for each in archive.infolist():
            check_size(archive, each)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def check_size(archive, member):
    """Raise ValueError unless an array has just the bytes that its header claims."""
    with archive.open(member) as file:
        major, _ = np.lib.format.read_magic(file)
        if major != 1:  # what NumPy writes for all but the strangest types
            raise ValueError(f"{member.filename} is in an unknown format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename} does not hold the values that it claims")


def digest(arrays):
    """Return the SHA-256 of names, types, shapes and values of arrays, in the order of names."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.digest()
