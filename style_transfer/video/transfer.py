"""A film, frame by frame (Ruder, Dosovitskiy & Brox, arXiv:1604.08610): a loop over visits."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from style_transfer.video import flow
from style_transfer.video.visits import name_of

#: What is told of each frame besides its number and time, in this order.
MEASURES = ("shot", "steps", "seconds", "trust", "film_error", "warping_error")


@dataclass(frozen=True)
class Reference:
    """Another frame, moved to where things are in one, and how it is trusted.

    Attributes:
        content, image: (height, width, 3), of the film and of what was painted.
        seen: (height, width, 3), not moved: how the film looked when that was painted.
        trust: (height, width).
        rests: (height, width), where nothing had to be moved, and the film looks as it did then.
        shot: the first frame of its shot.
    """

    content: Any
    image: Any
    seen: Any
    trust: Any
    rests: Any
    shot: int


@dataclass(frozen=True)
class Frame:
    """A frame that was painted.

    Attributes:
        number: of the visit, from 0.
        visit: a `visits.Visit`.
        image: (1, height, width, 3) float32: what the next ones hold on to.
        seen: (height, width, 3), how the film looked when each pixel was painted.
        shown: the image as it is to be shown.
        measures: see `MEASURES`.
        losses: (terms,) or ().
    """

    number: int
    visit: Any
    image: Any
    seen: Any
    shown: Any
    measures: dict
    losses: Any


class FilmTransfer:
    """Paints the frames of a film. Every one with the same arguments yields the same images.

    Args:
        painter: one of `painters`.
        materials: `materials.Materials`.
        visits: a list of `visits.Visit`.
        recall: function from the name of a visit to (image, seen, shot), of those that are done.
    """

    def __init__(self, painter, materials, visits, recall):
        self.painter, self.materials, self.visits = painter, materials, visits
        self.frames, self.recall = materials.frames, recall
        self.ahead = None, None  # (frame, shot) and the material of what the painter began early

    def run(self, done=0, *, should_stop=lambda: False):
        """Paint the visits from number `done` on: a generator of `Frame`s, and of `Iterate`s.

        Args:
            should_stop: asked after every frame, and about every second of an optimization.
        """
        for number in range(done, len(self.visits)):
            if number > done and should_stop():
                return
            frame = yield from self.paint(number, self.visits[number], should_stop)
            if frame is None:
                return
            yield frame

    def paint(self, number, visit, should_stop):
        """Paint one visit; return its `Frame`, or None where it was asked to stop."""
        began = time.perf_counter()
        content = self.frames.tensor(visit.frame)[0]
        references = self.find_references(visit, content)
        shot = references[0].shot if references else visit.frame
        if references and visit.kind == "follow" and flow.is_same(content, references[0].seen):
            found = self.recall(name_of(visit.references[0]))[0], (), 0
        else:
            place = visit.frame, shot
            material = self.ahead[1] if self.ahead[0] == place else self.materials.of(*place)
            work = self.prepare(visit, material, references)
            if references and self.painter.begins_early:
                self.look_ahead(number + 1, shot, content)
            found = yield from self.painter.paint(work, should_stop)
        if found is None:
            return None
        image, losses, steps = found
        measures = {"shot": shot, "steps": steps, "seconds": time.perf_counter() - began}
        measures |= measure(content, image[0], references)
        seen = look(content, image[0], references)
        shown = self.materials.show(image, visit.frame)
        return Frame(number, visit, image, seen, shown, measures, losses)

    def look_ahead(self, number, shot, content):
        """Let the painter begin with the next visit, as if no shot began there.

        Args:
            content: of the frame that is painted now; the same again is not painted.
        """
        if number == len(self.visits):
            return
        index = self.visits[number].frame
        if not flow.is_same(self.frames.tensor(index)[0], content):
            material = self.materials.of(index, shot)
            self.painter.begin_early(material)
            self.ahead = (index, shot), material

    def find_references(self, visit, content):
        """Return the `Reference`s of a visit that are of the same shot."""
        found = [self.find_reference(content, each) for each in visit.references]
        kept = [index for index, each in enumerate(found) if not flow.is_cut(each.trust)]
        trusts = [found[index].trust for index in kept]
        shares = [visit.references[index][2] for index in kept]
        return [
            dataclasses.replace(found[index], trust=trust)
            for index, trust in zip(kept, share_trust(trusts, shares))
        ]

    def find_reference(self, content, place):
        """Return a `Reference`, moved to where things are in a frame."""
        image, seen, shot = self.recall(name_of(place))
        other = self.frames.tensor(place[0])[0]
        motion, trust = flow.measure(content, other)
        rests = ~motion.any(axis=-1) & flow.is_lit_alike(content, seen)
        moved = flow.warp(other, motion), flow.warp(image[0], motion)
        return Reference(*moved, seen, trust, rests, shot)

    def prepare(self, visit, material, references):
        """Return what the painter takes for a visit."""
        own = self.recall(name_of((visit.frame, visit.turn - 1)))[0] if visit.turn else None
        if not references and own is None:
            return self.painter.begin(material)
        return self.painter.go_on(material, references, visit.kind, own)


def look(content, image, references):
    """Return how the film looked when each pixel of an image was painted.

    Not in the frame before, but in the one since which the paint is held: a light that fades by
    less than can be told from frame to frame would leave it behind.
    """
    if not references:
        return content
    first = references[0]
    is_held = first.rests & (np.abs(image - first.image).max(axis=-1) <= flow.SAME)
    return np.where(is_held[..., np.newaxis], first.seen, content)


def share_trust(trusts, shares):
    """Let each pixel hold on to several frames as to one.

    Args:
        trusts: (height, width) each, the nearest frame first.
        shares: how much of each where all are trusted; where there is none, the nearest has all
            that it is trusted, the next what is left of its own (the paper's equation 9).
    """
    if not trusts or shares[0] is None:
        total, found = 0.0, []
        for trust in trusts:
            found.append(np.maximum(trust - total, 0.0))
            total = total + trust
        return found
    parts = [trust * share for trust, share in zip(trusts, shares)]
    scale = np.max(trusts, axis=0) / np.maximum(sum(parts), 1e-6)
    return [scale * part for part in parts]


def measure(content, image, references):
    """Tell how a frame goes with the first of its references: its trust, and two errors.

    The warping error of Lai et al. (arXiv:1808.00449): the mean squared difference to the other
    frame, moved, where that is trusted; of the film itself, and of what was painted.
    """
    if not references:
        return {"trust": 0.0, "film_error": 0.0, "warping_error": 0.0}
    first = references[0]
    return {
        "trust": float(first.trust.mean()),
        "film_error": warping_error(content, first.content, first.trust),
        "warping_error": warping_error(image, first.image, first.trust),
    }


def warping_error(image, moved, trust):
    """Return Σ c (x − w)² / Σ c, the mean over the channels."""
    squares = np.mean((image - moved) ** 2, axis=-1, dtype=np.float64)
    return float(np.sum(trust * squares) / max(float(np.sum(trust)), 1e-6))
