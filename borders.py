"""What the network sees beyond the edges of a picture: the picture, mirrored.

VGG19 pads with zeros. That is a dark frame around every picture, which the optimiser learns to
answer with a bright one, or with speckles. Here zeros come only beyond a border, and the features
of the border are for the convolutions alone: in the losses they would count everything near the
edges twice, which ends in rows of dots there.
"""

from keras import ops

from settings import block_of

MULTIPLE = 16  # four poolings halve the sides; what they cannot halve they leave unseen


def measure(side, border):
    """Return how many pixels to add before and after a side.

    At least `border`, and more to make its length a multiple of 16. A border of 0 is none at all.
    """
    more = -(side + 2 * border) % MULTIPLE if border else 0
    return border + more // 2, border + more - more // 2


def extend(image, border):
    """Mirror (1, height, width, N), whose sides are longer than `border` + 8, at its edges."""
    if not border:
        return image
    _, height, width, _ = ops.shape(image)
    around = (0, 0), measure(height, border), measure(width, border), (0, 0)
    return ops.pad(image, around, mode="reflect")


def trim(features, layer, shape, border):
    """Cut features down to the positions that stand for a part of the picture.

    Args:
        features: (1, h, w, N) of an `extend`ed image.
        layer: whose features they are.
        shape: (height, width) of the image before.
    """
    if not border:
        return features
    stride = 2 ** (block_of(layer) - 1)
    top, bottom, left, right = (
        pixels // stride for side in shape for pixels in measure(side, border)
    )
    _, height, width, _ = ops.shape(features)
    size = 1, height - top - bottom, width - left - right, features.shape[-1]
    # By `slice`: the gradient of indexing is several times slower.
    return ops.slice(features, (0, top, left, 0), size)
