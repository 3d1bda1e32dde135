"""Networks that normalize by the whole picture, block by block: the same picture, no seams.

Instance normalization wants the mean and variance of all positions. Layer after layer, these are
first gathered from blocks, with those of the layers before known; then the blocks are painted. That
takes a look at the picture for each normalization, and memory for a block alone.
"""

import itertools

import keras
import numpy as np
import tensorflow as tf

from style_transfer.feedforward import watch
from style_transfer.feedforward.moments import knowing
from style_transfer.optimization.blocks import plan_spans
from style_transfer.pictures import large

MARGIN = 96  # pixels; what any of these networks sees beyond a block, and a little more
STRIP = 64  # rows whose moments are taken at once, which takes two copies of them


class Blocks:
    """Calls a network for a picture block by block.

    Args:
        model: a Keras model from [images (1, height, width, 3), a style] to images.
        norms: the names of its layers that call `moments.find_moments`, in their order.
        edge: pixels by which it lets pictures go on beyond their edges at first.
    """

    def __init__(self, model, norms, edge=0):
        self.norms, self.edge = norms, edge
        self.paint = graph(model)
        before = {name: keras.tree.flatten(model.get_layer(name).input)[0] for name in norms}
        self.looks = {
            name: graph(keras.Model(model.inputs, features, name=f"before_{name}"))
            for name, features in before.items()
        }

    def __call__(self, image, style, block):
        """Repaint an image (1, height, width, 3), sides multiples of 4; return such.

        It is NumPy, or a `large.Large`; of that it is clipped to [0, 1].

        Args:
            block: side of the largest block, in pixels.
        """
        style = tf.convert_to_tensor(style)
        rows, columns = (plan_spans(side, block, MARGIN, even=True) for side in image.shape[1:3])
        places, moments = [(row, column) for row in rows for column in columns], {}
        watch.expect(len(self.norms) + 1)
        for name in self.norms:
            seen = watch.over(places)
            parts = (self.look(name, image, style, place, moments) for place in seen)
            moments[name] = merge(list(itertools.chain.from_iterable(parts)))
        painted = large.empty_like(image)
        for row, column in watch.over(places):
            part = self.paint(view(image, row, column), style, moments).numpy()
            own = slice(row.begin - row.low, row.end - row.low)
            across = slice(column.begin - column.low, column.end - column.low)
            painted[:, row.begin : row.end, column.begin : column.end] = part[:, own, across]
        return painted

    def look(self, name, image, style, place, moments):
        """Return (count, mean, variance) of strips of what a layer normalizes, in a block."""
        features = self.looks[name](view(image, *place), style, moments)
        sides = zip(place, image.shape[1:3], features.shape[1:3])
        rows, columns = (self.own(span, length, positions) for span, length, positions in sides)
        first, last, _ = rows.indices(features.shape[1])
        parts = []
        for row in range(first, last, STRIP):
            own = features[:, row : min(row + STRIP, last), columns]
            mean, variance = tf.nn.moments(own, axes=(1, 2), keepdims=True)
            parts.append((own.shape[1] * own.shape[2], np.float64(mean), np.float64(variance)))
        return parts

    def own(self, span, length, positions):
        """Return which positions of features belong to a span; edges of the picture to theirs."""
        # Rounded, since a few more pixels may have been added at the end.
        stride = round((span.high - span.low + 2 * self.edge) / positions)
        first = 0 if span.begin == 0 else (span.begin - span.low + self.edge) // stride
        last = None if span.end == length else (span.end - span.low + self.edge) // stride
        return slice(first, last)


def view(image, row, column):
    """Return what the network sees of a block."""
    return tf.constant(image[:, row.low : row.high, column.low : column.high])


def graph(model):
    """Return a function of image, style and known moments as a graph for all sizes."""

    def call(image, style, moments):
        with knowing(moments):
            return model([image, style])

    return tf.function(call, reduce_retracing=True, autograph=False)


def merge(parts):
    """Return the mean and variance of all, from (count, mean, variance) of parts."""
    total = sum(count for count, *_ in parts)
    mean = sum(count * each for count, each, _ in parts) / total
    variance = sum(count * (each + (own - mean) ** 2) for count, own, each in parts) / total
    return tuple(tf.constant(each, tf.float32) for each in (mean, variance))
