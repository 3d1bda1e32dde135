"""Paint with a trained network."""

import keras
import numpy as np
import tensorflow as tf

from style_transfer import files
from style_transfer.feedforward import architectures, prediction, style_file, universal
from style_transfer.validation import parse_strength


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
        self.compiled = compiled(self.model)

    def paint(self, material, settings):
        """Paint a picture in one pass, and one more for each further region.

        Args:
            material: a `Material`; of the styles of a network that has its own, only the regions
                count.
            settings: `blend`, how much of each style that the network knows, or else the first;
                `strength`, below 1 a mixture with the photo.

        Returns:
            An image of the content's shape, before `material.show`, NumPy.
        """
        strength, content = parse_strength(settings.strength, auto=1.0)[0], material.content
        images = [
            architectures.paint(self.compiled, content, each)
            for each in self.choose(material, settings)
        ]
        if material.mask is None:
            painted = images[0]
        else:
            areas = np.split(material.mask, len(images), axis=-1)
            painted = sum(area * image for area, image in zip(areas, images))
        image = content + np.float32(strength) * (painted - content)
        return keras.ops.convert_to_numpy(universal.leave_out(image, content, material))

    def look_up(self, material, settings):
        """Return how much of each style that the network knows is in each region: (1, styles)."""
        mixture = settings.blend or (1.0, *[0.0] * (self.file.count - 1))
        regions = 1 if material.mask is None else material.mask.shape[-1]
        return [np.float32([mixture]) / np.float32(sum(mixture))] * regions

    def describe(self, material, settings):
        """Return the moments of the paintings for each region, (1, 2, N), see `prediction`."""
        moments = [prediction.describe(each.picture) for each in material.styles]
        shares = np.float32(list(zip(*(each.shares for each in material.styles))))  # by region
        total = np.maximum(shares.sum(axis=1, keepdims=True), 1e-6)  # one may get no style
        return [np.tensordot(each, moments, 1)[None] for each in shares / total]


def compiled(model):
    """Return a function that does what a model does, as a graph.

    A model that is called keeps the output of every layer to its end: at 1536 px 3.9 GB instead
    of 1.3 GB, which takes several times as long.
    """
    return tf.function(lambda inputs: model(inputs), reduce_retracing=True)
