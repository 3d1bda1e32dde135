"""What the network sees beyond the edges of a picture: the picture, mirrored.

VGG pads with zeros. That is a dark frame around every picture, which the optimizer learns to
answer with a bright one, or with speckles. Here zeros come only beyond a border, and the features
of the border are for the convolutions alone: in the losses they would count everything near the
edges twice, which ends in rows of dots there.
"""

from keras import ops

from style_transfer.method import gradients
from style_transfer.method.architecture import VGG19

# Four poolings halve the sides; what they cannot halve they leave unseen. As in VGG16.
MULTIPLE = VGG19.largest_stride


def padding(shape, border):
    """Return how many pixels to add around an image of (height, width) = `shape`.

    At least `border` on each side, and more to make the lengths multiples of 16.

    Returns:
        ((top, bottom), (left, right)); for a border of 0, which is none at all, ().
    """
    if not border:
        return ()
    missing = [-(side + 2 * border) % MULTIPLE for side in shape]
    return tuple((border + more // 2, border + more - more // 2) for more in missing)


def pad(image, padding):
    """Mirror (batch, height, width, N) at its edges; `padding` is less than a side."""
    return ops.pad(image, ((0, 0), *padding, (0, 0)), mode="reflect") if padding else image


def crop(features, layer, padding):
    """Cut features down to the positions that stand for a part of the picture.

    Args:
        features: (batch, h, w, N) of a `pad`ded image.
        layer: whose features they are.
        padding: what was added to the image.
    """
    if not padding:
        return features
    stride = VGG19.stride(layer)  # that of any layer, of VGG16, too
    return gradients.crop(features, [[each // stride for each in pair] for pair in padding])
