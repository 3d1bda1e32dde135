"""Pictures with 16 bits a channel, of which Pillow decodes eight at a time.

Of a color of 16 bits Pillow takes the high byte. Told that the bytes come in the other order, it
takes the low one; so it decodes such a picture twice, with all that it knows of formats, and of
damage to them.
"""

import io
import re
import sys

from PIL import Image, TiffImagePlugin

from style_transfer.pictures import shaper

COLORS = re.compile(r"(RGB|RGBA|RGBX);16([BLN])")
SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # N: the machine's
MOST = 65535
BAND = 256  # rows that are rounded at once


def open_low(image, data):
    """Open a picture again, for the low bytes.

    Args:
        image: an opened Pillow image that is not loaded yet.
        data: the bytes of its file.

    Returns:
        A Pillow image; None if it has not 16 bits a color.
    """
    if not image.tile or not all(COLORS.fullmatch(raw_mode(tile)) for tile in image.tile):
        return None
    low = Image.open(io.BytesIO(data), formats=(image.format,))
    low.tile = [swap(tile) for tile in low.tile]
    return low


def raw_mode(tile):
    """Return how a part of a picture stores its pixels, in Pillow's words."""
    return tile.args if isinstance(tile.args, str) else str((tile.args or [""])[0])


def swap(tile):
    """Return a part of a picture as if its bytes came in the other order."""
    mode = COLORS.sub(lambda found: f"{found[1]};16{SWAPPED[found[2]]}", raw_mode(tile))
    return tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:]))


def make_positive(image):
    """Return a loaded picture; invert a TIFF of gray in which 0 is white, as Pillow does not."""
    if not image.mode.startswith("I;16") or image.format != "TIFF":
        return image
    if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) != 0:
        return image
    import numpy as np  # slow to import, and seldom needed before TensorFlow is there

    positive = Image.fromarray(MOST - np.asarray(image).astype(np.uint16))
    positive.info = image.info
    return positive


def decode(image, low, profile):
    """Turn a loaded picture of 16 bits into an opaque one, in a profile, and its opacity.

    Args:
        image: a Pillow image, with its high bytes; of gray, with all.
        low: that of its low bytes; of gray, None.
        profile: the bytes of an ICC profile, or None: sRGB.

    Returns:
        (deep, alpha): (height, width, 3) uint16; (height, width) uint16, or None. None instead of
        both if its own profile is of a kind that is left to others.
    """
    samples = merge(image, low)
    alpha = find_alpha(samples, image.info.get("transparency"))
    colors = shaper.convert(samples[..., :3], image.info.get("icc_profile") or None, profile)
    if colors is None:
        return None
    return on_white(colors, alpha), alpha


def merge(image, low):
    """Return the samples of a picture, (height, width, 3 or 4) uint16."""
    import numpy as np

    if low is None:
        return np.repeat(np.asarray(image).astype(np.uint16)[..., np.newaxis], 3, axis=2)
    return np.asarray(image).astype(np.uint16) << 8 | np.asarray(low)


def find_alpha(samples, transparent):
    """Return the opacity of samples; that of one color, where it is `transparent`; or None."""
    import numpy as np

    if samples.shape[2] == 4:
        return samples[..., 3]
    if transparent is None:
        return None
    return np.where((samples == np.uint16(transparent)).all(axis=2), 0, MOST).astype(np.uint16)


def on_white(colors, alpha):
    """Lay (height, width, 3) of an opacity (height, width), or None, on white."""
    import numpy as np

    if alpha is None:
        return colors
    share = alpha[..., np.newaxis] / np.float32(MOST)
    return np.rint(MOST + share * (colors - np.float32(MOST))).astype(np.uint16)


def to_pixels(samples):
    """Return a Pillow image of 8 bits of (height, width) or (height, width, 3) uint16."""
    import numpy as np

    return Image.fromarray(np.rint(samples / np.float32(257)).astype(np.uint8))


def resize(samples, size):
    """Resize (height, width, 3) uint16 to (width, height); return float32 in [0, 1]."""
    import numpy as np

    resized = np.empty((*size[::-1], 3), np.float32)
    for index in range(3):
        resized[..., index] = resize_channel(samples[..., index], size)
    resized /= np.float32(MOST)
    return np.clip(resized, 0.0, 1.0, out=resized)


def resize_samples(samples, size):
    """Resize (height, width, 3) uint16 to (width, height), as such; one channel is a float32."""
    import numpy as np

    width, height = size
    if samples.shape[:2] == (height, width):
        return samples
    resized = np.empty((height, width, 3), np.uint16)
    for index in range(3):
        channel = resize_channel(samples[..., index], size)
        for row in range(0, height, BAND):
            band = channel.crop((0, row, width, min(row + BAND, height)))
            resized[row : row + BAND, :, index] = np.rint(np.clip(band, 0, MOST))
    return resized


def resize_channel(samples, size):
    """Resize (height, width) to (width, height): a Pillow image of float32."""
    import numpy as np

    channel = Image.fromarray(np.float32(samples))
    same = channel.size == tuple(size)
    return channel if same else channel.resize(size, Image.Resampling.LANCZOS)
