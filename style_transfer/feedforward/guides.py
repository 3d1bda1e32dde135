"""Regions in a picture that is looked at block by block: the guides of `regions`, of each block."""

import functools

from keras import ops

from style_transfer.method import regions
from style_transfer.optimization import blocks


class Guides:
    """How much the positions of features count in each region of a mask.

    Args:
        mask: (1, height, width, R), or a `large.Large`, padded as the picture; None: one region,
            which is everything.
        look: a `universal.Look` at the picture.
    """

    def __init__(self, mask, look):
        self.mask, self.look = mask, look
        self.last = None, None  # level and number of a block, and its mask, pooled
        self.choices = {}  # from level to whether a region counts by what is well inside of it

    def pooled(self, level, number):
        """Return the mask, averaged over the positions of what is seen of a block; None of None."""
        if self.mask is None:
            return None
        if self.last[0] != (level, number):
            window, _ = self.look.blocks[number]
            seen = ops.convert_to_tensor(blocks.view(self.mask, window))
            self.last = (level, number), regions.pool(seen, level, self.look.architecture, ())
        return self.last[1]

    def own(self, level, number):
        """Return the guides of what a block owns, see `regions.guides`: a list, one a region."""
        if self.mask is None:
            return [None]
        chosen = regions.choose(*self.both(level, number), self.choose(level))
        _, pieces = self.look.blocks[number]
        piece = pieces[level]
        return [blocks.cut(each, piece.first, piece.size) for each in chosen]

    def both(self, level, number):
        """Return the pooled mask, and the same without what is near the edges of a region."""
        pooled = self.pooled(level, number)
        return pooled, pooled * regions.find_inside(pooled, level, self.look.architecture)

    def choose(self, level):
        """Tell of each region whether anywhere is enough of it well inside."""
        if level not in self.choices:
            most = [self.find_most(level, number) for number in range(len(self.look.blocks))]
            self.choices[level] = regions.is_enough(functools.reduce(ops.maximum, most))
        return self.choices[level]

    def find_most(self, level, number):
        """Return how much of each region there is at most in a block, (R,), well inside."""
        _, inner = self.both(level, number)
        _, pieces = self.look.plan(around=())[number]
        piece = pieces[level]
        return ops.max(blocks.cut(inner, piece.first, piece.size), axis=(0, 1, 2))
