"""Arrays out of an HDF5 file that may be damaged, or made to do harm.

Nothing in the file is run, no other file is followed to, and no more memory is taken than the
declared shapes say. Look at the shape that `find_array` returns before you call `read_array`.
"""

import math
import zlib

import h5py
import numpy as np
from h5py import h5z

MAX_CHUNKS = 4096
FILTERS = {h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32}


def follow(group, path):
    """Return what lies at a path, or None; a link on the way could lead to another file."""
    for part in path.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{part} is a link")
        group = group[part]
    return group


def find_array(group, name):
    """Return a dataset of floats, unread, whose values lie in this very file."""
    dataset = follow(group, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        raise ValueError(f"{name} is not an array of floats")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} lies in another file")
    return dataset


def read_array(dataset):
    """Read a dataset as float32; nobody can write into the array."""
    if dataset.chunks:
        check_chunks(dataset)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is found below
        array = dataset[()].astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{dataset.name} holds values that are not finite")
    array.flags.writeable = False
    return array


def check_chunks(dataset):
    """Raise ValueError if unpacking a dataset could take more memory than its values.

    HDF5 unpacks all that a chunk holds, whatever the declared shape: a few kilobytes could fill
    the memory. So they are unpacked here first, up to the size that they should have.
    """
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if not FILTERS.issuperset(filters) or len(filters) != len(set(filters)):
        raise ValueError(f"{dataset.name} is packed in another way than gzip")
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if size > dataset.nbytes or dataset.id.get_num_chunks() > MAX_CHUNKS:
        raise ValueError(f"{dataset.name} is in chunks of an absurd size")
    chunks = []
    dataset.id.chunk_iter(chunks.append)
    for chunk in chunks:
        # Gzip makes nothing much larger. A chunk that is too short would end in foreign memory.
        if chunk.size > 2 * size + 64 or unpacked_size(dataset, chunk, filters, size) != size:
            raise ValueError(f"{dataset.name} unpacks to another size")


def unpacked_size(dataset, chunk, filters, limit):
    """Return how many bytes a chunk unpacks to, or `limit` + 1 if they are more."""
    gzip = h5z.FILTER_DEFLATE
    if gzip not in filters or chunk.filter_mask >> filters.index(gzip) & 1:  # left unpacked
        return chunk.size - (4 if h5z.FILTER_FLETCHER32 in filters else 0)  # its checksum
    _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
    return len(zlib.decompressobj().decompress(packed, limit + 1))
