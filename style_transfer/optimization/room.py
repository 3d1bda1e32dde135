"""How a run fits into a budget of memory: whole or in blocks, and with how much history."""

import bisect
import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Any

from style_transfer.method.architecture import MIN_SIDE
from style_transfer.optimization import memory, processors
from style_transfer.optimization.cuts import BLOCKS, Evaluation
from style_transfer.validation import parse_memory

#: The history shrinks before an evaluation takes more than the first, times that of the whole at
#: once; only then it may take the second. With 10 pairs instead of 20 there are some percent more
#: steps.
WORK = (1.6, 2.5, math.inf)
HISTORIES = (15, 10, 7, 5, 3)  # with less, L-BFGS would take several times the steps
# Bytes of those for blocks, and of what TensorFlow keeps, which lies in pieces; from peaks of runs.
GRAPHS = 250e6
PASS_IMAGES = 6  # float32, of the size of the picture, that a pass in blocks works on
# Bytes for each pixel, where it works on a `large.Large`: of a picture, as Pillow has it; and of
# the result, as it becomes a file.
PHOTO_BYTES, RESULT_BYTES = 4, 12
PASS_MARGIN = 80  # pixels that the encoder of one pass, and each decoder, sees beyond a block
HALF = 0.7  # of what float32 takes is taken in bfloat16: 0.3 to 0.6 from 1024 to 4096 px
LESS = 0.6  # of what did not fit, though it should have, is tried next
SHARE = "STYLE_MEMORY_SHARE"  # in the environment of a worker: the bytes that it may take
MARGIN = 0.1  # share of the free memory that `--memory auto` leaves to others


@dataclass(frozen=True)
class Room:
    """The memory that the features of an evaluation may take.

    Attributes:
        bytes: how much.
        architecture: with the widths of the network in use.
        settings: its layers.
        for_blocks: bytes that are needed beside, where it goes in blocks; below 0: that are not.
    """

    bytes: float
    architecture: Any
    settings: Any
    for_blocks: float = 0.0

    def evaluation(self, shape, *, is_look=False):
        """Return the `cuts.Evaluation` of a picture of (height, width)."""
        layers, border = self.settings.layers, self.settings.border
        return Evaluation(tuple(shape), self.architecture, layers, border, is_look)

    def choose_cut(self, shape, *, is_look=False):
        """Return the `cuts.Cut` of the least work that fits; None: the whole picture does.

        If nothing fits, the one that takes least.

        Args:
            shape: (height, width).
            is_look: whether features are wanted without a gradient.
        """
        evaluation = self.evaluation(shape, is_look=is_look)
        if self.needed(evaluation) <= self.bytes:
            return None
        return evaluation.choose(self.bytes - self.for_blocks) or evaluation.least()

    def needed(self, evaluation, cut=None):
        """Return the bytes that steps take with a `cuts.Cut` of an evaluation; None: whole."""
        if cut is None:
            share = HALF if not evaluation.is_look and is_half(self.settings) else 1.0
            return share * evaluation.needed(evaluation.whole)
        return evaluation.needed(cut) + self.for_blocks

    def fits(self, shape):
        """Tell whether an evaluation fits, whole or in the smallest blocks."""
        evaluation = self.evaluation(shape)
        in_blocks = self.needed(evaluation, evaluation.least())
        return min(self.needed(evaluation), in_blocks) <= self.bytes

    def work(self, shape):
        """Return how many times the work of the whole at once an evaluation is."""
        cut = self.choose_cut(shape)
        return self.evaluation(shape).work(cut) if cut else 1.0

    def smaller(self, cut, shape, *, is_look=False):
        """Return a room with less of what did not fit, or None if there is nothing less.

        Args:
            cut: that did not fit; None: the whole picture of `shape`.
        """
        evaluation = self.evaluation(shape, is_look=is_look)
        failed = self.needed(evaluation, cut)
        left = dataclasses.replace(self, bytes=min(self.bytes, LESS * failed))
        return None if left.choose_cut(shape, is_look=is_look) == cut else left


def is_half(settings):
    """Tell whether the processor computes in bfloat16; before TensorFlow could, see `device`."""
    return settings.precision in ("auto", "bfloat16") and processors.has_bfloat16()


def find_budget(text):
    """Return the bytes that a run may take, this process included: `--memory`.

    Of several processes that paint at once, each has its share; a record does not know of it.
    """
    given = parse_memory(text)
    if given is None:
        given = memory.resident() + (1 - MARGIN) * memory.available()
    share = os.environ.get(SHARE)
    return min(given, float(share)) if share else given


def choose_pass_block(sizes, budget, *, each=memory.BYTES_OF_A_BLOCK, is_large=True):
    """Return the side of the largest block that one pass may take; infinity: the whole fits.

    Args:
        sizes: (width, height) of the photo and of the paintings.
        budget: bytes.
        each: bytes that the network takes for each pixel of what it sees of a block.
        is_large: whether what does not fit at once is a `large.Large`; else all is float32.
    """
    for block in (math.inf, *BLOCKS):
        if estimate_pass(sizes, block, each=each, is_large=is_large) <= budget:
            break
    return block


def estimate_pass(sizes, block=BLOCKS[-1], *, each=memory.BYTES_OF_A_BLOCK, is_large=True):
    """Estimate the peak of the memory that one pass takes in blocks, in bytes; the least.

    Args:
        sizes, each, is_large: as of `choose_pass_block`.
        block: side of the largest block; infinity: all at once.
    """
    largest = max(sizes, key=math.prod)
    seen = math.prod(min(side, block + 4 * PASS_MARGIN) for side in largest)
    if seen == math.prod(largest):
        return memory.estimate_pass(sizes)
    features = each * seen
    if not is_large:
        return memory.LIBRARIES + 4 * 3 * PASS_IMAGES * math.prod(largest) + features
    held = PHOTO_BYTES * sum(map(math.prod, sizes))
    return memory.LIBRARIES + held + max(features, RESULT_BYTES * math.prod(sizes[0]))


def largest_pass_side(sizes, budget):
    """Return the largest `--size` that a pass over such pictures fits into the budget with, or 0.

    Args:
        sizes: (width, height) of the photo and of the paintings, which keep their proportions.
    """

    def fits(side):
        scaled = [tuple(max(1, round(side * each / longer)) for each in size) for size in sizes]
        return estimate_pass(scaled) <= budget

    longer, shorter = max(sizes[0]), min(sizes[0])
    return find_largest(math.ceil(MIN_SIDE * longer / shorter), longer, fits)


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
    shape = sizes.content[::-1]
    rooms = list_rooms(sizes, architecture, settings, budget, is_fixed=is_fixed)
    rooms = [(fitted, left) for fitted, left in rooms if left.fits(shape)]
    works = [left.work(shape) for _, left in rooms]
    for most in WORK:
        for found, work in zip(rooms, works):
            if work <= most:
                return found
    return None


def list_rooms(sizes, architecture, settings, budget, *, is_fixed):
    """List (settings, `Room`) with less and less history, see `plan`."""
    rooms = []
    for fitted in list_histories(settings, is_fixed=is_fixed):
        fixed = memory.estimate_fixed(sizes.content, sizes.styles, architecture, fitted)
        left = budget - fixed
        rooms.append((fitted, Room(left, architecture, fitted, count_for_blocks(sizes, fitted))))
    return rooms


def count_for_blocks(sizes, settings):
    """Estimate what a run in blocks takes beside the features and what a whole takes, in bytes.

    Below 0: it takes less.
    """
    images = memory.count_block_images(settings) - memory.count_images(settings)
    # Of the paintings there is but what was read, four bytes a pixel, once they are described.
    less = (4 * 3 - 4) * sum(map(math.prod, sizes.styles))
    return GRAPHS + 4 * 3 * images * math.prod(sizes.content) - less


def list_histories(settings, *, is_fixed):
    """List settings with less and less for L-BFGS to remember."""
    if is_fixed or settings.optimizer != "lbfgs":
        return [settings]
    fewer = [each for each in HISTORIES if each < settings.history]
    return [settings, *(dataclasses.replace(settings, history=each) for each in fewer)]


def least(sizes, architecture, settings, *, is_fixed=False):
    """Estimate the least memory that a run takes, in bytes; see `plan`."""
    fitted = list_histories(settings, is_fixed=is_fixed)[-1]
    beside = count_for_blocks(sizes, fitted)
    rooms = [Room(left, architecture, fitted, beside) for left in (-math.inf, math.inf)]
    return min(estimate(sizes, architecture, fitted, each) for each in rooms)


def estimate(sizes, architecture, settings, room):
    """Estimate the peak of the memory that a run takes, in bytes; see `plan`."""
    fixed = memory.estimate_fixed(sizes.content, sizes.styles, architecture, settings)
    looks = [(sizes.content, False), *((each, True) for each in sizes.styles)]
    features = []
    for size, is_look in looks:
        evaluation = room.evaluation(size[::-1], is_look=is_look)
        cut = room.choose_cut(size[::-1], is_look=is_look)
        features.append(room.needed(evaluation, cut))
    return fixed + max(features)


def largest_side(sizes, architecture, settings, budget, *, is_fixed=False):
    """Return the largest `--size` that a run of such pictures fits into the budget with, or 0."""

    def fits(side):
        scale = side / longer
        scaled = sizes.map(lambda size: tuple(max(1, round(scale * each)) for each in size))
        rooms = list_rooms(scaled, architecture, settings, budget, is_fixed=is_fixed)
        return any(left.fits(scaled.content[::-1]) for _, left in rooms)

    longer, shorter = max(sizes.content), min(sizes.content)
    return find_largest(math.ceil(MIN_SIDE * longer / shorter), longer, fits)


def find_largest(least, most, fits):
    """Return the largest number, from `least` to `most`, that fits; 0: none does."""
    # All that fit come first: a larger one takes more.
    count = bisect.bisect(range(least, most + 1), False, key=lambda side: not fits(side))
    return least + count - 1 if count else 0
