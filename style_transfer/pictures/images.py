"""Picture files to tensors and back: upright, sRGB, opaque, within limits."""

import contextlib
import io
import math
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin, TiffImagePlugin

from style_transfer import files, storage
from style_transfer.method.architecture import MIN_SIDE
from style_transfer.pictures import decoding, deep, profiles, sixteen, tiff

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
SUFFIXES = (".png", ".tif", ".tiff")  # of pictures that are written
MAX_PIXELS = 50_000_000
FILM = re.compile(rb"(?s)....ftyp(?!avi|hei|mif)|\x1aE\xdf\xa3|RIFF....AVI ")  # its beginning
REMEDY = f"give a picture: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"

WATCH = threading.Lock()  # held by the thread whose warnings are watched


@dataclass(frozen=True)
class Picture:
    """A picture file, decoded: upright, sRGB, opaque.

    Attributes:
        path: as it was given.
        sha256: of the file.
        pixels: a Pillow image of mode RGB.
        deep: (height, width, 3) uint16, the same with 16 bits, where the file has them, or None.
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
    deep: Any = None

    @property
    def nbytes(self):
        """Bytes of all pixels, as Pillow has them (four for each of RGB), or NumPy."""
        each = 4 + (self.alpha is not None)
        return each * math.prod(self.pixels.size) + (0 if self.deep is None else self.deep.nbytes)


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
        dpi = profiles.find_resolution(image) if keeps else None
        rgb, alpha, samples = decode(path, image, notices, profile, data)
        if is_animated(image):
            notices.append("animated, or of several pages; its first frame is used")
    if any(issubclass(each, UserWarning) for each in categories):
        notices.append("part of its metadata is damaged; that part is ignored")
    lines = (f"{files.printable(path)}: {notice}" for notice in notices)
    return Picture(str(path), files.sha256(data), rgb, tuple(lines), alpha, profile, dpi, samples)


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
    """Return a text entry of a PNG or TIFF; raise FileError if it is none, or has none such."""
    return find_text(path, storage.read(path, remedy="give a result.png of this program"), key)


def find_text(path, data, key):
    """Return a text entry of the bytes of a picture that is called `path`, as `read_text`."""
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "TIFF"))
        if image.format == "TIFF":
            return image.tag_v2[tiff.TAGS[key][0]]
        image.load()  # the entry may come after the pixels
        return image.text[key]
    except Exception:  # as of `open_header`, and KeyError
        reason = "is no PNG or TIFF with a record of settings"
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


def decode(path, image, notices, profile=None, data=None):
    """Return `decoding.decode` of an opened Pillow image; raise FileError if it is damaged.

    What is worth telling is appended to `notices`; `profile`: see `read`.
    """
    try:
        return decoding.decode(image, notices, profile, data)
    except Exception as error:  # as above: whatever the file's damage makes a decoder raise
        reason = f"is damaged or of an unsupported kind ({str(error) or type(error).__name__})"
        raise files.FileError(path, reason, "save it again as PNG or JPEG") from None


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
    import numpy as np  # slow to import, and not needed before TensorFlow is there

    if picture.deep is not None:
        return sixteen.resize(picture.deep, size)[np.newaxis]
    pixels = picture.pixels
    if pixels.size != tuple(size):
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    tensor = np.array(pixels, np.float32)[np.newaxis]
    tensor /= 255.0  # in place: a large picture is not there twice
    return tensor


def to_pixels(tensor):
    """Round (1, height, width, 3) in [0, 1] to a Pillow image of 8 bits a channel.

    Raises:
        ValueError: a value is NaN or infinite (it would silently become black).
    """
    return Image.fromarray(deep.to_samples(tensor, 8))


def save_png(path, tensor, **options):
    """Write an image as PNG, whole or not at all; see `encode_png`."""
    files.write(path, encode_png(tensor, **options))


def encode(tensor, suffix, **options):
    """Return an image as the bytes of a file that ends in one of `SUFFIXES`; see `encode_png`."""
    return (encode_png if suffix.lower() == SUFFIXES[0] else tiff.encode)(tensor, **options)


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
        alpha = deep.fit_alpha(alpha, tensor)
    if bits == 16:
        return deep.encode_png(tensor, info, alpha=alpha, profile=profile, dpi=dpi)
    pixels, buffer = to_pixels(tensor), io.BytesIO()
    if alpha:
        pixels.putalpha(alpha)
    pixels.save(buffer, "PNG", pnginfo=info, icc_profile=profile, dpi=dpi)
    return buffer.getvalue()
