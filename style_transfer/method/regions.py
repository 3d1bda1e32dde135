"""Regions: which part of the photo takes its style from where (Gatys et al., arXiv:1611.07865).

A mask is a picture of a few gray levels or colors, one for each region, with edges as soft as
one likes. Here it becomes memberships, (1, height, width, R): how much each pixel belongs to each
of the R regions, in [0, 1], with the sum 1.
"""

import numpy as np
from keras import ops

from style_transfer.method import borders

LEAST_SHARE = 0.01  # of the pixels that a color must have to be a region, and no soft edge
SAMPLES = 256  # along one axis, enough to find the colors by
SAME = 48.0  # colors nearer than this, of 0 to 255 in each channel, are one
MOST = 8  # regions; more is no mask but a photo


def find_colors(pixels):
    """Find the colors of a mask's regions, from dark to bright.

    Args:
        pixels: (height, width, 3), 0 to 255; or, of a large mask, what `thin` says.

    Returns:
        A list of (3,) arrays.

    Raises:
        ValueError: there are more than eight, or none that fills a hundredth of it.
    """
    step = thin(pixels.shape)
    flat = np.asarray(pixels[::step, ::step], float).reshape(-1, 3)
    left, found = flat, []
    while len(left) >= LEAST_SHARE * len(flat):
        colors, counts = np.unique(left, axis=0, return_counts=True)
        color = colors[counts.argmax()]
        near = np.linalg.norm(left - color, axis=1) < SAME
        if np.mean(near) * len(left) >= LEAST_SHARE * len(flat):
            found.append(color)
        if len(found) > MOST:
            raise ValueError(f"has more than {MOST} colors; give it flat ones")
        left = left[~near]
    if not found:
        raise ValueError("has no flat colors; a mask has one for each region")
    return sorted(found, key=lambda color: (color.sum(), tuple(color)))


def thin(shape):
    """Return each how-manieth pixel of a mask of (height, width) is looked at for its colors."""
    return max(1, max(shape) // SAMPLES)


def memberships(pixels, colors):
    """Tell how much each pixel belongs to the region of each color.

    A pixel between two colors, as on a soft edge, belongs to both, as near as it is to each.

    Args:
        pixels: (height, width, 3), 0 to 255.
        colors: (3,) each.

    Returns:
        (1, height, width, len(colors)) float32.
    """
    pixels = np.asarray(pixels, np.float32)
    if len(colors) == 1:
        return np.ones((1, *pixels.shape[:2], 1), np.float32)
    colors = np.asarray(colors, np.float32)
    distances = np.linalg.norm(pixels[:, :, np.newaxis] - colors, axis=-1)
    first, second = np.moveaxis(np.argsort(distances, axis=-1)[..., :2], -1, 0)
    line = colors[second] - colors[first]
    along = np.sum((pixels - colors[first]) * line, axis=-1) / np.sum(line**2, axis=-1)
    along = np.clip(along, 0.0, 0.5)[..., np.newaxis]  # from the nearest color to the next
    weights = np.zeros_like(distances)
    np.put_along_axis(weights, first[..., np.newaxis], 1 - along, axis=-1)
    np.put_along_axis(weights, second[..., np.newaxis], along, axis=-1)
    return weights[np.newaxis]


def guides(mask, layer, architecture, border):
    """Pool a mask to the positions of a layer's features.

    Features near the edge of a region see beyond it, and would carry the style of one region
    into another; they count less, the more of what they see (half of their receptive field: the
    rest hardly matters) lies outside. A region so small that nothing would be left of it keeps
    what it has.

    Args:
        mask: (1, height, width, R), or None for one region that is everything.
        layer: its name.
        architecture: the `Architecture` that it is a layer of.
        border: of `functions.extract_features`.

    Returns:
        A list of R: None for everything, or (1, height / stride, width / stride, 1).
    """
    if mask is None:
        return [None]
    padding = borders.padding(mask.shape[1:3], border)
    pooled = pool(mask, layer, architecture, padding)
    inner = pooled * find_inside(pooled, layer, architecture)
    chosen = choose(pooled, inner, is_enough(ops.max(inner, axis=(0, 1, 2))))
    return [borders.crop(each, layer, padding) for each in chosen]


def find_inside(pooled, layer, architecture):
    """Tell how far inside of a region positions are, from 0 to 1; see `guides`."""
    window = 2 * round(architecture.receptive_field(layer) / architecture.stride(layer) / 4) + 1
    return ops.clip(2.0 * ops.average_pool(pooled, window, 1, padding="same") - 1.0, 0.0, 1.0)


def is_enough(most):
    """Tell of each region whether what there is of it at most, (R,), is enough to go by."""
    return [bool(each > 0.5) for each in ops.convert_to_numpy(most)]


def choose(pooled, inner, by_inner):
    """Return the guide of each region, (1, h, w, 1): of the one or of the other.

    Args:
        pooled, inner: (1, h, w, R).
        by_inner: R times, whether by `inner`.
    """
    return [
        (inner if is_inner else pooled)[..., region : region + 1]
        for region, is_inner in enumerate(by_inner)
    ]


def pool(mask, layer, architecture, padding):
    """Average a mask (1, height, width, R), mirrored by `padding`, over a layer's positions."""
    pooled = borders.pad(ops.convert_to_tensor(mask), padding)
    for _ in range(1, architecture.block(layer)):
        pooled = ops.average_pool(pooled, 2, 2)
    return pooled


def share_out(colors, blend):
    """Give each style one region: the last the brightest, the one before the next.

    A region that gets no style stays a photo.

    Args:
        colors: of the regions, from dark to bright.
        blend: the share of each style.

    Returns:
        (shares, None) for each style, as `targets.Style` has them.

    Raises:
        ValueError: there are more styles than regions.
    """
    if len(blend) > len(colors):
        raise ValueError(f"has {len(colors)} regions, too few for {len(blend)} styles")
    first = len(colors) - len(blend)
    return [(tuple(map(float, place)), None) for place in np.eye(len(colors))[first:]]


def match(style_mask, share, colors):
    """Pair a style with the regions of the content that have a color of its mask.

    Args:
        style_mask: of `find_colors`.
        share: of the style, where several come together in a region.
        colors: of the content's regions.

    Returns:
        (shares, paint), where `paint` is a function from pixels of the mask, (height, width, 3), to
        how much they belong to each region; with that they are what `targets.Style` has.

    Raises:
        ValueError: the mask has no region of the content.
    """
    own = find_colors(style_mask)
    distances = np.linalg.norm(np.array(colors)[:, np.newaxis] - np.array(own), axis=-1)
    regions = distances.argmin(axis=0)  # of each of its own colors
    near = distances.min(axis=0) < SAME
    if not near.any():
        raise ValueError("has no color of the content's mask")
    shares = tuple(share if region in regions[near] else 0.0 for region in range(len(colors)))

    def paint(pixels):
        whole = memberships(pixels, own)
        mask = np.zeros((*whole.shape[:3], len(colors)), np.float32)
        for index in np.flatnonzero(near):
            mask[..., regions[index]] += whole[..., index]
        return mask

    return shares, paint
