"""Paint with a trained network."""

import keras
import numpy as np
import tensorflow as tf

from style_transfer import files
from style_transfer.feedforward import google, models, style_file, trunk, universal
from style_transfer.runs import checkpoint
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
        model = build(file)
        try:
            assign(model, file.arrays)
        except ValueError as error:
            raise files.FileError(file.path, error, style_file.REMEDY) from None
        self.model = compiled(model)

    def paint(self, material, settings):
        """Paint a picture in one pass.

        Args:
            material: a `Material`; of its styles, only the regions count.
            settings: `blend`, how much of each style that the network knows, or else the first;
                `strength`, below 1 a mixture with the photo.

        Returns:
            An image of the content's shape, before `material.show`, NumPy.
        """
        mixture = settings.blend or (1.0, *[0.0] * (len(self.file.names) - 1))
        shares = np.float32([mixture]) / np.float32(sum(mixture))
        image = paint(self.model, material.content, shares)
        strength = np.float32(parse_strength(settings.strength, auto=1.0)[0])
        image = material.content + strength * (image - material.content)
        return keras.ops.convert_to_numpy(universal.leave_out(image, material.content, material))


def build(file):
    """Build the Keras model that the weights of a `style_file.StyleFile` are for."""
    if file.facts.get("network") == models.MULTISTYLE:
        return google.build_transfer_network(google.MULTISTYLE)
    return trunk.build_trunk(len(file.names))


def compiled(model):
    """Return a function that does what a model does, as a graph.

    A model that is called keeps the output of every layer to its end: at 1536 px 3.9 GB instead
    of 1.3 GB, which takes several times as long.
    """
    return tf.function(lambda inputs: model(inputs), reduce_retracing=True)


def paint(model, photos, mixture):
    """Paint photos of any size: they go on beyond their edges, mirrored, to multiples of 4.

    Args:
        model: from `trunk.build_trunk` or `google.build_transfer_network`, or `compiled`.
        photos: (batch, height, width, 3) in [0, 1].
        mixture: (batch, styles), or what else the model takes a style as.

    Returns:
        An array of the photos' shape.
    """
    height, width = photos.shape[1:3]
    missing = [(0, -side % trunk.MULTIPLE) for side in (height, width)]
    padded = np.pad(photos, ((0, 0), *missing, (0, 0)), mode="reflect")
    image = model([padded, np.asarray(mixture, np.float32)])
    return keras.ops.convert_to_numpy(image)[:, :height, :width]


def list_weights(model):
    """Return copies of the weights of a Keras model by name."""
    return {each.path: np.array(each) for each in model.weights}


def assign(model, arrays):
    """Give a Keras model its weights; raise ValueError unless they are its own."""
    variables = {each.path: each for each in model.weights}
    checkpoint.check_arrays(arrays, list_weights(model))
    for name, variable in variables.items():
        variable.assign(arrays[name])
