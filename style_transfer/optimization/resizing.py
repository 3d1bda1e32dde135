"""Images and masks in other sizes."""

import tensorflow as tf


def resize(image, scale):
    """Scale (1, height, width, 3) by a factor; a scale of 1 changes nothing."""
    return resize_to(image, [max(1, round(side * scale)) for side in image.shape[1:3]])


def resize_to(image, shape):
    """Resize (1, any height, any width, 3) to (height, width) = `shape`, bicubic.

    What has that size already is returned itself, and no copy.
    """
    if tuple(image.shape[1:3]) == tuple(shape):
        return image
    resized = tf.image.resize(image, shape, "bicubic", antialias=True)
    return tf.clip_by_value(resized, 0.0, 1.0)


def resize_mask(mask, shape):
    """Resize memberships (1, any height, any width, R) to (height, width) = `shape`."""
    if mask is None or tuple(mask.shape[1:3]) == tuple(shape):
        return mask
    return tf.image.resize(mask, shape, "area").numpy()
