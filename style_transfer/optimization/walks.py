"""How an optimizer goes over its images: all at once, inside a graph, or strip by strip.

What it computes for each pixel, and what it adds up over all, are functions of images and numbers.
All at once, a large picture is there once more for each operation on the way; by strips, only what
comes out is. Both are the same formula, written once.
"""

import numpy as np
import tensorflow as tf

from style_transfer.optimization.graphs import Compiled

STRIP = 8e6  # bytes of all images that are seen at once
ALIGNMENT = 64  # bytes, as TensorFlow wants it


class AtOnce:
    """Goes over images in one."""

    def call(self, function, *arguments):
        """Call a function that needs to see whole images."""
        return function(*arguments)

    def map(self, function, images, *others):
        """Return what a function makes of images, for each pixel by itself.

        Args:
            function: of the images and the others, to nested images.
            images: nested tensors (any, height, width, 3), all of one height and width.
            others: tensors of any other kind.
        """
        return function(images, *others)

    def add_up(self, function, images, *others):
        """Return what a function, see `map`, adds up over the pixels: nested tensors."""
        return function(images, *others)

    def let_go(self, state, name):
        """Let go of an image of a state that is over; in a graph, TensorFlow does."""


class Strips:
    """Goes over images strip by strip, outside of graphs, by functions that are compiled."""

    def __init__(self):
        self.compiled = {}

    def call(self, function, *arguments):
        """See `AtOnce.call`."""
        if function not in self.compiled:
            self.compiled[function] = Compiled(function)
        return self.compiled[function](*arguments)

    def map(self, function, images, *others):
        """See `AtOnce.map`."""
        whole = None
        for rows, strip, height in cut(images):
            parts = self.call(function, strip, *others)
            if whole is None:
                whole = tf.nest.map_structure(lambda part, h=height: make_empty(part, h), parts)
            for part, array in zip(tf.nest.flatten(parts), tf.nest.flatten(whole)):
                array[:, rows] = part
        return tf.nest.map_structure(to_tensor, whole)

    def add_up(self, function, images, *others):
        """See `AtOnce.add_up`."""
        total = None
        for _, strip, _ in cut(images):
            found = self.call(function, strip, *others)
            total = found if total is None else tf.nest.map_structure(tf.add, total, found)
        return total

    def let_go(self, state, name):
        """Let go of an image of a state that is over."""
        del state[name]


def cut(images):
    """Cut nested images into strips: a generator of (slice of rows, strip of each, height)."""
    arrays = tf.nest.map_structure(np.asarray, images)  # of a tensor no copy
    flat = tf.nest.flatten(arrays)
    height = flat[0].shape[1]
    count = max(1, int(STRIP * height // sum(each.nbytes for each in flat)))
    for first in range(0, height, count):
        rows = slice(first, first + count)
        yield rows, tf.nest.map_structure(lambda each, r=rows: each[:, r], arrays), height


def make_empty(part, height):
    """Return an array for images of which `part` is a strip."""
    count, _, *others = part.shape
    return allocate((count, height, *others), part.dtype.as_numpy_dtype)


def allocate(shape, dtype=np.float32):
    """Return an array of zeros that `to_tensor` need not copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def to_tensor(array):
    """Return a tensor in the memory of an array, which must not be changed any more.

    `tf.convert_to_tensor` would copy it.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def own(image):
    """Return an image as a tensor; an array is copied, outside of the memory that TensorFlow keeps.

    What it once had for tensors, it does not give back.
    """
    if tf.is_tensor(image):
        return image
    copy = allocate(image.shape)
    copy[...] = image
    return to_tensor(copy)


def make_zeros(shape):
    """Return a tensor of zeros, float32, that takes no memory until something is written there."""
    return to_tensor(allocate(tuple(shape)))
