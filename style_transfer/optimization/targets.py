"""What the image is to resemble: features of the photo, statistics of paintings, by region."""

import hashlib
import itertools
from typing import Any, NamedTuple

import numpy as np
from keras import ops

import functions
from style_transfer.method import regions, statistics
from style_transfer.pictures import large


class Style(NamedTuple):
    """A picture to learn the style from.

    Attributes:
        picture: (1, height, width, 3).
        shares: for each region of the content, how much of its style comes from this picture.
        mask: (1, height, width, regions), how much a pixel belongs to each region; None: all of
            the picture speaks for every region.
    """

    picture: Any
    shares: tuple = (1.0,)
    mask: Any = None

    def fingerprint(self):
        """Tell it from others."""
        arrays = [each for each in (self.picture, self.mask) if each is not None]
        total = hashlib.sha256(repr((self.shares, [each.shape for each in arrays])).encode())
        for band in itertools.chain.from_iterable(map(large.list_bands, arrays)):
            total.update(np.ascontiguousarray(band))
        return total.digest()


class Targets(NamedTuple):
    """What the image is to resemble, computed once; see `functions.style_loss`.

    Attributes:
        content: from layer name to the photo's features (1, height, width, N).
        style: from layer name to a tuple of regions.
    """

    content: dict
    style: dict


def compute_targets(
    model, content, styles, settings, *, mask=None, features=None, descriptions=None, lifts=None
):
    """Compute the photo's features and the statistics of the style pictures.

    Args:
        model: from `functions.build_model`.
        content: image (1, height, width, 3) in [0, 1].
        styles: a list of `Style`.
        settings: layers, statistics and the layers' weights.
        mask: (1, height, width, regions): how much a pixel of the content belongs to each; None
            if there is one region, which is everything.
        features: of the content, of its layers at least, where they are known.
        descriptions: of `describe_picture` for each style, where they are known.
        lifts: from layer name to the (K, N + 1) that its statistics are lifted by.
    """
    lifts = lifts or {}
    if features is None:
        features = functions.extract_features(model, content, border=settings.border)
    if descriptions is None:
        descriptions = [describe_picture(model, style, settings, lifts) for style in styles]
    shares = list(zip(*(style.shares for style in styles)))  # by region
    areas = [1.0] if mask is None else [float(each) for each in mask.mean(axis=(0, 1, 2))]
    style = {}
    for name, weight in layer_weights(settings, model).items():
        guides = regions.guides(mask, name, settings.architecture, settings.border)
        style[name] = tuple(
            region_target(
                weight * area,
                [each[name][region] for each in descriptions],
                share,
                {"guide": guide, "lift": lifts.get(name)},
            )
            for region, (share, area, guide) in enumerate(zip(shares, areas, guides))
            if sum(share)  # else nothing is painted there
        )
    return Targets({name: features[name] for name in settings.content_layers}, style)


def region_target(weight, descriptions, shares, others):
    """Return what a layer is to resemble in one region, see `functions.style_loss`.

    Args:
        descriptions: the statistics of each style there.
        shares: how much of each.
        others: its `guide` and `lift`, or None for what there is not.
    """
    return {
        "weight": ops.convert_to_tensor(weight, "float32"),
        "statistics": statistics.mix(descriptions, shares),
        **tensors(others),
    }


def describe_picture(model, style, settings, lifts):
    """Describe a `Style`: from layer name to a list of statistics, one for each region."""
    features = functions.extract_features(model, style.picture, border=settings.border)
    regions_ = list_regions(style, settings, lifts)
    sums = statistics.sum_regions(features, regions_, settings.style_loss)
    return finish_description(sums, style, settings)


def list_regions(style, settings, lifts):
    """Return the regions of a `Style` as `statistics.sum_regions` takes them."""
    found = {}
    for name in settings.style_layer_weights:
        guides = regions.guides(style.mask, name, settings.architecture, settings.border)
        others = [{"guide": guide, "lift": lifts.get(name)} for guide in guides]
        found[name] = tuple(map(tensors, others))
    return found


def finish_description(sums, style, settings):
    """Return what `describe_picture` does from `statistics.sum_regions`."""
    found = {
        name: [statistics.finish(each, settings.style_loss) for each in sums_]
        for name, sums_ in sums.items()
    }
    if style.mask is None:
        return {name: each * len(style.shares) for name, each in found.items()}
    return found


def tensors(values):
    """Return a dictionary with tensors for values; without what is None."""
    return {name: ops.convert_to_tensor(each) for name, each in values.items() if each is not None}


def layer_weights(settings, model):
    """Return the weight w_l of each style layer.

    `equal`: as given, their sum made 1. `geometric`: each a quarter of the one before (as in
    crowsonkb's style-transfer-pytorch, 256 to 1), their sum made 1. `gatys`: divided by the
    square of the number of channels, as in the authors' release, whatever the sum.
    """
    weights = settings.style_layer_weights
    if settings.layer_weights == "gatys":
        widths = {name: model.get_layer(name).filters for name in weights}
        return {name: each / widths[name] ** 2 for name, each in weights.items()}
    if settings.layer_weights == "geometric":
        weights = {name: each / 4**index for index, (name, each) in enumerate(weights.items())}
    return {name: each / sum(weights.values()) for name, each in weights.items()}
