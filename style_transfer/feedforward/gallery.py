"""What a network learns to paint like: paintings, variations of them, mixtures of two.

Gram matrices and moments are means over positions. Those of a picture of which one part comes from
one painting and the rest from another are therefore their mixture: N paintings teach N² styles, and
none of the mixed pictures need ever be made.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

MIXED = 0.5  # how often a style is a mixture of two
STEP = 64  # pixels: of a variation's side, since JAX compiles anew for every size
LEAST_SIDE = 192  # with less, the deepest layer has little to correlate
SCALES = (0.6, 1.3)  # of a variation


class Choice(NamedTuple):
    """What each image of a batch is to resemble: two pictures, and how much of each.

    Attributes:
        numbers: (batch, 2) int32.
        shares: (batch, 2) float32; those of an image sum to 1.
    """

    numbers: Any
    shares: Any


def draw(generator, batch, count):
    """Draw a `Choice` among so many pictures; about half of them are pure."""
    numbers = generator.integers(count, size=(batch, 2))
    share = np.where(generator.random(batch) < MIXED, generator.random(batch), 1.0)
    return choose(numbers, np.stack([share, 1.0 - share], axis=1))


def pure(numbers):
    """Return the `Choice` of one picture for each image: (batch,)."""
    numbers = np.asarray(numbers)
    return choose(np.stack([numbers, numbers], axis=1), np.tile([1.0, 0.0], (len(numbers), 1)))


def choose(numbers, shares):
    """Return a `Choice` of tensors."""
    return Choice(ops.convert_to_tensor(numbers, "int32"), ops.convert_to_tensor(shares, "float32"))


def mix(stacked, choice):
    """Mix what is known of the pictures, (count, …), as chosen: (batch, …)."""
    chosen = ops.take(stacked, choice.numbers, axis=0)  # (batch, 2, …)
    shares = ops.reshape(choice.shares, (-1, 2, *[1] * (len(chosen.shape) - 2)))
    return ops.sum(shares * chosen, axis=1)


def vary(image, generator):
    """Make another style of a painting: other colors, a part of it, larger or smaller strokes.

    Args:
        image: (1, height, width, 3) in [0, 1].
        generator: of NumPy.

    Returns:
        A square image whose side is a multiple of 64, and 192 pixels or more.
    """
    image = np.asarray(image)[..., generator.permutation(3)]
    sides = np.array(image.shape[1:3])
    part = math.ceil(sides.min() * generator.uniform(0.5, 1.0))
    top, left = (generator.integers(rest + 1) for rest in sides - part)
    image = image[:, top : top + part, left : left + part]
    side = max(LEAST_SIDE, STEP * round(part * generator.uniform(*SCALES) / STEP))
    return ops.clip(ops.image.resize(image, (side, side), antialias=True), 0.0, 1.0)
