"""PNG with 16 bits a channel (W3C, PNG, third edition), which Pillow does not write."""

import io
import struct
import zlib

from PIL import Image, PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB, RGBA = 2, 6  # types of color
UP = 2  # the filter that takes from each byte the one above
BAND = 256  # rows that are rounded, or compressed, at once
INCH = 0.0254  # meters


def to_samples(tensor, bits):
    """Round an image (1, height, width, 3) in [0, 1] to (height, width, 3) of 8 or 16 bits.

    Raises:
        ValueError: a value is NaN or infinite (it would silently become black).
    """
    import numpy as np  # slow to import, and not needed before TensorFlow is there

    samples = np.empty(tuple(tensor.shape)[1:], {8: np.uint8, 16: np.uint16}[bits])
    for number, band in enumerate(list_samples(tensor, bits)):
        samples[number * BAND : (number + 1) * BAND] = band
    return samples


def list_samples(tensor, bits):
    """Generate what `to_samples` returns, some rows at a time: all that is read at once."""
    import numpy as np

    kind = {8: np.uint8, 16: np.uint16}[bits]
    for row in range(0, tensor.shape[1], BAND):
        values = np.asarray(tensor[:, row : row + BAND])[0]
        if not np.isfinite(values).all():
            raise ValueError("the image holds values that are not finite")
        yield np.rint(np.clip(values, 0.0, 1.0) * (2**bits - 1)).astype(kind)


def fit_alpha(alpha, tensor):
    """Return an opacity, a Pillow image of mode L, of the size of an image."""
    return alpha.resize(tensor.shape[2:0:-1], Image.Resampling.LANCZOS)


def encode_png(tensor, info, *, alpha=None, profile=None, dpi=None):
    """Return an image as the bytes of a PNG with 16 bits a channel.

    Args:
        tensor: (1, height, width, 3) in [0, 1].
        info: a `PngImagePlugin.PngInfo`: text entries.
        alpha: a Pillow image of mode L, of that size.
        profile: the bytes of an ICC profile, or None.
        dpi: dots per inch, of width and height, or None.
    """
    _, height, width, _ = tensor.shape
    kind = RGBA if alpha else RGB
    buffer = io.BytesIO()
    buffer.write(SIGNATURE)
    put(buffer, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    if profile:
        put(buffer, b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
    if dpi:
        dots = [round(float(each) / INCH) for each in dpi]
        put(buffer, b"pHYs", struct.pack(">IIB", *dots, 1))
    for name, data, *_ in info.chunks:
        put(buffer, name, data)
    bands = list_samples(tensor, 16)
    for data in compress(add_alpha(bands, alpha) if alpha else bands):
        put(buffer, b"IDAT", data)
    put(buffer, b"IEND", b"")
    return buffer.getvalue()


def put(buffer, name, data):
    """Write a chunk: its length, its name, its data, a checksum of both."""
    PngImagePlugin.putchunk(buffer, name, data)


def add_alpha(bands, alpha):
    """Add an opacity, a Pillow image of mode L, to bands of rows: a generator of such."""
    import numpy as np

    for number, band in enumerate(bands):
        top = number * BAND
        part = alpha.crop((0, top, alpha.width, top + len(band)))
        opacity = np.asarray(part, np.uint16)[..., np.newaxis] * np.uint16(257)
        yield np.concatenate([band, opacity], axis=2)


def compress(bands):
    """Compress rows, (height, width, channels) of 16 bits each: a generator of bytes."""
    import numpy as np

    compressor, above = zlib.compressobj(), None
    for band in bands:
        rows = band.astype(">u2").view(np.uint8).reshape(len(band), -1)
        above = np.zeros_like(rows[:1]) if above is None else above
        filtered = rows - np.concatenate([above, rows[:-1]])  # modulo 256
        above = rows[-1:]
        marked = np.pad(filtered, ((0, 0), (1, 0)), constant_values=UP)
        if data := compressor.compress(marked.tobytes()):
            yield data
    yield compressor.flush()
