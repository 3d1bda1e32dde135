"""An opened Pillow image to what the program works with: upright, opaque, in one profile."""

from PIL import ExifTags, Image

from style_transfer.pictures import profiles, sixteen

#: How to turn a picture upright, by its EXIF orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(image, notices, profile=None, data=None):
    """Turn an opened Pillow image into an upright, opaque one.

    Args:
        image: of any mode.
        notices: a list, to which is appended what the user should know.
        profile: the bytes of the ICC profile that it is to be in, or None: sRGB.
        data: the bytes of its file; None: 8 bits of it will do.

    Returns:
        (rgb, alpha, deep): Pillow images of modes RGB and L, its opacity or None; and
        (height, width, 3) uint16 of a picture with 16 bits a channel, or None.
    """
    low = data and sixteen.open_low(image, data)
    image.load()
    image = upright(sixteen.make_positive(image), notices)
    if low or (data and image.mode.startswith("I;16")):
        if low:
            low.load()
            low = upright(low, [])
        if found := sixteen.decode(image, low, profile):
            deep, alpha = found
            opacity = None if alpha is None else sixteen.to_pixels(alpha)
            return sixteen.to_pixels(deep), opacity, deep
    image = eight_bits(image)
    image = profiles.convert(image, notices, profile)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    return on_white(image), alpha, None


def upright(image, notices):
    """Turn the picture as its EXIF orientation says; one that cannot be read is ignored.

    Not by Pillow's `exif_transpose`, which also rewrites the EXIF block, and so leaves the
    picture lying on its side if anything else in the block is odd.
    """
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # a broken EXIF block raises anything from struct.error to TypeError
        notices.append("its EXIF block is damaged; if it lies on its side, turn it first")
        return image
    return image if turn is None else image.transpose(turn)


def eight_bits(image):
    """Give L, LA, RGB, RGBA or CMYK: expand palettes and transparent colors, scale 16 bits."""
    if image.mode.startswith("I;16"):
        return scale_16_bits(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"{'32-bit' if image.mode == 'I' else 'floating-point'} pixels")
    mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = "LA" if mode in ("L", "LA") else "RGBA"
    return image if image.mode == mode else image.convert(mode)


def scale_16_bits(image):
    """Scale 16-bit gray to 8 bits, where Pillow would clip; keep transparency and profile."""
    import numpy as np  # slow to import, and seldom needed before TensorFlow is there

    values = np.asarray(image)
    gray = Image.fromarray(np.rint(values / np.float32(257)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        gray.putalpha(Image.fromarray(np.uint8(255) * (values != transparent)))
    gray.info["icc_profile"] = image.info.get("icc_profile")
    return gray


def on_white(image):
    """Lay a picture with transparency on white; give RGB."""
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
