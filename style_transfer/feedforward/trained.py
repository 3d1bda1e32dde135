"""Paint with a trained network."""

import functools
import math

import keras
import numpy as np
import tensorflow as tf

from style_transfer import files
from style_transfer.feedforward import (
    autoencoder,
    google,
    models,
    prediction,
    style_file,
    trunk,
    universal,
    whole,
)
from style_transfer.optimization import room
from style_transfer.runs import checkpoint
from style_transfer.validation import parse_strength

#: What builds each of `style_file.FOR_ANY`.
BUILDERS = {
    "google": prediction.build_network,
    "adain": functools.partial(autoencoder.build_network, skips=False),
    "autoencoder": functools.partial(autoencoder.build_network, skips=True),
}
NORMS = (  # that take statistics of the whole picture
    trunk.ConditionalInstanceNormalization,
    autoencoder.AdaptiveInstanceNormalization,
    whole.Moments,
)
MULTIPLE = 4  # of the sides that the networks can take


def build(arch, count, policy="float32"):
    """Build a network of an architecture; one that is for some styles, for so many.

    Args:
        policy: what it computes in, see `trunk.build_trunk`.
    """
    if arch == models.MULTISTYLE:
        return google.build_transfer_network(google.MULTISTYLE)
    return BUILDERS[arch](policy) if arch in BUILDERS else trunk.build_trunk(count, policy)


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
        self.model = build(file.arch, file.count)
        self.choose = self.describe if file.paints_any else self.look_up
        try:
            assign(self.model, file.arrays)
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
            An image of the content's shape, before `material.show`, NumPy.
        """
        strength, content = parse_strength(settings.strength, auto=1.0)[0], material.content
        block = choose_block(content, settings)
        chosen = self.choose(material, settings)
        images = [paint(self.compiled, content, each, block) for each in chosen]
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
        pictures = [style.picture for style in material.styles]
        moments = [prediction.describe(each, choose_block(each, settings)) for each in pictures]
        shares = np.float32(list(zip(*(each.shares for each in material.styles))))  # by region
        total = np.maximum(shares.sum(axis=1, keepdims=True), 1e-6)  # one may get no style
        return [np.tensordot(each, moments, 1)[None] for each in shares / total]


class Compiled:
    """What a network does, as a graph: of the whole picture, or block by block.

    A model that is called keeps the output of every layer to its end: at 1536 px 3.9 GB instead
    of 1.3 GB, which takes several times as long.

    Args:
        model: from `build`, or of `google`.
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
        if block >= max(image.shape[1:3]):
            return self.whole(inputs)
        if self.blocks is None:
            self.blocks = whole.Blocks(self.model, list_norms(self.model), self.edge)
        return self.blocks(image, self.predict(style) if self.predict else style, block)


def choose_block(content, settings):
    """Return the side of the largest block of a picture that `--memory` lets one pass take."""
    return room.choose_pass_block(content.shape[1:3], room.find_budget(settings.memory))


def list_norms(model):
    """List the names of the layers of a model that normalize by the whole picture."""
    return [layer.name for layer in model.layers if isinstance(layer, NORMS)]


def paint(model, photos, mixture, block=math.inf):
    """Paint photos of any size: they go on beyond their edges, mirrored, to multiples of 4.

    Args:
        model: from `build`, or `Compiled`.
        photos: (batch, height, width, 3) in [0, 1].
        mixture: what says how: shares (batch, styles), moments (batch, 2, N), or what else the
            model takes a style as.
        block: side of the largest block that a `Compiled` takes, in pixels.

    Returns:
        An array of the photos' shape.
    """
    height, width = photos.shape[1:3]
    missing = [(0, -side % MULTIPLE) for side in (height, width)]
    padded = np.pad(photos, ((0, 0), *missing, (0, 0)), mode="reflect")
    inputs, options = [padded, np.asarray(mixture, np.float32)], {}
    if block < math.inf:
        options["block"] = block
    image = keras.ops.clip(model(inputs, **options), 0.0, 1.0)
    return keras.ops.convert_to_numpy(image)[:, :height, :width]


def list_weights(model):
    """Return copies of the weights of a Keras model by name, without those of the encoder."""
    return {name: np.array(each) for name, each in list_variables(model).items()}


def list_variables(model):
    """Return what a training can change, by name; the encoder comes with the program."""
    return {each.path: each for each in model.weights if not each.path.startswith("block")}


def assign(model, arrays):
    """Give a Keras model its weights; raise ValueError unless they are its own."""
    checkpoint.check_arrays(arrays, list_weights(model))
    for name, variable in list_variables(model).items():
        variable.assign(arrays[name])
