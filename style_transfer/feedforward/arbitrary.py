"""Any style in one pass, by Google's published networks (Ghiasi et al., arXiv:1705.06830).

A painting becomes a code of 100 numbers, and a photo is repainted as the code says. What is between
two codes is between two styles: paintings are mixed there, and a strength below 1 goes back towards
the code of the photo itself.
"""

import functools

import numpy as np
from keras import ops

from style_transfer import files
from style_transfer.feedforward import architectures, google, trained, universal
from style_transfer.networks import google as published
from style_transfer.optimization.device import find_device
from style_transfer.pictures import large
from style_transfer.validation import parse_strength

BYTES = 450  # for each pixel of what is seen of a block, from peaks at blocks of 300 and 600 px


@functools.lru_cache(maxsize=1)
def load_network():
    """Return the `ArbitraryStyleTransfer` of the published weights, built once.

    Raises:
        SettingsError: they are in packages that are not installed.
        files.FileError: a file is damaged.
    """
    with find_device().scope():
        return ArbitraryStyleTransfer(
            load(published.PREDICTION, google.build_prediction_network()),
            trained.Compiled(
                load(published.TRANSFER, google.build_transfer_network(google.ARBITRARY))
            ),
        )


def load(name, model):
    """Give a network its published weights, and return it."""
    try:
        return google.assign(model, published.read(name).arrays)
    except files.FileError:
        raise
    except ValueError as error:
        raise files.FileError(published.locate(name), error, published.REMEDY) from None


class ArbitraryStyleTransfer:
    """The two networks, for pictures of all sizes, in any thread.

    Args:
        prediction: from `google.build_prediction_network`.
        transfer: from `google.build_transfer_network`, which takes codes.
    """

    def __init__(self, prediction, transfer):
        self.prediction, self.transfer = prediction, transfer

    def paint(self, material, settings):
        """Paint a picture in one pass; with a mask, one for each region that gets a style.

        Args:
            material: a `Material`: content, styles, regions.
            settings: `strength`, `style_scale`.

        Returns:
            An image of the content's shape, before `material.show`: NumPy, or where the content is
            a `large.Large`, such a one.
        """
        with find_device().scope():
            strength = parse_strength(settings.strength, auto=1.0)[0]
            codes = self.mix(material, strength, settings.style_scale)
            block = universal.choose_block(material, settings, BYTES)
            images = [self.repaint(material.content, code, block) for code in codes]
        if material.mask is None:
            return images[0]
        return large.combine(trained.put_together, material.mask, *images)

    def repaint(self, content, code, block):
        """Repaint a photo as a code says; without one it stays as it is."""
        if code is None:
            return content
        return architectures.paint(self.transfer, content, code, block=block)

    def mix(self, material, strength, style_scale):
        """Return the code, (1, 100), that each region is painted by; None: it stays a photo."""
        regions = 1 if material.mask is None else material.mask.shape[-1]
        own = self.describe(material.content, material.mask) if strength < 1 else (0,) * regions
        described = [
            (style.shares, self.describe(style.picture, style.mask, style_scale))
            for style in material.styles
        ]
        mixed = []
        for region, before in enumerate(own):
            found = [(shares[region], codes[region % len(codes)]) for shares, codes in described]
            total = sum(share for share, _ in found)
            code = sum(share * each for share, each in found) / total if total else None
            mixed.append(None if code is None else before + strength * (code - before))
        return mixed

    def describe(self, picture, mask=None, scale=1.0):
        """Return the codes of the regions of a picture, (1, 100) each.

        Args:
            picture: (1, height, width, 3); looked at with a shorter side of 256 pixels, as the
                network was trained, times `scale`.
            mask: (1, height, width, regions), or None: one region that is everything.
        """
        sides = np.array(picture.shape[1:3])
        sides = np.maximum(np.round(sides * google.SIDE * scale / sides.min()), 1).astype(int)
        codes = self.prediction(resize(picture, sides))
        if mask is None:
            return [ops.convert_to_numpy(ops.mean(codes, axis=(1, 2)))]
        mask = resize(mask, codes.shape[1:3])
        sums = ops.convert_to_numpy(ops.einsum("bijr,bijc->rbc", mask, codes))
        areas = ops.convert_to_numpy(ops.sum(mask, axis=(0, 1, 2)))
        return list(sums / np.maximum(areas, np.finfo(np.float32).tiny)[:, np.newaxis, np.newaxis])


def resize(image, sides):
    """Resize images (batch, height, width, channels), without aliasing.

    Of a large one, some rows at a time become narrower first: the two axes do not depend on each
    other.
    """
    height, width = map(int, sides)
    options = {"interpolation": "bilinear", "antialias": True}
    if large.is_large(image):
        bands = large.list_bands(image)
        narrow = [ops.image.resize(each, (each.shape[1], width), **options) for each in bands]
        image = ops.concatenate(narrow, axis=1)
    return ops.image.resize(image, (height, width), **options)
