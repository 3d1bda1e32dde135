"""How a run fits into a budget of memory: whole or in blocks, and with how much history."""

import bisect
import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Any

from style_transfer.method.architecture import MIN_SIDE
from style_transfer.optimization import memory
from style_transfer.validation import parse_memory

#: Sides of blocks in pixels, the largest that fits is taken. The first takes 2.1 times the pixels
#: of the picture with its margins of 80, the last 12 times.
BLOCKS = (1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
#: The history shrinks before the blocks are smaller than the first; only then they do. An
#: evaluation in blocks of 512 px takes twice as long as that of the whole, of 256 px three times;
#: with 10 pairs instead of 20 there are some percent more steps.
LEAST = (512, 256, BLOCKS[-1])
HISTORIES = (15, 10, 7, 5, 3)  # with less, L-BFGS would take several times the steps
#: Bytes of the graphs for blocks, and of what oneDNN keeps for other precisions than float32. From
#: peaks of runs with the compact network at 512, 1024 and 2048 px.
GRAPHS, REORDERED = 120e6, 150e6
BLOCK_IMAGES = 4  # of the size of the picture: itself padded, and its gradient on its way
PASS_IMAGES = 6  # of the size of the picture, that a pass in blocks works on
PASS_MARGIN = 80  # pixels that the encoder of one pass, and each decoder, sees beyond a block
SHARE = "STYLE_MEMORY_SHARE"  # in the environment of a worker: the bytes that it may take
MARGIN = 0.1  # share of the free memory that `--memory auto` leaves to others


@dataclass(frozen=True)
class Room:
    """The memory that the features of an evaluation may take.

    Attributes:
        bytes: how much.
        architecture: with the widths of the network in use.
        settings: its layers.
        for_blocks: bytes that are needed beside, where it goes in blocks.
        largest: side of the largest block; it shrinks when the memory runs out all the same.
    """

    bytes: float
    architecture: Any
    settings: Any
    for_blocks: float = 0.0
    largest: float = math.inf

    def choose_block(self, shape, copies=memory.COPIES):
        """Return the side of the largest block that fits; None: the whole picture does.

        Args:
            shape: (height, width).
            copies: how often all features are in memory at once.
        """
        if max(shape) <= self.largest and self.fits(math.prod(shape), copies):
            return None
        return next(
            (side for side in BLOCKS if side <= self.largest and self.fits_block(side, copies)),
            BLOCKS[-1],
        )

    def fits(self, pixels, copies=memory.COPIES, more=0):
        """Tell whether there is room for the features of so many pixels, and `more` bytes."""
        features = memory.count_features(pixels, self.architecture, self.settings)
        return 4 * copies * features + more <= self.bytes

    def fits_block(self, side, copies=memory.COPIES):
        """Tell whether there is room for a block with its margins."""
        margin = self.architecture.margin(self.settings.layers)
        return self.fits((side + 2 * margin) ** 2, copies, more=self.for_blocks)

    def smaller(self, block, shape):
        """Return the room of the next smaller block, or None if there is none.

        Args:
            block: that did not fit; None: the whole picture of `shape`.
        """
        sides = [side for side in BLOCKS if side < (block or max(shape))]
        return dataclasses.replace(self, largest=sides[0]) if sides else None


def find_budget(text):
    """Return the bytes that a run may take, this process included: `--memory`.

    Of several processes that paint at once, each has its share; a record does not know of it.
    """
    given = parse_memory(text)
    if given is None:
        given = memory.resident() + (1 - MARGIN) * memory.available()
    share = os.environ.get(SHARE)
    return min(given, float(share)) if share else given


def choose_pass_block(shape, budget):
    """Return the side of the largest block that one pass may take; infinity: the whole fits.

    Args:
        shape: (height, width) of the picture.
        budget: bytes.
    """
    sides = (math.inf, *BLOCKS)
    return next((each for each in sides if estimate_pass([shape], each) <= budget), sides[-1])


def estimate_pass(sizes, block=BLOCKS[-1]):
    """Estimate the peak of the memory that one pass takes in blocks, in bytes; the least.

    Args:
        sizes: (width, height) of the photo and of the paintings.
        block: side of the largest block; infinity: all at once.
    """
    largest = max(sizes, key=math.prod)
    seen = math.prod(min(side, block + 4 * PASS_MARGIN) for side in largest)
    if seen == math.prod(largest):
        return memory.estimate_pass(sizes)
    images = 4 * 3 * PASS_IMAGES * math.prod(largest)
    return memory.LIBRARIES + images + memory.BYTES_OF_A_PASS * seen


def plan(sizes, architecture, settings, budget, *, is_fixed=False):
    """Choose how much L-BFGS remembers, and what is left for features.

    Args:
        sizes: `Inputs` of (width, height).
        architecture: with the widths of the network in use.
        settings: layers, optimizer and the most that it remembers.
        budget: bytes.
        is_fixed: whether it must remember that.

    Returns:
        (settings, `Room`): with the history that fits. None if nothing fits.
    """
    rooms = []
    for fitted in list_histories(settings, is_fixed=is_fixed):
        fixed = memory.estimate_fixed(sizes.content, sizes.styles, architecture, fitted)
        beside = count_for_blocks(sizes.content, settings)
        rooms.append((fitted, Room(budget - fixed, architecture, fitted, beside)))
    for least in LEAST:
        for fitted, left in rooms:
            if left.fits(math.prod(sizes.content)) or left.fits_block(least):
                return fitted, left
    return None


def count_for_blocks(content, settings):
    """Estimate the bytes that a run in blocks takes beside the features and what a whole takes."""
    reordered = 0 if settings.precision == "float32" else REORDERED
    return GRAPHS + reordered + 4 * 3 * BLOCK_IMAGES * math.prod(content)


def list_histories(settings, *, is_fixed):
    """List settings with less and less for L-BFGS to remember."""
    if is_fixed or settings.optimizer != "lbfgs":
        return [settings]
    fewer = [each for each in HISTORIES if each < settings.history]
    return [settings, *(dataclasses.replace(settings, history=each) for each in fewer)]


def least(sizes, architecture, settings, *, is_fixed=False):
    """Estimate the least memory that a run takes, in bytes; see `plan`."""
    fitted = list_histories(settings, is_fixed=is_fixed)[-1]
    beside = count_for_blocks(sizes.content, settings)
    rooms = [Room(left, architecture, fitted, beside) for left in (0.0, math.inf)]
    return min(estimate(sizes, architecture, fitted, each) for each in rooms)


def estimate(sizes, architecture, settings, room):
    """Estimate the peak of the memory that a run takes, in bytes; see `plan`."""
    fixed = memory.estimate_fixed(sizes.content, sizes.styles, architecture, settings)
    looks = [(sizes.content, memory.COPIES)]
    looks += [(each, memory.COPIES_OF_A_LOOK) for each in sizes.styles]
    margin = architecture.margin(settings.layers)
    features = []
    for (width, height), copies in looks:
        block = room.choose_block((height, width), copies)
        sides = [min(side, (block or side) + 2 * margin) for side in (width, height)]
        numbers = memory.count_features(math.prod(sides), architecture, settings)
        features.append(4 * copies * numbers + (room.for_blocks if block else 0))
    return fixed + max(features)


def largest_side(sizes, architecture, settings, budget, *, is_fixed=False):
    """Return the largest `--size` that a run of such pictures fits into the budget with, or 0."""

    def fits(side):
        scale = side / longer
        scaled = sizes.map(lambda size: tuple(max(1, round(scale * each)) for each in size))
        return bool(plan(scaled, architecture, settings, budget, is_fixed=is_fixed))

    longer, shorter = max(sizes.content), min(sizes.content)
    least = math.ceil(MIN_SIDE * longer / shorter)
    # All that fit come first: a larger one takes more.
    count = bisect.bisect(range(least, longer + 1), False, key=lambda side: not fits(side))
    return least + count - 1 if count else 0
