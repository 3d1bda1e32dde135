"""Picture files built by hand or by Pillow, for what reads them."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from style_transfer import files
from style_transfer.pictures import images


def quadrants(height=32, width=64):
    """Four plain colors: no two of a picture's eight orientations look alike."""
    picture = np.empty((height, width, 3), np.uint8)
    colors = ((200, 30, 40), (30, 180, 60)), ((40, 60, 220), (230, 220, 50))
    for row, pair in enumerate(colors):
        for column, color in enumerate(pair):
            picture[row * height // 2 :, column * width // 2 :] = color
    return picture


UPRIGHT = quadrants()
SMOOTH = np.asarray(Image.fromarray(quadrants(6, 8)).resize((40, 36), Image.Resampling.BICUBIC))


#: What makes a lossy format keep colors nearly as they are.
FAITHFUL = {
    "JPEG": {"quality": 98, "subsampling": "4:4:4"},
    "AVIF": {"quality": 98, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True, "exact": True},
}


def encode(form, *pictures, **options):
    """Encode pixels with Pillow; several pictures become frames."""
    first, *others = [Image.fromarray(np.ascontiguousarray(each)) for each in pictures]
    if others:
        options |= {"save_all": True, "append_images": others}
    buffer = io.BytesIO()
    first.save(buffer, form, **FAITHFUL.get(form, {}) | options)
    return buffer.getvalue()


def chunk(kind, data):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(width, height, depth, color, rows=b"", *, before=b"", end=None):
    """Build a PNG byte by byte; `rows` are those of the pixels, each without its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    end = chunk(b"IEND", b"") if end is None else end
    chunks = chunk(b"IHDR", header) + before + chunk(b"IDAT", pixels)
    return b"\x89PNG\r\n\x1a\n" + chunks + end


def png_of(array, depth, color, **options):
    """Build a PNG of samples (height, width, ...), which are as they stand in the file."""
    rows = [row.tobytes() for row in array]
    return png(array.shape[1], len(array), depth, color, rows, **options)


def tiff(width, height, *entries, data, order="<", bits=8, compression=1):
    """Build a TIFF of one gray strip, which `entries` may change."""
    tags = {256: width, 257: height, 258: bits, 259: compression, 262: 1, 277: 1, 278: height}
    tags |= {273: 0, 279: len(data)} | dict(entries)
    tags[273 if 322 not in tags else 324] = start = 14 + 12 * (len(tags) + (322 in tags))
    if 322 in tags:
        del tags[273], tags[279], tags[278]
        tags[325] = len(data)
    kinds = [(tag, 3 if tag in (258, 259, 262, 277, 274) else 4, tags[tag]) for tag in sorted(tags)]
    directory = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + (struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value))
        for tag, kind, value in kinds
    )
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HIH", 42, 8, len(kinds)) + directory + bytes(4)
    return head.ljust(start, b"\0") + data


def exif(*entries):
    """Build an EXIF block; an entry is (tag, type, count, the four bytes of its value)."""
    directory = b"".join(struct.pack(">HHI4s", *entry) for entry in entries)
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + directory + bytes(4)


def orientation(number):
    return 0x112, 3, 1, struct.pack(">HH", number, 0)


def patched(data, position, values):
    return data[:position] + values + data[position + len(values) :]


@pytest.fixture(name="load")
def load_bytes(tmp_path):
    """A function that writes bytes to a file and loads it: pixels and notices."""

    def load(data, name="picture"):
        path = tmp_path / name
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # none of Pillow's may reach the user
            picture = images.load(path)
        assert picture.path == str(path) and picture.sha256 == files.sha256(data)
        assert picture.pixels.mode == "RGB"
        prefix = f"{files.printable(path)}: "
        assert all(notice.startswith(prefix) for notice in picture.notices)
        return np.asarray(picture.pixels), [each[len(prefix) :] for each in picture.notices]

    return load


def alike(pixels, expected, form):
    """Tell whether two pictures are equal, or nearly so where the format is lossy."""
    difference = np.abs(pixels - np.asarray(expected, float))
    return pixels.shape == expected.shape and difference.max() <= 6 * (form in ("JPEG", "AVIF"))


ENCODINGS = {
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "WebP": ("WEBP", {"lossless": False}),
    "lossless WebP": ("WEBP", {}),
    "AVIF": ("AVIF", {}),
    "TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "GIF": ("GIF", {}),
}


D50 = (0.9642, 1.0, 0.8249)
PRIMARIES = (  # sRGB's red, green and blue, adapted to D50: columns of the ICC's own matrix
    (0.4360747, 0.2225045, 0.0139322),
    (0.3850649, 0.7168786, 0.0971045),
    (0.1430804, 0.0606169, 0.7141733),
)


def icc(space):
    """Build an ICC profile of gamma 3, whose red is called blue and whose blue red."""

    def numbers(values):
        return b"XYZ " + struct.pack(">4x3i", *(round(value * 65536) for value in values))

    curve = b"curv" + struct.pack(">4xIHxx", 1, 3 * 256)
    tags = {b"wtpt": numbers(D50), b"kTRC": curve}
    if space == b"RGB ":
        tags = {b"wtpt": numbers(D50)} | {each + b"TRC": curve for each in (b"r", b"g", b"b")}
        tags |= {b + b"XYZ": numbers(xyz) for b, xyz in zip((b"b", b"g", b"r"), PRIMARIES)}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">4xI4s4s4s12x4s28x", 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    head += struct.pack(">3i", *(round(value * 65536) for value in D50))
    return struct.pack(">I", start + len(body)) + head.ljust(124, b"\0") + table + body
