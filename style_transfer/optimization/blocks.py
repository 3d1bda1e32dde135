"""Blocks of a padded image: what each owns, and what the network must see for that."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from style_transfer.method import gradients
from style_transfer.optimization.cuts import MULTIPLE, count_blocks
from style_transfer.optimization.walks import allocate

MAP = "map"  # what stands for it among names of layers


class Span(NamedTuple):
    """A block along one axis of a padded image, in pixels.

    Attributes:
        begin, end: of the block.
        low, high: of what the network sees of it.
    """

    begin: int
    end: int
    low: int
    high: int


class Piece(NamedTuple):
    """A piece of a layer's features, or of an image: (2,) each, of rows and of columns.

    Attributes:
        first: the index of its first position in what the network sees of a block.
        origin: that in the whole picture.
        size: how many positions it has.
    """

    first: Any
    origin: Any
    size: Any


def plan_spans(length, block, margin, *, even=False):
    """Divide the length of a padded image into spans of about equal length.

    All blocks begin at multiples of 16 pixels, so that the poolings fall as in the whole image.

    Args:
        length: in pixels.
        block: of each at most, but for 32 pixels; 32 at least.
        margin: how far the network must see beyond each, in pixels.
        even: let it see the same length of all, more of those at the edges: one graph does for all
            blocks, and what is freed after one is as large as what the next one takes.
    """
    count = count_blocks(length, block)
    edges = [MULTIPLE * (index * length // (count * MULTIPLE)) for index in range(count)]
    spans = [
        Span(begin, end, max(0, begin - margin), min(length, end + margin))
        for begin, end in zip(edges, [*edges[1:], length])
    ]
    if not even:
        return spans
    seen = max(span.high - span.low for span in spans)
    seen += (length - seen) % MULTIPLE  # so that the last one, too, begins at a multiple
    lows = [min(span.low, length - seen) for span in spans]
    return [span._replace(low=low, high=low + seen) for span, low in zip(spans, lows)]


def locate(span, around, length, stride):
    """Tell where the features of a span lie, as in a `Piece`.

    Args:
        around: (before, after), what the image was padded by.
        length: of the padded image.
        stride: of the layer; 1 of the image itself.

    Returns:
        (first, origin, size).
    """
    first, last = around[0] // stride, length // stride - around[1] // stride
    begin, end = max(span.begin // stride, first), min(span.end // stride, last)
    return begin - span.low // stride, begin - first, max(0, end - begin)


def make_piece(spans, around, shape, stride):
    """Return the `Piece` of the spans of rows and of columns, see `locate`."""
    places = [locate(*each, stride) for each in zip(spans, around, shape)]
    return Piece(*np.int32(places).T)


def with_neighbors(piece, around, shape):
    """Add to a `Piece` of an image one pixel below and to the right, where there is one."""
    picture = np.int32(shape) - np.int32(around).sum(axis=1, dtype=np.int32)
    return piece._replace(size=np.minimum(piece.size + 1, picture - piece.origin))


def plan(shape, padding, block, margin, strides, after=0, *, even=False):
    """Divide a padded image into blocks.

    Args:
        shape: (height, width) of the padded image.
        padding: from `borders.padding`.
        block: side of the largest block, in pixels; infinity: one block is all.
        margin: how far the network must see beyond a block, a multiple of all strides.
        strides: from the name of each layer to its stride.
        after: stride of a map of the whole padded image; 0: there is none.
        even: see `plan_spans`.

    Returns:
        A list of (window, pieces): the rows and the columns that the network sees, (begin, end)
        each; and the `Piece`s that the block owns, by the name of the layer, of the `image`,
        `neighbors`, the image with what it differs from, and the map, `MAP`.
    """
    around = padding or ((0, 0), (0, 0))
    found = []
    rows, columns = (plan_spans(length, block, margin, even=even) for length in shape)
    for spans in ((row, column) for row in rows for column in columns):
        pieces = {
            name: make_piece(spans, around, shape, stride)
            for name, stride in {"image": 1, **strides}.items()
        }
        pieces["neighbors"] = with_neighbors(pieces["image"], around, shape)
        if after:
            pieces[MAP] = make_piece(spans, ((0, 0), (0, 0)), shape, after)
        found.append((tuple(span[2:] for span in spans), pieces))
    return found


def view(padded, window, stride=1):
    """Return what a window in pixels shows of a padded image, or of a map with that stride."""
    (top, bottom), (left, right) = ([each // stride for each in pair] for pair in window)
    return padded[:, top:bottom, left:right]


class Canvas:
    """What the windows of blocks look at: an image that goes on mirrored, or a map of it.

    It stands for the padded image, of which a copy would take as much memory again.

    Args:
        array: (1, height, width, N), NumPy.
        padding: of the image, from `borders.padding`; of a map, which has its border, none.
        stride: of the map; 1 of the image.
    """

    def __init__(self, array, padding=(), stride=1):
        self.array, self.stride = array, stride
        self.around = padding or ((0, 0), (0, 0))

    @property
    def shape(self):
        """(height, width) with the border."""
        return tuple(before + side + after for side, (before, after) in self.sides)

    @property
    def sides(self):
        """(length, (before, after)) of rows and of columns."""
        return list(zip(self.array.shape[1:3], self.around))

    def empty(self):
        """Return another of the same kind in float32, which holds zeros."""
        return Canvas(allocate(self.array.shape), self.around, self.stride)

    def view(self, window):
        """Return what a window in pixels shows."""
        lengths = [(end - begin) // self.stride for begin, end in window]
        seen = np.empty((1, *lengths, self.array.shape[-1]), self.array.dtype)
        for there, own in self.match(window):
            seen[there] = self.array[own]
        return seen

    def add(self, values, window):
        """Add values, the gradient with what a window shows, to that with the array."""
        for there, own in self.match(window):
            self.array[own] += values[there]

    def match(self, window):
        """List (where in a window, where in the array) of the parts that it shows."""
        stretches = [
            mirror(begin // self.stride, end // self.stride, before, length)
            for (begin, end), (length, (before, _)) in zip(window, self.sides)
        ]
        for rows, columns in itertools.product(*stretches):
            yield tuple((slice(None), *pair) for pair in zip(rows, columns))


def mirror(begin, end, before, length):
    """Tell where a stretch of a padded axis shows what of the axis that was padded.

    Args:
        begin, end: of the stretch.
        before: how much lies before the axis; it is mirrored without its first and last.
        length: of the axis.

    Returns:
        A list of (slice of the stretch, slice of the axis).
    """
    first, last = max(begin, before), min(end, before + length)
    found = [(slice(first - begin, last - begin), slice(first - before, last - before))]
    if begin < before:
        low, high = before - min(end, before), before - begin
        found.append((slice(0, high - low), slice(high, low, -1)))
    if end > before + length:
        low, high = (
            2 * (length - 1) + before - each for each in (end, max(begin, before + length))
        )
        there = slice(end - begin - (high - low), end - begin)
        found.append((there, slice(high, low if low >= 0 else None, -1)))
    return [each for each in found if each[0].start < each[0].stop]


def take(whole, piece):
    """Return what a block owns of an array of the whole."""
    (top, left), (height, width) = piece.origin, piece.size
    return whole[:, top : top + height, left : left + width]


def put(part, whole, piece):
    """Put what a block owns, (1, h, w, N), where it belongs in an array of the whole."""
    (top, left), (height, width) = piece.origin, piece.size
    whole[:, top : top + height, left : left + width] = part


def cut(values, first, size):
    """Cut a piece out of (batch, height, width, N), from `first` on, of `size`; (2,) each."""
    after = tf.shape(values)[1:3] - first - size
    return gradients.crop(values, tuple(zip(tf.unstack(first), tf.unstack(after))))
