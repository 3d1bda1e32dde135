"""What the network sees beyond the edges of a picture: the picture, mirrored.

VGG19 pads with zeros. That is a dark frame around every picture, which the optimizer learns to
answer with a bright one, or with speckles. Here zeros come only beyond a border, and the features
of the border are for the convolutions alone: in the losses they would count everything near the
edges twice, which ends in rows of dots there.
"""

from keras import ops

from style_transfer.method import gradients
from style_transfer.settings import block_of

MULTIPLE = 16  # four poolings halve the sides; what they cannot halve they leave unseen


def measure(shape, border):
    """Return how many pixels to add around an image of (height, width) = `shape`.

    At least `border` on each side, and more to make the lengths multiples of 16.

    Returns:
        ((top, bottom), (left, right)); for a border of 0, which is none at all, ().
    """
    if not border:
        return ()
    missing = [-(side + 2 * border) % MULTIPLE for side in shape]
    return tuple((border + more // 2, border + more - more // 2) for more in missing)


def extend(image, around):
    """Mirror (1, height, width, N) at its edges; `around`, from `measure`, is less than a side."""
    return ops.pad(image, ((0, 0), *around, (0, 0)), mode="reflect") if around else image


def trim(features, layer, around):
    """Cut features down to the positions that stand for a part of the picture.

    Args:
        features: (1, h, w, N) of an `extend`ed image.
        layer: whose features they are.
        around: what the image was extended by.
    """
    if not around:
        return features
    stride = 2 ** (block_of(layer) - 1)
    positions = [tuple(pixels // stride for pixels in pair) for pair in around]
    return gradients.crop(features, positions)
