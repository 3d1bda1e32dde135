"""The network as a graph: what each of its layers is, told from the Keras model itself."""

import csv
import io
import math
from dataclasses import dataclass

import keras

from style_transfer import files
from style_transfer.exploration import diagram
from style_transfer.exploration.study import Explorer
from style_transfer.optimization.device import find_device
from style_transfer.optimization.network import build_network

NAME = "model"
COLUMNS = (
    "layer",
    "height",
    "width",
    "channels",
    "receptive field",
    "weights",
    "multiplications",
    "losses",
)


@dataclass(frozen=True)
class Node:
    """A layer of the network that has features: a convolution, a pooling, or the image.

    Attributes:
        name: of the layer.
        kind: `image`, `convolution` or `pooling`.
        height, width, channels: of its features.
        field: pixels, along one axis, that a position of it sees.
        weights: how many numbers it has learned.
        multiplications: that it takes for one image.
        losses: names of the terms that its features feed, each with its share.
    """

    name: str
    kind: str
    height: int
    width: int
    channels: int
    field: int
    weights: int
    multiplications: int
    losses: dict


def list_nodes(model, size, losses):
    """List the layers of a model, from the image upwards.

    Args:
        model: from `functions.build_model`: its layers follow each other.
        size: (width, height) of the image.
        losses: from layer name to the terms that its features feed, with their shares; those of
            the image itself by the model's input's name.
    """
    shape, field, stride = (1, size[1], size[0], 3), 1, 1
    nodes = [Node("image", "image", *shape[1:], field, 0, 0, losses.get("image", {}))]
    for layer in model.layers:
        kind = kind_of(layer)
        if kind is None:
            continue
        shape = layer.compute_output_shape(shape)
        window = layer.kernel_size if kind == "convolution" else layer.pool_size
        field, stride = field + (window[0] - 1) * stride, stride * layer.strides[0]
        # Each number of the output is the sum of as many products as a kernel has numbers.
        products = math.prod(shape[1:]) * math.prod(layer.kernel.shape[:3]) if layer.weights else 0
        weights = layer.count_params()
        terms = losses.get(layer.name, {})
        nodes.append(Node(layer.name, kind, *shape[1:], field, weights, products, terms))
    return nodes


def kind_of(layer):
    """Return what a layer is; None for those between, which have no size of their own."""
    if isinstance(layer, keras.layers.Conv2D):
        return "convolution"
    pooling = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
    return "pooling" if isinstance(layer, pooling) else None


def list_losses(settings):
    """Return which layers feed which term of the loss, see `list_nodes`."""
    losses = {"image": {"total variation": 1.0}} if settings.tv_weight else {}
    for name in settings.content_layers:
        losses.setdefault(name, {})["content"] = 1.0 / len(settings.content_layers)
    weights = settings.style_layer_weights
    for name, weight in weights.items():
        losses.setdefault(name, {})["style"] = weight / sum(weights.values())
    return losses


class Graph(Explorer):
    """The graph of the network that the settings ask for."""

    result = f"{NAME}.png"

    def __init__(self, study, prepared):
        self.network, self.settings = prepared.network, prepared.settings
        pictures = prepared.pictures.values()
        size = self.settings.size
        self.size = next((prepared.fit(picture) for picture in pictures), (size, size))
        with find_device().scope():
            model = build_network(self.network, self.settings, "float32")
        self.title = f"The graph of {self.network.name}"
        self.nodes = list_nodes(model, self.size, list_losses(self.settings))

    def outline(self):
        """Return lines that say what the network is."""
        weights = sum(node.weights for node in self.nodes)
        products = sum(node.multiplications for node in self.nodes)
        count = sum(node.kind == "convolution" for node in self.nodes)
        width, height = self.size
        return (
            f"{self.network.name}: {count} convolutions, {weights:,} weights",
            f"{width}×{height} px: {products / 1e9:.1f} billion multiplications",
        )

    def explore(self, album, _should_stop):
        """Draw the graph, as SVG and as PNG, and write its numbers; see `Explorer`."""
        title = ". ".join(self.outline())
        for suffix in ("png", "svg"):
            data = diagram.draw(self.nodes, title, suffix)
            files.write(album.path(f"{NAME}.{suffix}"), data)
        self.svg = data.decode()
        files.write_text(album.path(f"{NAME}.csv"), self.to_csv())
        yield from ()
        return 1, True

    def to_csv(self):
        """Write the layers as a table."""
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(COLUMNS)
        for node in self.nodes:
            losses = " ".join(f"{name}:{share:.3g}" for name, share in node.losses.items())
            size = node.height, node.width, node.channels, node.field
            table.writerow([node.name, *size, node.weights, node.multiplications, losses])
        return buffer.getvalue()
