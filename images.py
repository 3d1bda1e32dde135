"""Picture files to tensors and back: upright, sRGB, opaque, 8 bits, within limits."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, PngImagePlugin

import files

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
MAX_PIXELS = 50_000_000
MIN_SIDE = 32  # under this, VGG19's fifth block has less than two pixels to look at
REMEDY = f"give a picture: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


@dataclass(frozen=True)
class Picture:
    """A picture file, decoded: upright, sRGB, opaque.

    Attributes:
        path: as it was given.
        sha256: of the file.
        pixels: a Pillow image of mode RGB.
        notices: what the user should know, a line each.
    """

    path: str
    sha256: str
    pixels: Image.Image
    notices: tuple[str, ...]


def load(path):
    """Read a picture file. What format it has is told by its content, not by its name.

    Returns:
        A `Picture`.

    Raises:
        files.FileError: it is missing, no picture, damaged, or over 50 megapixels, which is
            decided from the header, before anything of that size is allocated.
    """
    data = files.read(path, remedy=REMEDY)
    notices = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = open_header(path, data)
        rgb = decode(path, image, notices)
    notices += [f"{files.printable(path)}: {files.printable(each.message)}" for each in caught]
    return Picture(str(path), files.sha256(data), rgb, tuple(dict.fromkeys(notices)))


def open_header(path, data):
    """Let Pillow read the header, and raise FileError unless format and size will do."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise too_many_pixels(path) from None
    except Exception:  # Pillow's plug-ins raise all kinds of errors for a damaged header
        raise files.FileError(path, "is not a picture that can be read", REMEDY) from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise too_many_pixels(path)
    return image


def too_many_pixels(path):
    """Build the error for a picture of too many pixels."""
    reason = f"has more than {MAX_PIXELS // 10**6} megapixels"
    return files.FileError(path, reason, "scale it down first")


def decode(path, image, notices):
    """Turn an opened Pillow image into an upright, opaque sRGB one; append to `notices`."""
    if getattr(image, "is_animated", False):
        notices.append(f"{files.printable(path)}: animated; its first frame is used")
    try:
        image.load()
        image = upright(path, image, notices)
        image = eight_bits(image)
        image = to_srgb(path, image, notices)
        return on_white(image)
    except files.FileError:
        raise
    except Exception as error:  # as above: whatever the file's damage makes a decoder raise
        reason = f"is damaged or of an unsupported kind ({error or type(error).__name__})"
        raise files.FileError(path, reason, "save it again as PNG or JPEG") from None


def upright(path, image, notices):
    """Turn the picture as its EXIF orientation says; one that cannot be read is ignored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # a broken EXIF block raises anything from struct to TypeError
        notices.append(f"{files.printable(path)}: EXIF ignored ({files.printable(error)})")
        return image


def eight_bits(image):
    """Scale 16-bit grey to 8 bits (Pillow would clip it); expand palettes and bilevel."""
    if image.mode.startswith("I;16"):
        import numpy as np  # slow to import, and seldom needed before TensorFlow is there

        grey = np.asarray(image).astype(np.float32) / 257.0
        return Image.fromarray(np.rint(grey).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"{'32-bit' if image.mode == 'I' else 'floating-point'} pixels")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("L") if image.mode == "1" else image


def to_srgb(path, image, notices):
    """Convert by the embedded ICC profile, if there is one; a profile that is junk is ignored."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode.removesuffix("A")) if alpha else image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        colours = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notices.append(f"{files.printable(path)}: its colour profile cannot be used; ignored")
        return image
    if alpha:
        colours.putalpha(alpha)
    return colours


def on_white(image):
    """Lay a picture with transparency on white; give RGB."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def fitted_size(size, longer_side, *, enlarge=False):
    """Scale (width, height) so that the longer side is `longer_side`; enlarge only if asked."""
    scale = longer_side / max(size)
    if scale > 1 and not enlarge:
        scale = 1.0
    return tuple(max(1, round(side * scale)) for side in size)


def check_sides(picture, size):
    """Raise FileError if (width, height), which `picture` would have, is too small."""
    if min(size) < MIN_SIDE:
        reason = f"would be {size[0]}×{size[1]} px, under {MIN_SIDE} px on its short side"
        raise files.FileError(picture.path, reason, "give a larger or less narrow picture, --size")


def to_tensor(picture, size):
    """Resize a picture to (width, height).

    Returns:
        (1, height, width, 3) float32, sRGB in [0, 1].
    """
    import numpy as np

    pixels = picture.pixels
    if pixels.size != tuple(size):
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(pixels, np.float32)[np.newaxis] / 255.0


def to_pixels(tensor):
    """Round (1, height, width, 3) in [0, 1] to a Pillow image of 8 bits a channel.

    Raises:
        ValueError: a value is NaN or infinite (it would silently become black).
    """
    import numpy as np

    values = np.asarray(tensor)[0]
    if not np.isfinite(values).all():
        raise ValueError("the image holds values that are not finite")
    return Image.fromarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8))


def save_png(path, tensor, *, texts=None):
    """Write an image as PNG, whole or not at all.

    Args:
        tensor: (1, height, width, 3) in [0, 1].
        texts: dictionary of PNG text entries.
    """
    info = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        info.add_itxt(key, text)
    pixels = to_pixels(tensor)
    with files.writing(Path(path)) as file:
        pixels.save(file, "PNG", pnginfo=info)
