"""Picture files to tensors and back: upright, sRGB, opaque, 8 bits, within limits."""

import contextlib
import io
import math
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from style_transfer import files, storage
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.pictures import deep, profiles

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
MAX_PIXELS = 50_000_000
FILM = re.compile(rb"(?s)....ftyp(?!avi|hei|mif)|\x1aE\xdf\xa3|RIFF....AVI ")  # its beginning
REMEDY = f"give a picture: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"

WATCH = threading.Lock()  # held by the thread whose warnings are watched

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


@dataclass(frozen=True)
class Picture:
    """A picture file, decoded: upright, sRGB, opaque.

    Attributes:
        path: as it was given.
        sha256: of the file.
        pixels: a Pillow image of mode RGB.
        alpha: a Pillow image of mode L, its opacity; None if all of it is opaque.
        notices: what the user should know, a line each.
        profile: the bytes of the ICC profile that its colors are meant in; None: sRGB.
        dpi: dots per inch as the file says, where that is kept, or None.
    """

    path: str
    sha256: str
    pixels: Image.Image
    notices: tuple[str, ...]
    alpha: Image.Image | None = None
    profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def load(path, **colors):
    """Read a picture file. What format it has is told by its content, not by its name.

    Args:
        path: of the file, or its address, see `storage`.
        colors: see `read`.

    Returns:
        A `Picture`.

    Raises:
        files.FileError: it is missing, no picture, damaged, or over 50 megapixels, which is
            decided from the header, before anything of that size is allocated.
    """
    return read(path, storage.read(path, remedy=REMEDY), **colors)


def read(path, data, *, keeps=False, profile=None):
    """Decode the bytes of a picture file; see `load`.

    Args:
        path: what it is called.
        keeps: keep the file's own ICC profile, where it is one of RGB, and its resolution.
        profile: the bytes of the ICC profile that it is to be in instead; None: sRGB.
    """
    notices = []
    with watching_warnings() as categories:
        image = open_header(path, data)
        if keeps:
            profile = profiles.find_own(image)
        dpi = image.info.get("dpi") if keeps else None
        rgb, alpha = decode(path, image, notices, profile)
        if is_animated(image):
            notices.append("animated, or of several pages; its first frame is used")
    if any(issubclass(each, UserWarning) for each in categories):
        notices.append("part of its metadata is damaged; that part is ignored")
    lines = (f"{files.printable(path)}: {notice}" for notice in notices)
    return Picture(str(path), files.sha256(data), rgb, tuple(lines), alpha, profile, dpi)


@contextlib.contextmanager
def watching_warnings():
    """Collect the categories of Pillow's warnings in this thread; none of them reaches the user.

    Python has one list of filters for all threads, and two threads in `catch_warnings` at once
    leave each other's behind. So one picture is read at a time; a server's other threads wait
    for a moment. What they warn of meanwhile goes its usual way.
    """
    thread, categories = threading.get_ident(), []
    with WATCH, warnings.catch_warnings():
        pass_on = warnings.showwarning

        def show(message, category, *others, **keywords):
            if threading.get_ident() == thread:
                categories.append(category)
            else:
                pass_on(message, category, *others, **keywords)

        warnings.filterwarnings("always", module=r"PIL\.")
        warnings.showwarning = show
        yield categories


def expand(path):
    """Return the paths of all pictures in a folder, by name; or the path itself.

    Raises:
        files.FileError: the folder holds none.
        storage.StorageError: it is at an address, which does not answer.
    """
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    if storage.is_address(path):
        return storage.expand(path, known, remedy=REMEDY)
    if not Path(path).is_dir():
        return [path]
    found = sorted(each for each in Path(path).iterdir() if each.suffix.lower() in known)
    if not found:
        raise files.FileError(path, "is a folder without pictures", REMEDY)
    return [str(each) for each in found]


def read_text(path, key):
    """Return a text entry of a PNG; raise FileError if the file is none, or has no such entry."""
    return find_text(path, storage.read(path, remedy="give a result.png of this program"), key)


def find_text(path, data, key):
    """Return a text entry of the bytes of a PNG that is called `path`; raise as `read_text`."""
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        image.load()  # the entry may come after the pixels
        return image.text[key]
    except Exception:  # as of `open_header`, and KeyError
        reason = "is no PNG with a record of settings"
        raise files.FileError(path, reason, "give a result.png of this program") from None


def open_header(path, data):
    """Let Pillow read the header, and raise FileError unless format, size and checksums will do."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        pixels = max(math.prod(image.size), tile_pixels(image))
    except Image.DecompressionBombError:
        raise too_many_pixels(path) from None
    except Exception:  # Pillow's plug-ins raise all kinds of errors for a damaged header
        if FILM.match(data):
            raise files.FileError(path, "is a film", "python main.py video repaints it") from None
        reason = "is not a picture that can be read, or its beginning is damaged"
        raise files.FileError(path, reason, REMEDY) from None
    if pixels > MAX_PIXELS:
        raise too_many_pixels(path)
    if image.format == "PNG" and not is_intact_png(data):
        raise files.FileError(path, "is damaged (wrong checksum)", "save it again as PNG or JPEG")
    return image


def too_many_pixels(path):
    """Build the error for a picture of too many pixels."""
    reason = f"has more than {MAX_PIXELS // 10**6} megapixels"
    return files.FileError(path, reason, "scale it down first")


def tile_pixels(image):
    """Return the pixels of one tile of a TIFF, which may claim to be larger than the picture."""
    if image.format != "TIFF":
        return 0
    tags = (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)
    return math.prod(image.tag_v2.get(tag, 0) for tag in tags)


def is_intact_png(data):
    """Check the checksums of a PNG's pixel data, which Pillow does not while it decodes.

    What else `verify` may find (an early end, damage behind the pixels) is no reason to refuse
    a file: it may still hold all pixels; if not, decoding tells.
    """
    try:
        Image.open(io.BytesIO(data), formats=("PNG",)).verify()
    except SyntaxError as error:
        return "bad header checksum in b'IDAT'" not in str(error)
    except Exception:  # as of `open_header`
        pass
    return True


def is_animated(image):
    """Tell whether a file holds more than one frame or page.

    Not those of cameras, whose second "frame" (Pillow's MPO) is a preview or a depth map.
    """
    try:
        return image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:  # GIF looks for a second frame here; a damaged one is one, too
        return True


def decode(path, image, notices, profile=None):
    """Turn an opened Pillow image into an upright, opaque RGB one, and its opacity or None.

    What is worth telling is appended to `notices`; `profile`: see `read`.
    """
    try:
        image.load()
        image = upright(image, notices)
        image = eight_bits(image)
        image = profiles.convert(image, notices, profile)
        alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
        return on_white(image), alpha
    except Exception as error:  # as above: whatever the file's damage makes a decoder raise
        reason = f"is damaged or of an unsupported kind ({str(error) or type(error).__name__})"
        raise files.FileError(path, reason, "save it again as PNG or JPEG") from None


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
        remedy = "give a larger or less narrow picture, or a larger --size"
        raise files.FileError(picture.path, reason, remedy)


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
    return Image.fromarray(deep.to_samples(tensor, 8))


def save_png(path, tensor, **options):
    """Write an image as PNG, whole or not at all; see `encode_png`."""
    files.write(path, encode_png(tensor, **options))


def encode_png(tensor, *, texts=None, alpha=None, bits=8, profile=None, dpi=None):
    """Return an image as the bytes of a PNG.

    Args:
        tensor: (1, height, width, 3) in [0, 1].
        texts: dictionary of PNG text entries.
        alpha: a Pillow image of mode L, of any size: the opacity.
        bits: of a channel: 8 or 16.
        profile: the bytes of the ICC profile that the colors are meant in; None: sRGB, unsaid.
        dpi: dots per inch, of width and height.
    """
    info = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        info.add_itxt(key, text)
    if alpha:
        alpha = alpha.resize(tensor.shape[2:0:-1], Image.Resampling.LANCZOS)
    if bits == 16:
        return deep.encode_png(tensor, info, alpha=alpha, profile=profile, dpi=dpi)
    pixels, buffer = to_pixels(tensor), io.BytesIO()
    if alpha:
        pixels.putalpha(alpha)
    pixels.save(buffer, "PNG", pnginfo=info, icc_profile=profile, dpi=dpi)
    return buffer.getvalue()
