"""Hostile and damaged picture files end in one line, soon and cheaply, or in a picture."""

import os
import random
import struct
import zlib

import numpy as np
import pytest
from builders import (
    ENCODINGS,
    SMOOTH,
    UPRIGHT,
    chunk,
    encode,
    exif,
    icc,
    load_bytes,  # noqa: F401 - the fixture `load`
    orientation,
    patched,
    png,
    png_of,
    tiff,
)
from conftest import within

from style_transfer import files
from style_transfer.pictures import images

LIMIT_MB = 24


def refused(path):
    """Load a file that is to be refused, soon and cheaply; return the message.

    The time is what a busy machine may need; to decode what the bombs claim takes more.
    """
    with within(seconds=9, megabytes=LIMIT_MB), pytest.raises(files.FileError) as caught:
        images.load(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < len(str(path)) + 250
    assert message.startswith(f"{files.printable(path)}: ") and "; " in message
    return message


def gif_of_29_bytes():
    size = b"\xff\xff\xff\xff"
    return b"GIF89a" + size + b"\0\0\0" + b"," + b"\0\0\0\0" + size + b"\0" + b"\2\2\x44\1\0;"


def not_a_number():
    values = np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40)
    values[3, 4] = np.nan
    return encode("TIFF", values)


def jpeg_of(width, height):
    data = encode("JPEG", UPRIGHT)
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def avif_of(width, height):
    data = encode("AVIF", UPRIGHT)
    return patched(data, data.index(b"ispe") + 8, struct.pack(">II", width, height))


def webp_of(width, height):
    data = encode("WEBP", UPRIGHT)
    return patched(data, 21, struct.pack("<I", width - 1 | height - 1 << 14))


def bmp_of(width, height):
    return patched(encode("BMP", UPRIGHT), 18, struct.pack("<ii", width, height))


def bomb(kind):
    text = b"key\0\0" + zlib.compress(bytes(100_000_000))
    return png_of(UPRIGHT, 8, 2, before=chunk(kind, text))


def broken_checksum(kind):
    data = png_of(UPRIGHT, 8, 2)
    start = data.index(kind) - 4
    end = start + 8 + int.from_bytes(data[start : start + 4])
    return patched(data, end, bytes(4))


def large_tile():
    packed = zlib.compress(bytes(10_000_000))
    return tiff(40, 40, (322, 2**15), (323, 2**15), data=packed, compression=8)


HOSTILE = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"a picture of a cat\n" * 99, "not a picture"),
    "HTML": (lambda: b"<!DOCTYPE html><img src='cat.jpg'>", "not a picture"),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='9'/>", "not a picture"),
    "EPS": (lambda: encode("EPS", UPRIGHT), "not a picture"),
    "PDF": (lambda: encode("PDF", UPRIGHT), "not a picture"),
    "PPM": (lambda: encode("PPM", UPRIGHT), "not a picture"),
    "PPM of negative size": (lambda: b"P6 -40 40 255\n" + bytes(4800), "not a picture"),
    "PPM of huge size": (lambda: b"P6 99999999 99999999 255\n", "not a picture"),
    "PNG 0×0": (lambda: png(0, 0, 8, 2), "not a picture"),
    "PNG 60000×60000": (lambda: png(60000, 60000, 8, 2), "50 megapixels"),
    "PNG of 2³¹−1": (lambda: png(2**31 - 1, 2**31 - 1, 8, 2), "50 megapixels"),
    "PNG 12000×12000": (lambda: png(12000, 12000, 8, 0, [bytes(12000)] * 12000), "50 megapixels"),
    "one bit 9000×9000": (lambda: png(9000, 9000, 1, 0, [bytes(1125)] * 9000), "50 megapixels"),
    "GIF of 29 bytes": (gif_of_29_bytes, "50 megapixels"),
    "JPEG 65500×65500": (lambda: jpeg_of(65500, 65500), "50 megapixels"),
    "WebP 16384×16384": (lambda: webp_of(16384, 16384), "50 megapixels"),
    "AVIF 12000×12000": (lambda: avif_of(12000, 12000), "50 megapixels"),
    "BMP 60000×60000": (lambda: bmp_of(60000, 60000), "50 megapixels"),
    "BMP of −2³¹": (lambda: bmp_of(64, -(2**31)), "50 megapixels"),
    "TIFF 60000×60000": (lambda: tiff(60000, 60000, data=bytes(99)), "50 megapixels"),
    "TIFF with a large tile": (large_tile, "50 megapixels"),
    "zTXt bomb": (lambda: bomb(b"zTXt"), "damaged"),
    "iCCP bomb": (lambda: bomb(b"iCCP"), "damaged"),
    "IHDR checksum": (lambda: broken_checksum(b"IHDR"), "damaged"),
    "IDAT checksum": (lambda: broken_checksum(b"IDAT"), "damaged (wrong checksum)"),
    "float TIFF with NaN": (not_a_number, "floating-point pixels"),
    "32-bit TIFF": (lambda: encode("TIFF", np.full((40, 40), 70000, np.int32)), "32-bit pixels"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_quickly_and_cheaply(tmp_path, name):
    make, reason = HOSTILE[name]
    path = tmp_path / "bad.png"
    path.write_bytes(make())
    assert reason in refused(path)


def test_the_bombs_are_small():
    assert len(gif_of_29_bytes()) == 29
    assert len(HOSTILE["one bit 9000×9000"][0]()) < 12_000


def test_what_is_not_a_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**40)
    for path, reason in (
        (tmp_path / "pipe", "regular"),
        ("/dev/zero", "regular"),
        (tmp_path / "huge", "512 MB"),
        (tmp_path, "folder"),
        (tmp_path / "no\x1b[2J\nsuch", "no such file"),
    ):
        assert reason in refused(path)


@pytest.mark.parametrize("name", ENCODINGS)
def test_truncated_files_are_refused(tmp_path, name):
    form, options = ENCODINGS[name]
    data = encode(form, SMOOTH, **options)
    for length in (1, 4, 12, 30, *(len(data) * part // 8 for part in range(1, 8)), len(data) - 24):
        path = tmp_path / f"cut-{length}"
        path.write_bytes(data[:length])
        refused(path)


def test_png_without_its_end_is_whole(load):
    for end in (b"", b"\0", chunk(b"IEND", b"")[:-1]):
        np.testing.assert_array_equal(load(png_of(UPRIGHT, 8, 2, end=end))[0], UPRIGHT)
    cut_in_checksum = png_of(UPRIGHT, 8, 2, end=b"")[:-2]
    np.testing.assert_array_equal(load(cut_in_checksum)[0], UPRIGHT)


def test_damage_behind_the_pixels_of_a_png_is_no_reason_to_refuse_it(load):
    text = chunk(b"tEXt", b"key\0text")
    spoiled = text[:-4] + bytes(4)
    for end in (bytes(36), spoiled, spoiled + chunk(b"IEND", b"")):
        pixels, _ = load(png_of(UPRIGHT, 8, 2, end=end))
        np.testing.assert_array_equal(pixels, UPRIGHT)


@pytest.mark.parametrize("broken", range(3))
def test_each_part_of_the_pixels_of_a_png_is_checked(tmp_path, broken):
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in UPRIGHT))
    parts = [chunk(b"IDAT", rows[start : start + 40]) for start in (0, 40)]
    parts.append(chunk(b"IDAT", rows[80:]))
    head = png_of(UPRIGHT, 8, 2)[:33]
    whole, end = head + b"".join(parts), chunk(b"IEND", b"")
    path = tmp_path / "parts.png"
    path.write_bytes(whole + end)
    np.testing.assert_array_equal(np.asarray(images.load(path).pixels), UPRIGHT)
    parts[broken] = parts[broken][:-4] + bytes(4)
    path.write_bytes(head + b"".join(parts) + end)
    assert "damaged (wrong checksum)" in refused(path)


def test_mutations_end_in_a_clean_error_or_a_picture(tmp_path):
    odd, turned = exif((256, 2, 4, b"40\0\0"), orientation(6)), exif(orientation(6))
    seeds = [encode(form, SMOOTH, **options) for form, options in ENCODINGS.values()]
    seeds += [encode(form, SMOOTH, exif=odd) for form in ("JPEG", "PNG", "WEBP")]
    seeds += [encode(form, SMOOTH, exif=turned) for form in ("AVIF", "TIFF")]
    seeds += [encode(form, SMOOTH, icc_profile=icc(b"RGB ")) for form in ("JPEG", "PNG", "TIFF")]
    seeds += [encode(form, SMOOTH, SMOOTH[::-1]) for form in ("GIF", "PNG", "WEBP", "AVIF", "TIFF")]
    generator = random.Random(0)
    path = tmp_path / "mutant"
    loaded = 0
    for number in range(500):
        data = bytearray(seeds[number % len(seeds)])
        reach = len(data) if number % 2 else min(len(data), 200)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(reach)] = generator.choice((0, 255, generator.randrange(256)))
        path.write_bytes(data)
        try:
            loaded += images.load(path).pixels.mode == "RGB"
        except files.FileError as error:
            assert str(error).isprintable()
    assert 50 < loaded < 450
