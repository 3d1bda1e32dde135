"""Where an evaluation in blocks cuts the network, how large the blocks are, and what that costs.

A block of the whole network sees a margin as wide as the receptive field of its deepest layer, 80
pixels on each side, and is computed twice: for the sums that the losses are finished from, and for
the gradient. So the network is cut at poolings into stages. What a pooling says of the whole
picture is kept, a quarter of the positions; each stage goes over it in blocks of its own, which see
some pixels more. The last stage, if it is one block, is computed once: all sums are known then.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from style_transfer.method.architecture import VGG19
from style_transfer.optimization import memory

MULTIPLE = VGG19.largest_stride  # blocks begin at such pixels, so that the poolings fall together
LEAST_BLOCK = 2 * MULTIPLE  # pixels; wider than any border, so that no block is nothing but border
#: Sides of blocks in pixels; the largest that fits is taken.
BLOCKS = (4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
#: What a number of a layer's features costs beside its convolution, in multiplications of such:
#: activation, statistics and the way through memory. From times of stages of both networks.
BESIDE = 250


class Stage(NamedTuple):
    """A stretch of the network.

    Attributes:
        layers: names of its convolutions.
        stride: pixels between two positions of what goes in: 1 of the image.
        after: the same of what comes out, which is kept; 0: nothing does, it is the last.
        margin: pixels that it sees beyond a block.
    """

    layers: tuple
    stride: int
    after: int
    margin: int


class Cut(NamedTuple):
    """How an evaluation goes in blocks.

    Attributes:
        stages: a tuple of `Stage`.
        sides: of the largest block of each, in pixels; infinity: all is one.
    """

    stages: tuple
    sides: tuple


def divide(architecture, layers, kept=()):
    """Divide the network up to the deepest of `layers` into a tuple of `Stage`.

    Args:
        kept: the poolings to cut at, by the number of the block before each.
    """
    names = architecture.up_to(layers)
    edges = [0, *(names.index(f"block{block + 1}_conv1") for block in kept), len(names)]
    stages = []
    for first, last in itertools.pairwise(edges):
        own = names[first:last]
        after = architecture.stride(names[last]) if last < len(names) else 0
        reach = sum(map(architecture.stride, own))  # a position farther by each convolution
        step = after or architecture.stride(own[-1])
        margin = math.ceil(reach / step) * step
        stages.append(Stage(own, architecture.stride(own[0]), after, margin))
    return tuple(stages)


def count_blocks(length, side):
    """Return how many blocks of a side, about equal, make up the length of a padded picture.

    The border adds none: two of 512 px do for 1024 px and their border.
    """
    most = max(min(side, length) // MULTIPLE * MULTIPLE, LEAST_BLOCK)
    return max(1, math.ceil((length - 2 * MULTIPLE) / most))


def cost(architecture, layers):
    """Return what layers cost for each pixel: multiplications, and what is beside them."""
    names, total = architecture.layers, 0.0
    for layer in layers:
        index = names.index(layer)
        before = architecture.width(names[index - 1]) if index else 3
        total += architecture.numbers([layer]) * (9 * before + BESIDE)
    return total


@dataclass(frozen=True)
class Evaluation:
    """What is to be computed.

    Attributes:
        shape: (height, width) of the picture.
        architecture: with the widths of the network in use.
        layers: whose features are wanted.
        border: that is mirrored around the picture, in pixels; see `borders`.
        is_look: whether without a gradient.
    """

    shape: tuple
    architecture: Any
    layers: tuple
    border: int = 0
    is_look: bool = False

    @property
    def padded(self):
        """(height, width) with the border."""
        if not self.border:
            return self.shape
        return tuple(
            math.ceil((side + 2 * self.border) / MULTIPLE) * MULTIPLE for side in self.shape
        )

    @property
    def whole(self):
        """The `Cut` that does not cut."""
        return Cut(divide(self.architecture, self.layers), (math.inf,))

    def choose(self, left):
        """Return the `Cut` of the least work that fits into `left` bytes; None: none does."""
        found = [self.fit(stages, left) for stages in self.list_stages()]
        return min(filter(None, found), key=self.work, default=None)

    def least(self):
        """Return the `Cut` that takes the least memory."""
        smallest = BLOCKS[-1]
        cuts = [Cut(each, (smallest,) * len(each)) for each in self.list_stages()]
        return min(cuts, key=self.needed)

    def list_stages(self):
        """List all ways to `divide` the network."""
        deepest = self.architecture.up_to(self.layers)[-1]
        poolings = range(1, self.architecture.block(deepest))
        for count in range(len(poolings) + 1):
            for kept in itertools.combinations(poolings, count):
                yield divide(self.architecture, self.layers, kept)

    def fit(self, stages, left):
        """Return the `Cut` into these stages with the largest blocks that fit, or None."""
        sides = []
        for number in range(len(stages)):
            tried = (s for s in (math.inf, *BLOCKS) if self.visit(stages, number, s) <= left)
            sides.append(next(tried, None))
        return None if None in sides else Cut(stages, tuple(sides))

    def needed(self, cut):
        """Return the bytes that an evaluation takes at its peak, beside the image itself."""
        return max(self.visit(cut.stages, *each) for each in enumerate(cut.sides))

    def visit(self, stages, number, side):
        """Return the bytes of a stage's block, and of what is kept meanwhile."""
        kept = [0.0, *(self.count_kept(each) for each in stages)]
        before, after = kept[number], kept[number + 1]
        copies, beside = memory.COPIES_OF_A_LOOK, sum(kept[: number + 2])
        if not self.is_look:  # the gradients with what goes in and comes out
            copies, beside = memory.COPIES, sum(kept[: number + 1]) + before + after
        lengths = []
        for length, padded, count in zip(self.shape, self.padded, self.count(side)):
            own = math.ceil(padded / count / MULTIPLE) * MULTIPLE
            lengths.append(min(length, own + 2 * stages[number].margin))
        features = math.prod(lengths) * self.architecture.numbers(stages[number].layers)
        return 4 * (copies * features + beside)

    def count_kept(self, stage):
        """Count the numbers that are kept of what comes out of a stage."""
        if not stage.after:
            return 0.0
        return math.prod(self.shape) / stage.after**2 * self.architecture.width(stage.layers[-1])

    def count(self, side):
        """Return how many blocks of a side there are down and across."""
        return [count_blocks(length, side) for length in self.padded]

    def work(self, cut):
        """Return how many times as much is computed as for the whole picture at once."""
        total, whole = 0.0, 0.0
        for stage, side in zip(cut.stages, cut.sides):
            seen = 1
            for length, count in zip(self.shape, self.count(side)):
                seen *= length + 2 * stage.margin * (count - 1)
            once = not stage.after and math.prod(self.count(side)) == 1
            passes = 1 if self.is_look else 2 if once else 3
            own = cost(self.architecture, stage.layers)
            total += passes * seen * own
            whole += (1 if self.is_look else 2) * math.prod(self.shape) * own
        return total / whole
