"""The loss that a network is trained by: that of painting, for a batch of images.

Two things differ. Networks that enlarge what they paint weave a grid into it, with the period of
what they enlarge; that has a loss of its own. And far from its minimum the error of a style counts
by its logarithm alone: it begins a hundred times larger than it ends; in proportion it would drown
the content, which the network then never learns to keep, and of several styles the one that it can
do least about would get all the attention.
"""

import numpy as np
from keras import ops

import functions
from style_transfer.feedforward import backends, gallery
from style_transfer.method.statistics import square_root
from style_transfer.optimization import targets
from style_transfer.optimization.network import build_network, choose_lifts
from style_transfer.optimization.targets import Style

KNEE = 0.06  # the error of a style above which its logarithm begins to count
PERIOD, WINDOW = 4, 56  # pixels between two positions of the trunk's; in which a grid is looked for
GRID = 1000.0  # the weight of the grid


class Loss:
    """The losses of images, each of which is to resemble one of several pictures, or two.

    Args:
        network: `networks.weights.Weights` of the network that sees.
        settings: a `Settings`.
        styles: the pictures, each (1, height, width, 3); one is looked at after the other.
        precision: what the network computes in.
    """

    def __init__(self, network, settings, styles, precision="float32"):
        self.settings, self.precision = settings, precision
        self.model = build_network(network, settings, precision)
        self.lifts = choose_lifts(network, settings)
        self.weights = np.float32(settings.loss_weights)
        with backends.looking():
            self.styles = self.describe(styles)

    def describe(self, styles):
        """Return the statistics of all styles, stacked: from layer name to a region."""
        found = [
            targets.describe_picture(self.model, Style(each), self.settings, self.lifts)
            for each in styles
        ]
        stacked = {}
        for name, weight in targets.layer_weights(self.settings, self.model).items():
            own = [each[name][0] for each in found]
            statistics = {key: ops.stack([each[key][0] for each in own]) for key in own[0]}
            stacked[name] = {"weight": weight, "statistics": statistics}
            stacked[name] |= {"lift": self.lifts[name]} if name in self.lifts else {}
        return stacked

    def look(self, images):
        """Return the features of images, from layer name to (batch, height, width, N)."""
        return functions.extract_features(self.model, images, border=self.settings.border)

    def mix(self, choice):
        """Return the statistics of what images are to resemble, see `gallery.Choice`.

        Returns:
            From layer name to statistics by their names, each (batch, …).
        """
        return {
            name: {key: gallery.mix(each, choice) for key, each in region["statistics"].items()}
            for name, region in self.styles.items()
        }

    def __call__(self, photos, images, statistics):
        """Judge images.

        Args:
            photos, images: (batch, height, width, 3) in [0, 1].
            statistics: of what they are to resemble, see `mix`.

        Returns:
            The unweighted losses of each, (batch, 3) in the order of `functions.TERMS`; and the
            features of the images, see `look`.
        """
        settings, features = self.settings, self.look(images)
        photo = self.look(photos)
        content = {name: photo[name] for name in settings.content_layers}
        kinds = {"kind": settings.style_loss, "form": settings.loss}
        losses = [
            functions.content_loss(features, content, form=settings.loss),
            functions.style_loss(features, self.complete(statistics), **kinds),
            functions.total_variation(images, form=settings.tv_form),
        ]
        return ops.stack(losses, axis=1), features

    def complete(self, statistics):
        """Return what `functions.style_loss` wants to know of mixed statistics."""

        def add_root(mixed):
            if "covariance" in mixed:
                return mixed | {"root": square_root(mixed["covariance"])}
            return mixed

        return {
            name: [region | {"statistics": add_root(statistics[name])}]
            for name, region in self.styles.items()
        }

    def objective(self, images, losses, weights):
        """Return what is minimized: the weighted losses, of the styles' errors the logarithm.

        Args:
            images: (batch, height, width, 3).
            losses: of the images, (batch, 3 or more).
            weights: as many.
        """
        content, style, *others = ops.unstack(losses, axis=1)
        tempered = KNEE * ops.log(1.0 + style / KNEE)
        weighted = zip(weights, (content, tempered, *others))
        weighted = sum(weight * each for weight, each in weighted)
        return ops.mean(weighted + GRID * measure_grid(images))


def measure_grid(images):
    """Measure what repeats every four pixels: the variance of the mean colors of 4×4 phases.

    In photos and paintings it is next to nothing, since they know of no such phases. Taken over the
    whole of an image it would miss a grid that is light here and dark there.

    Args:
        images: (batch, height, width, 3), sides of 4 pixels or more.

    Returns:
        (batch,): the mean over windows of 56×56 pixels.
    """
    batch, *sides, colors = ops.shape(images)
    tiles = [min(WINDOW, side) // PERIOD for side in sides]
    rows, columns = (side // (PERIOD * count) for side, count in zip(sides, tiles))
    height, width = (count * PERIOD * each for count, each in zip(tiles, (rows, columns)))
    shape = (batch, rows, tiles[0], PERIOD, columns, tiles[1], PERIOD, colors)
    phases = ops.mean(ops.reshape(images[:, :height, :width], shape), axis=(2, 5))
    return ops.mean(ops.var(phases, axis=(2, 4)), axis=(1, 2, 3))
