"""The losses and the gradient of `functions.build_evaluation`, block by block: the same numbers.

The losses depend on the image by sums over positions alone (`functions.sum_up`), and the sums of
parts add up to those of the whole. So each step goes through the stages of the network (`cuts`)
twice. Forward, in blocks without a way back, for the sums, and for the map that each stage hands on
to the next. Of the sums the losses are finished, and the gradient with the sums. Then backward:
with that, and with the gradient with the map that comes out of a stage, each block, computed anew,
has its part of the gradient with the map that goes in; the first of those is the image.

A block owns the features whose positions lie in it. In order that they are what they are in the
whole image, the stage sees a margin around the block, as wide as its receptive field reaches; what
the margin has for features is dropped. At the edges of the whole image there is no margin: there
the network sees what it would see anyway. What the features of a block have for a gradient with
the margin is added to what the blocks there have.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from style_transfer.method import borders
from style_transfer.optimization.blocks import MAP, Canvas, put, take
from style_transfer.optimization.graphs import Compiled
from style_transfer.optimization.stages import StageGraphs, finish_sums, merge
from style_transfer.optimization.walks import allocate, to_tensor


class Part(NamedTuple):
    """A stage and its blocks.

    Attributes:
        graphs: `StageGraphs`.
        places: a list of (window, pieces), see `blocks.plan`.
    """

    graphs: Any
    places: list

    def hand_on(self, array):
        """Return the `Canvas` of the map that comes out of the stage, if one does."""
        return None if array is None else Canvas(array, stride=self.graphs.stage.after)

    def work(self, window):
        """Return what it costs to look at a block, in any unit."""
        height, width = (end - begin for begin, end in window)
        return height * width * self.graphs.cost


class Progress:
    """Tells how much of the work is done.

    Args:
        parts: of all stages.
        is_once: whether the last stage is visited once.
        tell: function of the share that is done.
    """

    def __init__(self, parts, is_once=False, tell=lambda share: None):
        self.tell, self.done = tell, 0.0
        looks = [sum(part.work(window) for window, _ in part.places) for part in parts]
        self.all = 3 * sum(looks) - is_once * looks[-1]

    def __call__(self, part, window, passes):
        """Tell that a block was looked at (1 pass), or its gradient was taken (2)."""
        self.done += passes * part.work(window)
        self.tell(min(1.0, self.done / self.all))


class Tiling:
    """Evaluates images block by block, for pictures of all sizes.

    Args:
        model: from `functions.build_model`.
        settings: of the engine.
        is_scaled: whether the gradient is scaled on its way, see `scaling`.
    """

    def __init__(self, model, settings, *, is_scaled=False):
        self.settings, self.model, self.is_scaled = settings, model, is_scaled
        self.graphs = {}
        self.finish = Compiled(functools.partial(finish_sums, settings=settings))

    def evaluate(self, image, targets, weights, *, cut, after_block=lambda share: None):
        """Return what `functions.build_evaluation` says of an image.

        Args:
            image: (1, height, width, 3).
            targets: `targets.Targets`.
            weights: (3,) of the losses.
            cut: `cuts.Cut`.
            after_block: called after each with the share of the work that is done; what it
                raises ends the evaluation.
        """
        maps, parts = self.begin(image, cut)
        is_once = len(parts[-1].places) == 1  # then all is known at its block, the last
        done = Progress(parts, is_once, after_block)
        sums = look_at_all(maps, targets, parts[:-1] if is_once else parts, done)
        if is_once:
            arguments = parts.pop(), maps.pop(), targets, sums, weights
            found, of_sums, gradient = turn(*arguments, done)
        else:
            found, of_sums = self.finish(merge(sums), targets.style, weights)
            gradient = None
        while parts:
            gradient = pull_all(parts.pop(), maps.pop(), targets, of_sums, gradient, done)
        return found | {"gradient": to_tensor(gradient)}

    def add_up(self, image, targets, *, cut):
        """Return `functions.sum_up` of an image (1, height, width, 3)."""
        maps, parts = self.begin(image, cut)
        return merge(look_at_all(maps, targets, parts, Progress(parts)))

    def extract_features(self, image, *, cut):
        """Return what `functions.extract_features` does, of the content layers alone."""
        [seen], parts = self.begin(image, cut)
        features = {}
        for part in parts:
            if features.keys() >= set(self.settings.content_layers):
                break
            whole = {}
            for window, pieces in part.places:
                collect(part.graphs.extract(seen.view(window), pieces), whole, part, pieces)
            seen = part.hand_on(whole.pop(MAP, None))
            features |= whole
        return {name: to_tensor(each) for name, each in features.items()}

    def begin(self, image, cut):
        """Return ([`Canvas` of the image], `Part`s that a `cuts.Cut` goes over it in)."""
        padding = borders.padding(image.shape[1:3], self.settings.border)
        canvas = Canvas(np.asarray(image), padding)  # of a tensor no copy
        parts = []
        for stage, side in zip(cut.stages, cut.sides):
            if stage not in self.graphs:
                arguments = self.model, stage, self.settings
                self.graphs[stage] = StageGraphs(*arguments, is_scaled=self.is_scaled)
            graphs = self.graphs[stage]
            parts.append(Part(graphs, graphs.plan(canvas.shape, padding, side)))
        return [canvas], parts


def look_at_all(maps, targets, parts, done):
    """Look at all blocks of stages, one stage after the other.

    Args:
        maps: a list of the `Canvas` of the image, to which those of what comes out of the stages
            are added.

    Returns:
        A list of the sums of each stage, see `StageGraphs.look_at`.
    """
    sums = []
    for part in parts:
        own, whole, added = part.graphs.select_targets(targets), {}, None
        for window, pieces in part.places:
            found, handed_on = part.graphs.look(maps[-1].view(window), pieces, own)
            added = found if added is None else tf.nest.map_structure(tf.add, added, found)
            collect(handed_on, whole, part, pieces)
            done(part, window, 1)
        sums.append(added)
        maps += [part.hand_on(each) for each in whole.values()]
    return sums


def turn(part, seen, targets, sums, weights, done):
    """Look at the last stage, whose block is all of the picture, and go back.

    Args:
        seen: the `Canvas` of what goes in.
        sums: of the stages before.

    Returns:
        (losses and total, gradient with all sums, gradient with the map).
    """
    [(window, pieces)] = part.places
    own = part.graphs.select_targets(targets)
    others = sums, targets.style, weights
    found, of_window = part.graphs.turn(seen.view(window), pieces, own, *others)
    done(part, window, 2)
    gradient = seen.empty()
    gradient.add(np.asarray(of_window), window)
    return *found, gradient.array


def pull_all(part, seen, targets, of_sums, of_map, done):
    """Return the gradient with the map that goes into a stage, from those of all blocks.

    Args:
        seen: the `Canvas` of what goes in.
        of_sums: the gradient with all sums.
        of_map: that with the map that comes out, or None.
    """
    own, of_own = part.graphs.select_targets(targets), part.graphs.select(of_sums)
    gradient = seen.empty()
    for window, pieces in part.places:
        above = {} if of_map is None else {MAP: take(of_map, pieces[MAP])}
        found = part.graphs.pull(seen.view(window), pieces, own, of_own, above)
        gradient.add(np.asarray(found), window)
        done(part, window, 2)
    return gradient.array


def collect(found, whole, part, pieces):
    """Put what a block owns, by name, into arrays of the whole picture, made when needed."""
    _, last = part.places[-1]
    for name, each in found.items():
        if name not in whole:
            shape = (1, *(last[name].origin + last[name].size), each.shape[-1])
            whole[name] = allocate(shape, each.dtype.as_numpy_dtype)
        put(np.asarray(each), whole[name], pieces[name])
