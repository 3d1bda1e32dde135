"""What paints one frame: the optimization, or one pass; both hold on to frames painted before."""

import dataclasses
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import cv2
import numpy as np

from style_transfer.feedforward import instant
from style_transfer.video import flow
from style_transfer.video.loss import FrameTransfer

FINE = 2.0  # pixels: σ of the Gaussian that takes away what is fine
AROUND = 31  # pixels: the window over which the strength of what is fine is averaged
MOST = 1.5  # times, by which it is made stronger
PEAK = 2.0  # times the strength around it, beyond which nothing fine goes: from frame to frame a
# spot that outlives the others would grow at their cost, until it is all that there is
SURE = 0.99  # of the trust: the rest is the foot of the Gaussian that softens it
SMALL = 2**20  # pixels of a frame whose pass leaves cores with nothing to do
NEW = 0.01  # of a frame that is not to be taken from others: less is hardly worth a pass


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Paints frames by optimization.

    Attributes:
        engine: a `loss.FrameEngine`.
        settings: a `Settings`.
        film: a `FilmSettings`.
        count: how many references a frame has, at most.
    """

    begins_early: ClassVar[bool] = False  # a frame starts from the one before
    engine: object
    settings: object
    film: object
    count: int

    def begin(self, material):
        """Return the transfer that paints the first frame of a shot, as a picture is painted."""
        if self.settings.init == "instant":
            start = instant.painter(self.settings)
            material = dataclasses.replace(material, start=start)
        return FrameTransfer(self.engine, material, self.settings, (), self.count)

    def go_on(self, material, references, kind, own=None):
        """Return the transfer that paints a frame from others.

        Args:
            references: a list of `transfer.Reference`.
            kind: of the `visits.Visit`.
            own: what the frame was painted as before, (1, height, width, 3), or None.
        """
        pairs = [(each.image[None], each.trust[None, ..., None]) for each in references]
        start = self.blend(material, pairs) if own is None else mix(own, pairs)
        held = find_held(start[0], references)
        if references:
            start = np.where(held[..., None], references[0].image, start)
        free = ~held[None, ..., None]
        steps = {"between": self.film.repair_steps, "again": self.film.pass_steps}
        changes = {"epochs": 1, "scales": "1", "warmup": 0, "patience": 0}
        changes["steps"] = max(1, steps.get(kind, self.film.frame_steps)) if free.any() else 1
        settings = dataclasses.replace(self.settings, **changes)
        material = dataclasses.replace(material, start=start)
        pairs = leave_room(pairs)
        return FrameTransfer(
            self.engine, material, settings, pairs, self.count, free.astype(np.float32)
        )

    def blend(self, material, references):
        """Return the start of a frame: what others have of it, and new paint where none has."""
        new = 1.0 - sum(trust for _, trust in references)
        base = material.content
        if self.settings.init == "instant" and new.mean() > NEW:
            network = instant.load_compiled(self.settings.transform, self.engine.precision)
            base = network.paint(material, self.settings)
        return new * base + sum(trust * moved for moved, trust in references)

    def paint(self, transfer, should_stop):
        """Paint: a generator of `Iterate`s that returns (image, losses, steps), or None.

        The image is (1, height, width, 3), float32, as it is optimized; None where it was asked to
        stop before the frame was done.
        """
        steps, iterate = 0, None
        for iterate in transfer.run(should_stop=should_stop):
            yield iterate
            if iterate.stopped and not transfer.is_finished:
                return None
            steps = iterate.step
        image = transfer.engine.optimizer.shown_image(transfer.state).numpy()
        return image, transfer.state["losses"].numpy(), steps


def leave_room(pairs):
    """Return pairs (moved, trust) with room around what none of them has, see `flow`."""
    if not pairs:
        return []
    total = sum(trust for _, trust in pairs)
    room = flow.leave_room(total[0, ..., 0])[None, ..., None] / np.maximum(total, 1e-6)
    return [(moved, room * trust) for moved, trust in pairs]


def find_held(start, references):
    """Tell where a frame is not painted: where nothing moved, and all that is trusted agrees.

    This departs from the paper. A few steps more on each frame, and even a wall of a film at rest
    goes on changing for as long as the optimization has not come to its end.

    Args:
        start: (height, width, 3).
        references: a list of `transfer.Reference`.

    Returns:
        (height, width) bool.
    """
    if not references:
        return np.zeros(start.shape[:2], bool)
    held = flow.leave_room(sum(each.trust for each in references)) > SURE
    for each in references:
        agrees = np.abs(each.image - start).max(axis=-1) <= flow.SAME
        held &= (each.trust < 1 - SURE) | (each.rests & agrees)
    return held


def mix(own, references):
    """Return what a frame was painted as, mixed with others where they are trusted.

    Ruder et al., equation 11, with a blend factor of 1.
    """
    total = 1.0 + sum(trust for _, trust in references)
    return (own + sum(trust * moved for moved, trust in references)) / total


class Pass:
    """Paints frames in one pass each, steadied by frames painted before.

    Args:
        network: has a `paint(material, settings)`.
        settings: a `Settings`.
        steadiness: how much of what is trusted is kept.
    """

    begins_early = True

    def __init__(self, network, settings, steadiness):
        self.network, self.settings, self.steadiness = network, settings, steadiness
        self.pool = ThreadPoolExecutor(2)
        self.early = deque(maxlen=2)  # materials, and the futures of what the network makes of them

    def begin_early(self, material):
        """Begin with a frame before its turn, if it is small."""
        if material.content[..., 0].size <= SMALL:
            future = self.pool.submit(self.network.paint, material, self.settings)
            self.early.append((material, future))

    def repaint(self, material):
        """Return what the network makes of a frame, which may have begun."""
        found = [future for begun, future in self.early if begun is material]
        return found[0].result() if found else self.network.paint(material, self.settings)

    def begin(self, material):
        """Return what `paint` takes for the first frame of a shot."""
        return material, ()

    def go_on(self, material, references, _kind, own=None):
        """Return what `paint` takes for a frame that others are held on to for."""
        return material, references

    def paint(self, work, _should_stop):
        """Paint: as of `Optimizer`; there are no iterates, no losses and no steps."""
        yield from ()
        material, references = work
        image = painted = np.asarray(self.repaint(material))
        for each in references:
            image = image + self.steadiness * each.trust[..., None] * (each.image - painted)
        if references and self.steadiness:
            before = references[0].image
            held = find_held(before, references)[..., None]
            image = np.where(held, before, restore_detail(image[0], painted[0]))[np.newaxis]
        return image.astype(np.float32), (), 0


def restore_detail(image, model):
    """Make what is fine in an image as strong as in another: a mean of several is blurred.

    Args:
        image, model: (height, width, 3) in [0, 1].

    Returns:
        (height, width, 3) in [0, 1].
    """
    detail = image - cv2.GaussianBlur(image, (0, 0), FINE)
    wanted = model - cv2.GaussianBlur(model, (0, 0), FINE)
    there = strength(wanted)
    gain = np.sqrt(there / np.maximum(strength(detail), 1e-8))
    most = PEAK * np.sqrt(there)
    restored = np.clip(np.clip(gain, 1 / MOST, MOST) * detail, -most, most)
    return np.clip(image - detail + restored, 0.0, 1.0)


def strength(detail):
    """Return the mean square of (height, width, 3) around each pixel, (height, width, 1)."""
    return cv2.blur(flow.lengths(detail) / 3, (AROUND, AROUND))[..., np.newaxis]
