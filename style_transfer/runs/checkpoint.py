"""The checkpoint of a run: the whole state of the optimization, believed only if unharmed.

A file in NumPy's npz format: arrays, and among them one of the bytes of a JSON header, which
also lists the others. The zip's own CRC-32 tells damage. Nothing in it is ever unpickled.
"""

import io
import json
import math
import os
import zipfile

import numpy as np

from style_transfer import files

SCHEMA = 4
HEADER = "header"
REMEDY = "the version that wrote it can continue it"


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used; says why."""


class DamagedError(CheckpointError):
    """A checkpoint is not as it was written."""


def write(path, arrays, header, *, keep=None):
    """Write a checkpoint whole or not at all.

    Args:
        path: a `Path`.
        arrays: from name to array; none is called "header" or "file" (NumPy's own word).
        header: a dictionary, of what JSON can hold.
        keep: the path under which the checkpoint before is kept.

    Raises:
        OSError: the file cannot be written.
    """
    header = header | {"schema": SCHEMA, "arrays": sorted(arrays)}
    text = json.dumps(header, sort_keys=True).encode()
    arrays = {HEADER: np.frombuffer(text, np.uint8)} | arrays
    try:
        with files.writing(path, keep=keep) as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise files.say_bytes(error, sum(each.nbytes for each in arrays.values())) from None


def read(path):
    """Read a checkpoint.

    Args:
        path: a `Path`.

    Returns:
        (arrays, header) as given to `write`.

    Raises:
        DamagedError: it is not as it was written.
        CheckpointError: another version of the program wrote it.
        OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            return read_archive(file, os.fstat(file.fileno()).st_size)
        except CheckpointError as error:
            raise CheckpointError(f"{path.name} {error}") from None
        except Exception as error:  # zipfile, NumPy and JSON raise all kinds of errors for damage
            raise DamagedError(f"{path.name} is damaged ({files.printable(error)})") from None


def read_data(data):
    """Read a checkpoint that is in memory, bytes; raise all kinds of errors for damage."""
    return read_archive(io.BytesIO(data), len(data))


def check_arrays(arrays, expected):
    """Raise CheckpointError unless arrays are those that this version of the program expects.

    Args:
        arrays: from name to array, as `read`.
        expected: from name to anything with a shape and a dtype.
    """
    found, wanted = (
        {name: (tuple(each.shape), np.dtype(each.dtype).name) for name, each in them.items()}
        for them in (arrays, expected)
    )
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            has, needs = (say_array(each.get(name)) for each in (found, wanted))
            reason = f"the checkpoint has {has} as {files.printable(name)}, not {needs}"
            raise CheckpointError(f"{reason} ({REMEDY})")


def say_array(kind):
    """Write out a shape and a type, or that there is none."""
    return f"{'×'.join(map(str, kind[0])) or 'one'} {kind[1]}" if kind else "nothing"


def read_archive(file, size):
    """Read arrays and header from an open npz file of so many bytes; raise for any damage."""
    with zipfile.ZipFile(file) as archive:
        check_members(archive, size)
        members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
        if HEADER not in members:
            raise ValueError("it has no header")
        # The schema first, since another version may list its arrays in another way.
        header = json.loads(read_array(archive, members.pop(HEADER)).tobytes())
        schema = header.pop("schema")
        if schema != SCHEMA:
            reason = f"is of schema {schema}, and this program knows {SCHEMA}"
            raise CheckpointError(f"{reason} ({REMEDY})")
        # No checksum tells of a member that the zip's directory has lost.
        if header.pop("arrays") != sorted(members):
            raise ValueError("it does not hold the arrays that it lists")
        return {name: read_array(archive, each) for name, each in members.items()}, header


def check_members(archive, size):
    """Raise ValueError unless the members are stored as they are, within a file of `size` bytes.

    Unpacked, a few kilobytes could fill the memory; what we write is not packed.
    """
    members = archive.infolist()
    if any(each.compress_type != zipfile.ZIP_STORED for each in members):
        raise ValueError("its arrays are compressed")
    if sum(each.file_size for each in members) > size:
        raise ValueError("it claims to hold more bytes than it has")


def read_array(archive, member):
    """Read an array to the end of its member, where zipfile compares the CRC-32."""
    file = io.BytesIO(archive.read(member))
    major, _ = np.lib.format.read_magic(file)
    if major != 1:  # what NumPy writes for all but the strangest types
        raise ValueError(f"{member.filename} is in an unknown format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
        raise ValueError(f"{member.filename} does not hold the values that it claims")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
