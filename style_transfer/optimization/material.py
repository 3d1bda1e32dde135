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
from style_transfer.pictures import images, large

MASK_REMEDY = "see --content-mask in READ.txt"


def prepare(pictures, sizes, settings, colors=None, *, take=images.to_tensor):
    """Turn pictures into a `Material`.

    The start `instant` is still to be painted, from the material itself.

    Args:
        pictures: `Inputs` of `images.Picture`.
        sizes: `Inputs` of (width, height), from `inputs.choose_sizes`.
        settings: colors, blend, start.
        colors: of the mask's regions, where they are known.
        take: function from a picture and its size to the image, such as `large.Photo`.

    Raises:
        files.FileError: a mask cannot be used.
    """
    photo = take(pictures.content, sizes.content)
    mode = settings.preserve_color
    content = match_content(photo, mode)
    paintings = [
        match_style(take(*each), photo, mode) for each in zip(pictures.styles, sizes.styles)
    ]
    blend = settings.blend or (1.0,) * len(paintings)
    take_mask = large.Mask if take is large.Photo else resize_mask
    mask, shares = pair_regions(pictures, sizes, blend, colors, take_mask)
    styles = [Style(painting, *share) for painting, share in zip(paintings, shares)]
    start = {"content": content, "style": paintings[0], "noise": None, "instant": None}
    if pictures.init is not None:
        start[settings.init] = images.to_tensor(pictures.init, sizes.init)
    return Material(content, styles, start[settings.init], mask, make_show(photo, mode))


def match_content(photo, mode):
    """Return what the network is to see of a photo, see `color.match_content`."""
    if mode == "none":
        return photo
    return large.combine(functools.partial(color.match_content, mode=mode), photo)


def match_style(painting, photo, mode):
    """Give a painting the photo's colors, see `color.match_style`."""
    if mode == "none":
        return painting
    match = color.find_matching(large.sample(painting), large.sample(photo), mode)
    return large.combine(match, painting)


def make_show(photo, mode):
    """Return the function from an image that was painted to the one to show."""
    restore = functools.partial(color.restore, mode=mode)
    return lambda image: image if mode == "none" else large.combine(restore, image, photo)


def retake(material, photo, mask, mode):
    """Return a `Material` of another photo (1, height, width, 3) in the same styles.

    Args:
        mask: regions of the photo, those of the material's own.
        mode: the setting `preserve_color`.
    """
    content, show = match_content(photo, mode), make_show(photo, mode)
    return dataclasses.replace(material, content=content, mask=mask, show=show, start=content)


def pair_regions(pictures, sizes, blend, colors, take):
    """Return the mask of the content, or None, and (shares, mask) of each style.

    Args:
        take: function from a Pillow image and a size to (1, height, width, 3), 0 to 255.
    """
    if pictures.content_mask is None:
        return None, [((share,), None) for share in blend]
    shapes = take(find_shapes(pictures.content_mask, pictures.content), sizes.content_mask)
    with blaming(pictures.content_mask):
        colors = colors or regions.find_colors(thin_out(shapes))
        mask = paint_regions(lambda pixels: regions.memberships(pixels, colors), shapes, colors)
        if not pictures.style_masks:
            return mask, regions.share_out(colors, blend)
    pairs = []
    for picture, size, share in zip(pictures.style_masks, sizes.style_masks, blend):
        with blaming(picture):
            shapes = take(find_shapes(picture, pictures.content), size)
            shares, paint = regions.match(thin_out(shapes), share, colors)
            pairs.append((shares, paint_regions(paint, shapes, colors)))
    return mask, pairs


def thin_out(shapes):
    """Return the pixels of a mask, (height, width, 3), that its colors are found by."""
    return large.sample(shapes, regions.thin(shapes.shape[1:3]))[0]


def paint_regions(paint, shapes, colors):
    """Apply a function from pixels (height, width, 3) to a mask to (1, height, width, 3)."""
    return large.combine(lambda part: paint(part[0]), shapes, channels=len(colors))


@contextlib.contextmanager
def blaming(picture):
    """Name the mask that is at fault for a ValueError in the block."""
    try:
        yield
    except files.FileError:
        raise
    except ValueError as error:
        raise files.FileError(picture.path, error, MASK_REMEDY) from None


def find_shapes(mask, content):
    """Return the Pillow image of a mask; the content itself stands for its opacity."""
    image = mask.pixels
    if mask.path == content.path:
        if mask.alpha is None:
            remedy = "give another --content-mask"
            raise files.FileError(mask.path, "has no transparency to be a mask", remedy)
        image = mask.alpha
    return image.convert("RGB")


def resize_mask(image, size):
    """Return a mask in its size (width, height), as an array."""
    return np.asarray(image.resize(size, Image.Resampling.BOX))[np.newaxis]
