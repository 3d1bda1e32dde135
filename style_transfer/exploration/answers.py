"""How channels answer before their ReLU: what a picture that is to excite them climbs.

After the ReLU a channel that is silent has no gradient, and a picture that starts there stays gray.
"""

import keras
import numpy as np
from keras import ops

from style_transfer.errors import SettingsError
from style_transfer.optimization.network import build_network


def choose_head(network, layer, space):
    """Return the head of a layer, see `networks.weights.Weights`; None where channels are its own.

    Args:
        space: `raw`, the network's own channels; `lifted`, those of the large network that its
            heads estimate; `auto`, lifted where there is a head.

    Raises:
        SettingsError: there is none, and one is asked for.
    """
    head = None if space == "raw" else network.heads.get(layer)
    if space == "lifted" and head is None:
        raise SettingsError(f"--space: {network.name} has no head for {layer}; add --space raw")
    return head


def count_channels(network, layer, head):
    """Return how many channels there are to choose from."""
    return network.architecture.width(layer) if head is None else head[1].size


def find_dead(network, layer, channels, head=None):
    """Return those channels that nothing can excite: all their weights are 0."""
    kernel = network.layers[layer][0] if head is None else head[0]
    return [each for each in channels if not np.any(kernel[..., each])]


def build_answers(network, settings, layer, channels, head=None):
    """Build the network from an image to the answers of some channels of a layer.

    Args:
        network: `networks.weights.Weights`.
        settings: of a network that ends at the layer.
        layer: its name.
        channels: their numbers.
        head: (kernel (N, K), bias (K,)): the channels are those that it makes of the layer's N.

    Returns:
        A Keras model from (batch, height, width, 3) in [0, 1] to (batch, rows, columns, channels),
        float32.
    """
    model = build_network(network, settings, "float32")
    if head is None:
        kernel, bias = network.layers[layer]
        before = model.get_layer(layer).input
    else:
        kernel, bias = head[0][np.newaxis, np.newaxis], head[1]
        before = model.output[layer]
    channels = list(channels)
    convolution = keras.layers.Conv2D(len(channels), kernel.shape[0], padding="same")
    answers = keras.Model(model.input, ops.cast(convolution(before), "float32"))
    convolution.set_weights([kernel[..., channels], bias[channels]])
    answers.trainable = False
    return answers
