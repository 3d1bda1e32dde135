"""From pictures to the tensors that a transfer is made from: sizes, colors, regions."""

import contextlib
import dataclasses
import functools

import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.method import color, regions
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material
from style_transfer.pictures import images

MASK_REMEDY = "see --content-mask in READ.txt"


def prepare(pictures, sizes, settings, colors=None):
    """Turn pictures into a `Material`.

    The start `instant` is still to be painted, from the material itself.

    Args:
        pictures: `Inputs` of `images.Picture`.
        sizes: `Inputs` of (width, height), from `inputs.choose_sizes`.
        settings: colors, blend, start.
        colors: of the mask's regions, where they are known.

    Raises:
        files.FileError: a mask cannot be used.
    """
    photo = images.to_tensor(pictures.content, sizes.content)
    mode = settings.preserve_color
    content = color.match_content(photo, mode)
    paintings = [
        color.match_style(images.to_tensor(*each), photo, mode)
        for each in zip(pictures.styles, sizes.styles)
    ]
    blend = settings.blend or (1.0,) * len(paintings)
    mask, shares = pair_regions(pictures, sizes, blend, colors)
    styles = [Style(painting, *share) for painting, share in zip(paintings, shares)]
    start = {"content": content, "style": paintings[0], "noise": None, "instant": None}
    if pictures.init is not None:
        start[settings.init] = images.to_tensor(pictures.init, sizes.init)
    show = functools.partial(color.restore, content=photo, mode=mode)
    return Material(content, styles, start[settings.init], mask, show)


def retake(material, photo, mask, mode):
    """Return a `Material` of another photo (1, height, width, 3) in the same styles.

    Args:
        mask: regions of the photo, those of the material's own.
        mode: the setting `preserve_color`.
    """
    content = color.match_content(photo, mode)
    show = functools.partial(color.restore, content=photo, mode=mode)
    return dataclasses.replace(material, content=content, mask=mask, show=show, start=content)


def pair_regions(pictures, sizes, blend, colors=None):
    """Return the mask of the content, or None, and (shares, mask) of each style."""
    if pictures.content_mask is None:
        return None, [((share,), None) for share in blend]
    shapes = mask_pixels(pictures.content_mask, sizes.content_mask, pictures.content)
    with blaming(pictures.content_mask):
        colors = colors or regions.find_colors(shapes)
        mask = regions.memberships(shapes, colors)
        if not pictures.style_masks:
            return mask, regions.share_out(colors, blend)
    pairs = []
    for picture, size, share in zip(pictures.style_masks, sizes.style_masks, blend):
        with blaming(picture):
            shapes = mask_pixels(picture, size, pictures.content)
            pairs.append(regions.match(shapes, share, colors))
    return mask, pairs


@contextlib.contextmanager
def blaming(picture):
    """Name the mask that is at fault for a ValueError in the block."""
    try:
        yield
    except files.FileError:
        raise
    except ValueError as error:
        raise files.FileError(picture.path, error, MASK_REMEDY) from None


def mask_pixels(mask, size, content):
    """Return a mask in its size (width, height); the content itself stands for its opacity."""
    image = mask.pixels
    if mask.path == content.path:
        if mask.alpha is None:
            remedy = "give another --content-mask"
            raise files.FileError(mask.path, "has no transparency to be a mask", remedy)
        image = mask.alpha
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))
