"""The losses and the gradient of `functions.build_evaluation`, block by block: the same numbers.

The losses depend on the image by sums over positions alone (`functions.sum_up`), and the sums of
parts add up to those of the whole. So each step looks at all blocks of the image twice. First
without a way back, for the sums, of which the losses are finished, and the gradient with the sums;
then, with that, each block's part of the gradient with the image.

A block owns the features whose positions lie in it. In order that they are what they are in the
whole image, the network sees a margin around the block, as wide as its receptive field reaches;
what the margin has for features is dropped. At the edges of the whole image there is no margin:
there the network sees what it would see anyway. What the features of a block have for a gradient
with the pixels of its margin is added to what the blocks there have.
"""

import numpy as np
import tensorflow as tf

import functions
from style_transfer.method import borders
from style_transfer.optimization.blocks import cut, plan, view
from style_transfer.optimization.graphs import Compiled
from style_transfer.optimization.scaling import scaled_gradient
from style_transfer.optimization.targets import Targets


class Tiling:
    """Evaluates images block by block, for pictures of all sizes.

    Args:
        model: from `functions.build_model`.
        settings: of the engine.
        is_scaled: whether the gradient is scaled on its way, see `scaling`.
    """

    def __init__(self, model, settings, *, is_scaled=False):
        self.settings, self.model, self.is_scaled = settings, model, is_scaled
        self.architecture = settings.architecture
        self.margin = self.architecture.margin(settings.layers)
        self.look, self.extract, self.pull, self.finish = map(
            Compiled, (self.look_at, self.extract_at, self.pull_at, self.finish_sums)
        )

    def evaluate(self, image, targets, weights, *, block, after_block=lambda share: None):
        """Return what `functions.build_evaluation` says of an image.

        Args:
            image: (1, height, width, 3).
            targets: `targets.Targets`.
            weights: (3,) of the losses.
            block: side of the largest block, in pixels.
            after_block: called after each with the share of the work that is done; what it
                raises ends the evaluation.
        """
        padding = borders.padding(image.shape[1:3], self.settings.border)
        with tf.GradientTape() as tape:
            tape.watch(image)
            padded = borders.pad(image, padding)
        places = self.plan(padded.shape[1:3], padding, block)
        sums = self.look_at_all(padded, targets, places, lambda share: after_block(share / 3))
        found, of_sums = self.finish(sums, targets.style, weights)
        gradient = np.zeros(padded.shape, np.float32)
        for number, (window, pieces) in enumerate(places, start=1):
            part = self.pull(view(padded, window), targets, pieces, of_sums)
            view(gradient, window)[...] += part.numpy()
            after_block((1 + 2 * number / len(places)) / 3)
        gradient = tape.gradient(padded, image, output_gradients=tf.constant(gradient))
        return found | {"gradient": gradient}

    def add_up(self, image, targets, *, block):
        """Return `functions.sum_up` of an image (1, height, width, 3)."""
        padding = borders.padding(image.shape[1:3], self.settings.border)
        padded = borders.pad(tf.convert_to_tensor(image), padding)
        return self.look_at_all(padded, targets, self.plan(padded.shape[1:3], padding, block))

    def look_at_all(self, padded, targets, places, after_block=lambda share: None):
        """Return `functions.sum_up` of a padded image, from those of all blocks."""
        sums = None
        for number, (window, pieces) in enumerate(places, start=1):
            found = self.look(view(padded, window), targets, pieces)
            sums = found if sums is None else tf.nest.map_structure(tf.add, sums, found)
            after_block(number / len(places))
        return sums

    def extract_features(self, image, *, block):
        """Return what `functions.extract_features` does, of the content layers alone."""
        padding = borders.padding(image.shape[1:3], self.settings.border)
        padded = borders.pad(tf.convert_to_tensor(image), padding)
        whole = {
            name: self.make_room(name, padded.shape[1:3], padding)
            for name in self.settings.content_layers
        }
        for window, pieces in self.plan(padded.shape[1:3], padding, block):
            for name, found in self.extract(view(padded, window), pieces).items():
                (top, left), (height, width) = pieces[name].origin, pieces[name].size
                whole[name][:, top : top + height, left : left + width] = found.numpy()
        return {name: tf.constant(each) for name, each in whole.items()}

    def make_room(self, layer, shape, padding):
        """Return an array for the features of a layer of a padded image of `shape`."""
        stride = self.architecture.stride(layer)
        around = padding or ((0, 0), (0, 0))
        sides = [
            length // stride - sum(each // stride for each in pair)
            for length, pair in zip(shape, around)
        ]
        return np.empty((1, *sides, self.model.output[layer].shape[-1]), np.float32)

    def extract_at(self, window, pieces):
        """Return the features of the content layers that a block owns."""
        features = self.model(window)
        return {
            name: cut(features[name], pieces[name].first, pieces[name].size)
            for name in self.settings.content_layers
        }

    def plan(self, shape, padding, block):
        """Return `blocks.plan` of a padded image of `shape`."""
        strides = {name: self.architecture.stride(name) for name in self.settings.layers}
        return plan(shape, padding, block, self.margin, strides)

    def look_at(self, window, targets, pieces):
        """Return `functions.sum_up` of a block."""
        return self.sum_up(self.model(window), window, targets, pieces)

    def sum_up(self, features, window, targets, pieces):
        """Return `functions.sum_up` of a block, from all features of what the network sees."""
        own = {
            name: cut(each, pieces[name].first, pieces[name].size)
            for name, each in features.items()
        }
        image = cut(window, pieces["neighbors"].first, pieces["neighbors"].size)
        own_targets, size = cut_targets(targets, pieces), tf.unstack(pieces["image"].size)
        return functions.sum_up(own, image, own_targets, self.settings, own=size)

    def finish_sums(self, sums, style, weights):
        """Return (losses and total, gradient of the total with the sums)."""
        with tf.GradientTape() as tape:
            tape.watch(sums)
            losses = functions.finish_losses(sums, Targets({}, style), self.settings)
            total = tf.reduce_sum(weights * losses)
        of_sums = tape.gradient(total, sums, unconnected_gradients="zero")
        return {"losses": losses, "total": total}, of_sums

    def pull_at(self, window, targets, pieces, of_sums):
        """Return what a block has for a gradient with all that the network sees of it."""
        with tf.GradientTape() as through_network:
            through_network.watch(window)
            features = self.model(window)
        with tf.GradientTape() as through_sums:
            through_sums.watch((features, window))
            sums = self.sum_up(features, window, targets, pieces)
        of_features, of_window = through_sums.gradient(
            sums, (features, window), output_gradients=of_sums
        )
        if self.is_scaled:
            return of_window + scaled_gradient(through_network, features, window, of_features)
        return of_window + through_network.gradient(features, window, output_gradients=of_features)


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
