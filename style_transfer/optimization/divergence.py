"""The totals of losses; one that is no number any more ends the run."""

import math

import numpy as np


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


def check_finite(totals, first, settings):
    """Raise DivergedError at the first total that is not finite; they are of steps `first` on."""
    bad = ~np.isfinite(totals)
    if bad.any():
        step = first + int(bad.argmax())
        epoch = max(1, math.ceil(step / settings.steps))
        remedy = "lower --alpha, --beta and --tv"
        if settings.optimizer == "adam":
            remedy = f"lower --learning-rate, or {remedy}"
        raise DivergedError(f"diverged at epoch {epoch}, step {step}; {remedy}")


def weigh(losses, weights):
    """Return the weighted sums of rows of losses, (count, terms): each the same in any company.

    A matrix product would round a row in one way among few and in another among many.
    """
    return np.sum(np.float64(losses) * weights, axis=-1).astype(np.float32)
