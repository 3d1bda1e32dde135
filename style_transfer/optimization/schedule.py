"""The plan of a run: which sizes, how many epochs at each, what it will cost."""

import dataclasses
import math
from dataclasses import dataclass

from style_transfer.method.architecture import MIN_SIDE
from style_transfer.validation import parse_scales

WARMUP_SHARES = (1 / 16, 1 / 4)  # of the style's weight, in the two halves of the warm-up
SETTLED = 0.001  # a loss that falls by less than this share has settled
SMALLEST_SCALE = 160  # longer side; below it the deepest layers see little more than one stroke
# One pass sees as many pixels as a step does. Up to this side its strokes are large enough, and
# there is nothing that a smaller size would add.
SMALLEST_AFTER_ONE_PASS = 512


@dataclass(frozen=True)
class Scale:
    """A part of the run at one size: the longer side of the image, and its epochs."""

    side: int
    epochs: int


@dataclass
class Position:
    """How far a run has come.

    Attributes:
        scale: index into the scales.
        epochs: ended at that scale.
        epoch: epochs ended, over all scales.
        step: steps done in the epoch that runs.
        totals: the weighted loss after each epoch of the scale; without a warm-up, before the
            first, too.
        taken_back: steps that the optimizer took back at earlier scales.
        style_share: see `warm_up`; that of the last step.
    """

    scale: int = 0
    epochs: int = 0
    epoch: int = 0
    step: int = 0
    totals: tuple = ()
    taken_back: int = 0
    style_share: float = 1.0


def plan_scales(side, short_side, settings):
    """Share the epochs out over sizes that grow to the final one.

    Small images let brush strokes grow large, since the network sees only so many pixels
    (Gatys et al., arXiv:1611.07865, section 6), and their steps cost little.

    Args:
        side: longer side of the final image.
        short_side: the shortest side of content and style at that size.
        settings: `scales`, `epochs` and `init`.

    Returns:
        A list of `Scale`, the last of the final size; together they have all epochs.
    """
    sides = parse_scales(settings.scales) or ()
    if settings.scales == "auto":
        sides = [round(side / math.sqrt(2) ** power) for power in range(12, 0, -1)]
        least = SMALLEST_AFTER_ONE_PASS if settings.init == "instant" else SMALLEST_SCALE
        sides = [each for each in sides if each >= least]
    smaller = [each for each in sides if each < side and each / side * short_side >= MIN_SIDE]
    sides = [*smaller, side][-settings.epochs :]
    # The final size gets twice as many as a smaller one, whose picture is soon painted and
    # only what the next one starts from; what cannot be shared evenly goes to the larger ones.
    *smaller, side = sides
    last = 2 * settings.epochs // (len(sides) + 1)
    left = settings.epochs - last
    epochs = [(left + index) // len(smaller) for index in range(len(smaller))]
    return [*map(Scale, smaller, epochs), Scale(side, last)]


def warm_up(step, steps, settings):
    """Tell how much the style counts at a step of a scale, and for how many steps that holds.

    With the whole weight from the start, the image first leaps away from the photo, and most of
    the steps go into finding the content again. Where the style grows instead, L-BFGS is after 118
    to 134 steps where it was after 140 (256 px, four pairs); Adam gains more.

    What one pass painted has the style already, and keeps it.

    Args:
        step: steps done at the scale, of so many `steps`.

    Returns:
        (share, steps left with it): the share of the style's weight, 1 after the warm-up.
    """
    warmup = 0 if settings.init == "instant" else settings.warmup
    half = min(warmup, steps // 3) // 2
    for phase, share in enumerate(WARMUP_SHARES, start=1):
        if step < phase * half:
            return share, phase * half - step
    return 1.0, max(1, steps - step)


def has_settled(totals, patience):
    """Tell whether the loss has not fallen by 0.1 % over the last `patience` epochs.

    Args:
        totals: the loss before the first epoch, where it can be compared, and after each.
        patience: 0 never settles.
    """
    if not patience or len(totals) <= patience:
        return False
    return totals[-1] >= (1 - SETTLED) * totals[-1 - patience]


def seconds_left(scales, scale, steps_left, seconds, steps):
    """Estimate the time to the end: a step costs in proportion to its pixels.

    Args:
        scales: from `plan_scales`.
        scale: the one that the run is at, with so many `steps_left`.
        seconds: that a step takes at this scale.
        steps: in an epoch.
    """
    later = [each for each in scales if each.side > scale.side]
    relative = sum(steps * each.epochs * (each.side / scale.side) ** 2 for each in later)
    return seconds * (steps_left + relative)


def total_seconds(scales, seconds, steps):
    """Estimate the time of a whole run from the seconds of a step at its first scale."""
    return seconds_left(scales, scales[0], scales[0].epochs * steps, seconds, steps)


def fit_into(budget, scales, seconds, settings):
    """Choose the steps of an epoch so that the run takes about `budget` seconds.

    Returns:
        The settings with another number of steps, 1 at least and 500 at most.
    """
    each = total_seconds(scales, seconds, 1)
    return dataclasses.replace(settings, steps=max(1, min(500, int(budget / each))))
