"""What a training starts with: the network, its first weights, what it learns from."""

import math

import keras
import numpy as np

from style_transfer.feedforward import (
    architectures,
    dataset,
    gallery,
    prediction,
    style_file,
    training,
    trunk,
)
from style_transfer.feedforward.critic import Critic
from style_transfer.feedforward.loss import Loss
from style_transfer.feedforward.train import CROP, SHORTER_SIDE
from style_transfer.optimization.device import choose_precision
from style_transfer.pictures import images

VARIATIONS, GALLERY = 20, 600  # of each painting; of all of them, at most
NORMS = ("_norm/scale", "_norm/shift")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # Keras' names, by precision


def build_trainer(task, material, settings, devices, saved):
    """Build a `training.Trainer`.

    Args:
        task, material: of `train`.
        settings: a `Settings`.
        devices: see `replicas`; this is called in its scope.
        saved: from `Trainer.save`, or None.

    Raises:
        checkpoint.CheckpointError: what was saved is not of such a training.
    """
    keras.utils.set_random_seed(settings.seed)
    precision = choose_precision(settings)
    side = round(settings.size * settings.style_scale)
    paintings = [resize(each, side) for each in material.styles]
    build = build_for_any if task.arch in style_file.FOR_ANY else build_for_some
    network, styles, pictures = build(task, material, settings, paintings, POLICIES[precision])
    loss = Loss(material.network, settings, pictures, precision)
    sizes = {"shorter_side": SHORTER_SIDE, "seed": settings.seed}
    photos = dataset.Batches(material.paths, (task.batch, CROP), **sizes)
    held_back = dataset.Batches(material.held_back, (len(material.held_back), CROP), **sizes)
    preview = resize(material.preview, settings.size)
    lesson = training.Lesson(photos, held_back.batch(0), preview, styles(), len(paintings))
    critic = hire_critic(task.critic, material, settings, loss, devices) if task.critic else None
    kind = {"critic": critic, "devices": devices}
    return training.Trainer(network, loss, lesson, settings, saved=saved, **kind)


def hire_critic(weight, material, settings, loss, devices):
    """Build a `critic.Critic` that sees the style layers."""
    widths = {name: loss.model.get_layer(name).filters for name in settings.style_layer_weights}
    longest = round(settings.size * settings.style_scale)

    def enlarge(picture):
        width, height = images.fitted_size(picture.pixels.size, longest)
        scale = max(1.0, CROP / min(width, height))
        return images.to_tensor(picture, (math.ceil(width * scale), math.ceil(height * scale)))

    paintings = [enlarge(each) for each in material.styles]
    return Critic(weight, widths, paintings, devices)


def resize(picture, side):
    """Return a picture as a tensor whose longer side is so many pixels, or its own."""
    return images.to_tensor(picture, images.fitted_size(picture.pixels.size, side))


def build_for_some(task, material, settings, paintings, policy):
    """Build a network that has a scale and a shift for each painting.

    Returns:
        (network, function that returns what tells it how to paint like each, the paintings).
    """
    known = len(material.start.names) if task.add else 0
    count = known + len(paintings)
    network = trunk.build_trunk(count, policy)
    if material.start:
        mixture = mix_start(material.start, paintings)
        if task.add:
            mixture = np.vstack([np.eye(known, dtype=np.float32), mixture])
            freeze(network)
        architectures.assign(network, mix_styles(material.start.arrays, mixture))
    return network, lambda: np.eye(count, dtype=np.float32)[known:], paintings


def build_for_any(task, material, settings, paintings, policy):
    """Build a network that a painting is described to, see `build_for_some`."""
    network, moments = architectures.build(task.arch, 0, policy), []

    def look():
        for each in list_variations(paintings, settings.seed):
            moments.append(prediction.describe(each))
            yield each

    def styles():
        found = np.stack(moments)
        if task.arch == "google" and not material.start:
            prediction.find_code(network).adapt(found)
        return found

    if material.start:
        architectures.assign(network, material.start.arrays)
    return network, styles, look()


def list_variations(paintings, seed):
    """Generate the paintings, then variations of each."""
    yield from paintings
    count = min(VARIATIONS, GALLERY // len(paintings))
    for number, painting in enumerate(paintings):
        generator = np.random.default_rng((seed, number, 4))
        for _ in range(count - 1):
            yield gallery.vary(painting, generator)


def mix_start(file, paintings):
    """Return how much of each style of a trained network is in each painting: (count, styles).

    One that predicts tells; from one that knows some styles, all begin at the mean of these.
    """
    if file.arch != "google":
        return np.full((len(paintings), len(file.names)), 1 / len(file.names), np.float32)
    network = prediction.build_network()
    architectures.assign(network, file.arrays)
    moments = np.stack([prediction.describe(each) for each in paintings])
    return keras.ops.convert_to_numpy(network.get_layer("predictor")(moments))


def mix_styles(arrays, mixture):
    """Return the weights of the trunk for mixtures of the styles that it knows.

    Args:
        arrays: its weights by name; those of a predictor are left out.
        mixture: (count, styles).
    """
    return {
        name: mixture @ each if name.endswith(NORMS) else each
        for name, each in arrays.items()
        if not name.startswith(prediction.PREFIXES)
    }


def freeze(network):
    """Leave only scales and shifts to be trained."""
    for layer in network.layers:
        layer.trainable = isinstance(layer, trunk.ConditionalInstanceNormalization)
