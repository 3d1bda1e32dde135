"""Any style in one pass: universal style transfer (Li et al., arXiv:1705.08086).

At five levels, from large shapes to fine grain: the picture is encoded up to a layer, its features
get the statistics of the painting's by an affine map (`transforms`), and a decoder turns them into
a picture again. Nothing is trained for a style, nothing is optimized.
"""

import copy
import functools
import math
import operator
import threading
from collections import OrderedDict

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import functions
from style_transfer.feedforward import decoder, guides, transforms, watch
from style_transfer.method import borders, statistics
from style_transfer.networks import decoders, weights
from style_transfer.networks.decoders import LEVELS
from style_transfer.optimization import blocks, memory, room
from style_transfer.optimization.device import find_device
from style_transfer.pictures import large
from style_transfer.validation import parse_strength

BORDER = 16  # mirrored pixels around a picture, as when the decoders were trained
DESCRIPTIONS = 32  # of style pictures that are kept
# For each pixel of what is seen of a block, from peaks of whole processes; and for each region.
BYTES, BYTES_OF_A_REGION = 350, 70
#: The levels that may compute in 16 bits: most of the work, and other levels paint over it.
DEEP = LEVELS[:2]


@functools.lru_cache(maxsize=1)
def load_network():
    """Return the `UniversalTransfer` of the bundled weights, built once."""
    with find_device().scope():
        return UniversalTransfer(weights.load("compact"), decoders.load())


class UniversalTransfer:
    """The encoder, up to each level, and the decoders; for pictures of all sizes, in any thread.

    Args:
        network: `networks.weights.Weights` of the encoder.
        inverse: `networks.decoders.Decoders` of that encoder.
    """

    def __init__(self, network, inverse):
        self.weights, self.inverse = network, inverse
        self.architecture = network.architecture
        self.encoder = self.build_encoder("float32")
        self.encoders, self.decoders = {}, {}
        self.build(LEVELS, "float32")
        self.exact = self  # of those that were compiled, too
        self.descriptions = OrderedDict()
        self.lock = threading.RLock()

    def build_encoder(self, precision):
        """Return the encoder of all levels."""
        model = functions.build_model(LEVELS, self.architecture, precision=precision)
        self.weights.assign(model)
        return model

    def build(self, levels, precision):
        """Make the encoder and the decoder of some levels, see `functions.build_model`."""
        is_exact = precision == "float32"
        model = self.encoder if is_exact else self.build_encoder(precision)
        policy = precision if is_exact else f"mixed_{precision}"
        for level in levels:
            self.encoders[level] = keras.Model(model.input, {level: model.output[level]})
            built = decoder.build_decoder(level, self.architecture, policy=policy)
            self.decoders[level] = decoder.assign(built, self.inverse.levels[level])

    def compiled(self, precision="float32", **options):
        """Return one that paints by graphs: in two thirds of the time, once a size was painted.

        Args:
            precision: of the `DEEP` levels; the others stay exact, and so do all descriptions, and
                what goes in blocks.
            options: of `tf.function`.
        """
        twin = copy.copy(self)
        twin.encoders, twin.decoders = dict(self.encoders), dict(self.decoders)
        if precision != "float32":
            twin.build(DEEP, precision)
        for models in (twin.encoders, twin.decoders):
            for level, model in models.items():
                models[level] = compile_model(model, **options)
        return twin

    @functools.cached_property
    def in_blocks(self):
        """One that paints block by block: graphs for all shapes.

        A model that is called keeps the output of every layer to its end, three times as much.
        """
        twin = self.compiled(reduce_retracing=True)
        twin.encoder = compile_model(self.encoder, reduce_retracing=True)
        return twin

    def paint(self, material, settings):
        """Paint a picture in one pass.

        Args:
            material: a `Material`: content, styles, regions.
            settings: `transform` and `strength`.

        Returns:
            An image of the content's shape, before `material.show`: NumPy, or where the content is
            a `large.Large`, such a one.
        """
        with find_device().scope():
            return self.paint_there(material, settings)

    def paint_there(self, material, settings):
        """Do the work of `paint` where this thread computes."""
        block = choose_block(material, settings, BYTES)
        network = self if block == math.inf else self.exact.in_blocks
        styles = [(style.shares, network.describe(style, block)) for style in material.styles]
        image, strengths = material.content, parse_strength(settings.strength)
        if block < math.inf:  # a look for the statistics of each level, and one to paint it
            watch.expect(2 * sum(map(bool, strengths)))
        for level, strength in zip(LEVELS, strengths):
            if strength:
                repaint = Level(network, level, settings.transform, strength)
                image = repaint(
                    image,
                    [(shares, found[level]) for shares, found in styles],
                    material.mask,
                    block=block,
                )
        return leave_out(image, material.content, material)

    def describe(self, style, block=math.inf):
        """Describe a `Style`: from level to a list of statistics, one a region; kept for later.

        Args:
            block: side of the largest block that it is looked at in.
        """
        key = style.fingerprint(), block
        with self.lock:
            if key not in self.descriptions:
                self.descriptions[key] = self.describe_anew(style, block)
                if len(self.descriptions) > DESCRIPTIONS:
                    self.descriptions.popitem(last=False)
            self.descriptions.move_to_end(key)
            return self.descriptions[key]

    def describe_anew(self, style, block=math.inf):
        """Do the work of `describe`, block by block."""
        look = Look(self.encoder, self.architecture, LEVELS, style.picture, block)
        return look.describe_regions(style.mask)


def compile_model(model, **options):
    """Return what a Keras model does, as a `tf.function`."""
    # Without partial, TensorFlow takes one trace each of five models for five of one, and warns.
    return tf.function(functools.partial(model.call), autograph=False, **options)


class Look:
    """What an encoder makes of a picture, block by block; of one block it is looked at once.

    Args:
        encoder: a Keras model with the features of `levels`.
        architecture: its own.
        levels: names of layers.
        picture: (1, height, width, 3), or a `large.Large`.
        block: side of the largest block, in pixels.
        reaches: how often a margin of the encoder is needed: 2 for what a decoder makes of it.
        border: mirrored pixels around the picture.
    """

    def __init__(self, encoder, architecture, levels, picture, block, *, reaches=1, border=BORDER):
        self.encoder, self.architecture, self.levels = encoder, architecture, levels
        self.padding = borders.padding(picture.shape[1:3], border)
        self.padded = pad(picture, self.padding)
        self.block, self.margin = block, reaches * architecture.margin(levels)
        self.blocks = self.plan(self.padding)
        self.last = None, None  # number of a block, and its features

    def plan(self, around):
        """Plan the blocks; what each owns is without what is `around`, see `blocks.plan`."""
        strides = {level: self.architecture.stride(level) for level in self.levels}
        whole = self.padded.shape[1:3]
        return blocks.plan(whole, around, self.block, self.margin, strides, even=True)

    def guides(self, mask):
        """Return the `guides.Guides` of a mask of the picture, or of None."""
        return guides.Guides(None if mask is None else pad(mask, self.padding), self)

    def features(self, number):
        """Return the features of all that is seen of a block, by level; the last are kept."""
        if self.last[0] != number:
            self.last = None, None  # lets go of them first
            seen = blocks.view(self.padded, self.blocks[number][0])
            self.last = number, self.encoder(ops.convert_to_tensor(seen))
        return self.last[1]

    def add_up(self, summing):
        """Add up sums over the positions of all blocks.

        Args:
            summing: function from a level, the features that a block owns and its number to a list
                of `statistics.Sums`.

        Returns:
            Such a list for each level.
        """
        sums = {}
        for number in watch.over(range(len(self.blocks))):
            for level in self.levels:
                found = summing(level, self.own(number, level), number)
                sums[level] = list(map(operator.add, sums[level], found)) if number else found
        return sums

    def own(self, number, level):
        """Return the features that a block owns."""
        piece = self.blocks[number][1][level]
        return blocks.cut(self.features(number)[level], piece.first, piece.size)

    def describe_regions(self, mask):
        """Return mean and covariance of each level's features in each region of a mask, NumPy."""
        guides = self.guides(mask)

        def summing(level, own, number):
            return [statistics.sum_positions(own, each) for each in guides.own(level, number)]

        return {
            level: [
                {name: ops.convert_to_numpy(each)[0] for name, each in values.items()}
                for values in map(statistics.covariances, sums)
            ]
            for level, sums in self.add_up(summing).items()
        }


class Level:
    """One level of a `UniversalTransfer`: encode, transform, decode."""

    def __init__(self, network, level, transform, strength):
        self.encoder, self.decoder = network.encoders[level], network.decoders[level]
        self.architecture, self.level = network.architecture, level
        self.transform, self.strength = transform, strength

    def __call__(self, image, styles, mask, *, block=math.inf):
        """Repaint an image (1, height, width, 3).

        Args:
            styles: for each style its shares and its statistics, by region.
            mask: (1, height, width, regions), or None.
            block: side of the largest block, in pixels.
        """
        look = Look(self.encoder, self.architecture, [self.level], image, block, reaches=2)
        found = look.describe_regions(mask)[self.level]
        maps = [self.find_map(each, styles, region) for region, each in enumerate(found)]
        guides = look.guides(mask)
        painted = large.empty_like(image)
        for number in watch.over(range(len(look.blocks))):
            pieces = look.blocks[number][1]
            pooled = guides.pooled(self.level, number)
            mapped = apply_maps(look.features(number)[self.level], maps, pooled)
            part = self.decoder(mapped)
            own = blocks.cut(part, pieces["image"].first, pieces["image"].size)
            blocks.put(ops.clip(own, 0.0, 1.0), painted, pieces["image"])
        return painted

    def find_map(self, content, styles, region):
        """Return the map of one region, or None where nothing is painted."""
        chosen = [(shares[region], found[region % len(found)]) for shares, found in styles]
        total = sum(share for share, _ in chosen)
        if not total:
            return None
        shares = [self.strength * share / total for share, _ in chosen if share]
        maps = [
            transforms.find_map(self.transform, content, style) for share, style in chosen if share
        ]
        return transforms.mix_maps(maps, shares)


def choose_block(material, settings, each=memory.BYTES_OF_A_BLOCK):
    """Return the side of the largest block that `--memory` lets one pass take.

    Args:
        each: bytes that the network takes for each pixel of what it sees of a block.
    """
    pictures = [material.content, *(style.picture for style in material.styles)]
    sizes = [picture.shape[2:0:-1] for picture in pictures]
    each += BYTES_OF_A_REGION * (0 if material.mask is None else material.mask.shape[-1])
    budget, is_large = room.find_budget(settings.memory), large.is_large(material.content)
    return room.choose_pass_block(sizes, budget, each=each, is_large=is_large)


def pad(picture, padding):
    """Mirror a picture at its edges, see `borders.pad`: a tensor, or a `large.Large`."""
    if large.is_large(picture):
        return large.Framed(picture, padding)
    return borders.pad(ops.convert_to_tensor(picture), padding)


def apply_maps(features, maps, pooled):
    """Map features (1, h, w, N), each position by its regions' maps; None leaves it as it is.

    Args:
        maps: of each region, (A, b) or None.
        pooled: (1, h, w, regions), how much a position belongs to each; None: one region.
    """
    if pooled is None:
        return affine(features, maps[0])
    # One region after the other, since what each is mapped to is as large as the features.
    return sum(
        pooled[..., index : index + 1] * affine(features, each) for index, each in enumerate(maps)
    )


def affine(features, found):
    """Return A x + b for the features x of each position, (1, h, w, N); x where there is no map."""
    if found is None:
        return features
    matrix, offset = found
    matrix, offset = matrix.T.astype(np.float32), offset.astype(np.float32)
    return ops.matmul(features, ops.convert_to_tensor(matrix)) + ops.convert_to_tensor(offset)


def leave_out(image, content, material):
    """Put the content itself back into the regions that get no style."""
    if material.mask is None:
        return image
    painted = [any(shares) for shares in zip(*(style.shares for style in material.styles))]

    def mix(image, content, mask):
        share = np.sum(mask[..., painted], axis=-1, keepdims=True)
        return content + share * (image - content)

    return large.combine(mix, image, content, material.mask)
