"""Paint with a trained network."""

import functools
import math

import numpy as np
import tensorflow as tf

from style_transfer import files
from style_transfer.feedforward import (
    architectures,
    autoencoder,
    moments,
    prediction,
    style_file,
    trunk,
    universal,
    whole,
)
from style_transfer.pictures import large
from style_transfer.validation import parse_strength

NORMS = (  # that take statistics of the whole picture
    trunk.ConditionalInstanceNormalization,
    autoencoder.AdaptiveInstanceNormalization,
    moments.Moments,
)


class Network:
    """A trained network, for pictures of all sizes.

    Args:
        file: a `style_file.StyleFile`.

    Raises:
        files.FileError: its weights are those of another network.
    """

    def __init__(self, file):
        self.file = file
        style_file.check_eye(file)
        self.model = architectures.build(file.arch, file.count)
        self.choose = self.describe if file.paints_any else self.look_up
        try:
            architectures.assign(self.model, file.arrays)
        except ValueError as error:
            raise files.FileError(file.path, error, style_file.REMEDY) from None
        self.compiled = Compiled(self.model)

    def paint(self, material, settings):
        """Paint a picture in one pass, and one more for each further region.

        Args:
            material: a `Material`; of the styles of a network that has its own, only the regions
                count.
            settings: `blend`, how much of each style that the network knows, or else the first;
                `strength`, below 1 a mixture with the photo.

        Returns:
            An image of the content's shape, before `material.show`: NumPy, or where the content is
            a `large.Large`, such a one.
        """
        strength, content = parse_strength(settings.strength, auto=1.0)[0], material.content
        block = universal.choose_block(material, settings)
        images = [
            architectures.paint(self.compiled, content, each, block=block)
            for each in self.choose(material, settings)
        ]
        painted = images[0]
        if material.mask is not None:
            painted = large.combine(put_together, material.mask, *images)
        image = large.combine(functools.partial(mix, strength=strength), painted, content)
        return universal.leave_out(image, content, material)

    def look_up(self, material, settings):
        """Return how much of each style that the network knows is in each region: (1, styles)."""
        mixture = settings.blend or (1.0, *[0.0] * (self.file.count - 1))
        regions = 1 if material.mask is None else material.mask.shape[-1]
        return [np.float32([mixture]) / np.float32(sum(mixture))] * regions

    def describe(self, material, settings):
        """Return the moments of the paintings for each region, (1, 2, N), see `prediction`."""
        block = universal.choose_block(material, settings)
        looks = [prediction.describe(style.picture, block) for style in material.styles]
        shares = np.float32(list(zip(*(each.shares for each in material.styles))))  # by region
        total = np.maximum(shares.sum(axis=1, keepdims=True), 1e-6)  # one may get no style
        return [np.tensordot(each, looks, 1)[None] for each in shares / total]


class Compiled:
    """What a network does, as a graph: of the whole picture, or block by block.

    A model that is called keeps the output of every layer to its end: at 1536 px 3.9 GB instead
    of 1.3 GB, which takes several times as long.

    Args:
        model: from `architectures.build`, or of `google`.
    """

    def __init__(self, model):
        self.whole = tf.function(lambda inputs: model(inputs), reduce_retracing=True)
        self.predict, self.model = None, model
        names = [layer.name for layer in model.layers]
        if "trunk" in names:  # whose mixture is predicted first
            self.predict, self.model = map(model.get_layer, ("predictor", "trunk"))
        self.edge = autoencoder.EDGE if "mirror" in names else 0
        self.blocks = None

    def __call__(self, inputs, block=math.inf):
        """Return the images for [images, styles]; in blocks of at most `block` pixels."""
        image, style = inputs
        if block >= max(image.shape[1:3]) and not large.is_large(image):
            return self.whole(inputs)
        if self.blocks is None:
            self.blocks = whole.Blocks(self.model, list_norms(self.model), self.edge)
        return self.blocks(image, self.predict(style) if self.predict else style, block)


def put_together(mask, *images):
    """Put an image together from its regions: of each image, (1, h, w, 3), its part of a mask."""
    areas = np.split(mask, len(images), axis=-1)
    return sum(area * image for area, image in zip(areas, images))


def mix(painted, content, *, strength):
    """Mix what was painted with the photo."""
    return content + np.float32(strength) * (painted - content)


def list_norms(model):
    """List the names of the layers of a model that normalize by the whole picture."""
    return [layer.name for layer in model.layers if isinstance(layer, NORMS)]
