"""What a block of one stage of the network says: sums, its part of the map, and its gradient."""

import keras
import numpy as np
import tensorflow as tf

import functions
from style_transfer.method import statistics
from style_transfer.optimization.blocks import MAP, Piece, cut, plan
from style_transfer.optimization.cuts import cost
from style_transfer.optimization.graphs import Compiled
from style_transfer.optimization.scaling import scaled_gradient
from style_transfer.optimization.targets import Targets

LAYERED = ("content", "style")  # what of targets and sums is by layer


class StageGraphs:
    """The compiled functions of a stage; they serve blocks of all sizes.

    Args:
        model: from `functions.build_model`.
        stage: a `cuts.Stage`.
        settings: of the engine.
        is_scaled: whether the gradient is scaled on its way, see `scaling`.
    """

    def __init__(self, model, stage, settings, *, is_scaled=False):
        self.stage, self.settings, self.is_scaled = stage, settings, is_scaled
        self.cost = cost(settings.architecture, stage.layers)
        self.layers = [name for name in settings.layers if name in stage.layers]
        self.model = build_stage(model, stage, self.layers)
        self.dtype = model.get_layer(stage.layers[-1]).compute_dtype  # of the map
        self.pieces = (*self.layers, "image", "neighbors", *([MAP] if stage.after else []))
        self.look, self.extract, self.pull, self.turn = map(
            self.compile, (self.look_at, self.extract_at, self.pull_at, self.turn_at)
        )

    def compile(self, function):
        """Compile a function of window, pieces and others.

        The pieces go in as one array: each argument of a graph costs as much as a small block.
        """

        def unpack(window, packed, *others):
            pieces = (Piece(*tf.unstack(each)) for each in tf.unstack(packed))
            return function(window, dict(zip(self.pieces, pieces)), *others)

        compiled = Compiled(unpack)

        def call(window, pieces, *others):
            return compiled(window, np.int32([pieces[name] for name in self.pieces]), *others)

        return call

    def plan(self, shape, padding, side):
        """Return `blocks.plan` of a padded image of `shape` in blocks of at most `side` pixels."""
        strides = {name: self.settings.architecture.stride(name) for name in self.layers}
        return plan(shape, padding, side, self.stage.margin, strides, self.stage.after)

    def select(self, values):
        """Return the part of targets or sums, a dictionary by term, that is of this stage."""
        found = {
            term: {name: each for name, each in values[term].items() if name in self.layers}
            for term in LAYERED
        }
        return values | found if self.stage.stride == 1 else found

    def select_targets(self, targets):
        """Return the part of `Targets` that is of this stage."""
        return Targets(**self.select(targets._asdict()))

    def look_at(self, window, pieces, targets):
        """Return what a block says.

        Args:
            window: what is seen of the map that goes in, (1, height, width, N).
            pieces: see `blocks.plan`.
            targets: those of this stage, of the whole picture.

        Returns:
            (sums, map): of the sums of `functions.sum_up`, those of this stage; and under `MAP` the
            block's part of the map that comes out, if any does.
        """
        sums, own = self.describe(self.model(window), window, targets, pieces)
        return sums, self.only_map(own)

    def describe(self, outputs, window, targets, pieces):
        """Return (sums, what the block owns) from all that the stage makes of what it sees."""
        own = self.own(outputs, pieces)
        targets = cut_targets(targets, pieces)
        if self.stage.stride > 1:
            sums = statistics.sum_up(own, targets, self.settings.style_loss)
        else:
            image = cut(window, pieces["neighbors"].first, pieces["neighbors"].size)
            size = tf.unstack(pieces["image"].size)
            sums = functions.sum_up(own, image, targets, self.settings, own=size)
        return sums, own

    def own(self, outputs, pieces):
        """Return what a block owns of features and map."""
        return {
            name: cut(each, pieces[name].first, pieces[name].size) for name, each in outputs.items()
        }

    def only_map(self, own):
        """Return the map in the precision of the network, under its name, if there is one."""
        return {name: tf.cast(each, self.dtype) for name, each in own.items() if name == MAP}

    def extract_at(self, window, pieces):
        """Return what a block owns of the content layers' features, and of the map."""
        own = self.own(self.model(window), pieces)
        found = {name: own[name] for name in self.settings.content_layers if name in own}
        return found | self.only_map(own)

    def pull_at(self, window, pieces, targets, of_sums, of_map):
        """Return what a block has for a gradient with all that it sees.

        Args:
            of_sums: the gradient of the total with the sums of the stage.
            of_map: that with the block's map, under `MAP`, if there is one.
        """

        def close(_sums):
            return None, of_sums

        return self.go_back(window, pieces, targets, close, of_map)[1]

    def turn_at(self, window, pieces, targets, before, style, weights):
        """Look at a block that is all of the last stage, and go back from there.

        Args:
            before: sums of the stages before.
            style, weights: see `finish_sums`.

        Returns:
            ((losses and total, gradient with all sums), gradient with the window).
        """

        def close(sums):
            found = finish_sums(merge([*before, sums]), style, weights, self.settings)
            return found, self.select(found[1])

        return self.go_back(window, pieces, targets, close, {})

    def go_back(self, window, pieces, targets, close, of_map):
        """Return (what `close` found, gradient with the window), float32.

        Args:
            close: function from the sums to anything, and the gradient with the sums.
        """
        window = tf.cast(window, tf.float32)
        with tf.GradientTape() as through_network:
            through_network.watch(window)
            outputs = self.model(window)
        with tf.GradientTape() as through_sums:
            through_sums.watch((outputs, window))
            sums, own = self.describe(outputs, window, targets, pieces)
        found, of_sums = close(sums)
        of_outputs, of_window = through_sums.gradient(
            (sums, {name: own[name] for name in of_map}),
            (outputs, window),
            output_gradients=(of_sums, of_map),
            unconnected_gradients="zero",
        )
        if self.is_scaled:
            back = scaled_gradient(through_network, outputs, window, of_outputs)
        else:
            back = through_network.gradient(outputs, window, output_gradients=of_outputs)
        return found, of_window + back if self.stage.stride == 1 else back


def build_stage(model, stage, layers):
    """Build the model from what goes into a stage to the features of `layers`, and to its map."""
    if stage.stride == 1 and not stage.after:
        return model
    outputs = {name: model.output[name] for name in layers}
    if stage.after:
        # In float32, so that its gradient is in the range of that until it is scaled. Named, since
        # the names that Keras gives are unique in a thread, and the model may be of another one.
        own = keras.layers.Identity(dtype="float32", name=MAP)
        outputs[MAP] = own(pooling(model, stage.after).output)
    inputs = model.input if stage.stride == 1 else pooling(model, stage.stride).output
    return keras.Model(inputs, outputs, name=f"from_{stage.layers[0]}")


def pooling(model, stride):
    """Return the layer after which positions are `stride` pixels apart."""
    return model.get_layer(f"block{stride.bit_length() - 1}_pool")


def finish_sums(sums, style, weights, settings):
    """Return (losses and total, gradient of the total with the sums).

    Args:
        sums: of the whole picture.
        style: of the targets.
        weights: (3,) of the losses.
    """
    with tf.GradientTape() as tape:
        tape.watch(sums)
        losses = functions.finish_losses(sums, Targets({}, style), settings)
        total = tf.reduce_sum(weights * losses)
    of_sums = tape.gradient(total, sums, unconnected_gradients="zero")
    return {"losses": losses, "total": total}, of_sums


def merge(parts):
    """Return the sums of all stages."""
    merged = {}
    for part in parts:
        for term, found in part.items():
            merged[term] = merged.get(term, {}) | found if term in LAYERED else found
    return merged


def cut_targets(targets, pieces):
    """Return the part of the targets that a block is to resemble; the statistics are of all."""

    def cut_guide(region, piece):
        if "guide" not in region:
            return region
        return region | {"guide": cut(region["guide"], piece.origin, piece.size)}

    content = {
        name: cut(each, pieces[name].origin, pieces[name].size)
        for name, each in targets.content.items()
    }
    style = {
        name: tuple(cut_guide(each, pieces[name]) for each in regions)
        for name, regions in targets.style.items()
    }
    return Targets(content, style)
