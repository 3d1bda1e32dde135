"""Picture files: hostile ones end in one line, odd ones give the right pixels."""

import io
import os
import random
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from conftest import within
from PIL import Image

from style_transfer import files
from style_transfer.pictures import images

WHITE = (255, 255, 255)
LIMIT_MB = 24


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


@pytest.fixture
def load(tmp_path):
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


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "AVIF"])
def test_content_decides_and_not_the_name(load, form):
    pixels, notices = load(encode(form, UPRIGHT), "picture.jpg.tiff")
    assert alike(pixels, UPRIGHT, form) and notices == []


@pytest.mark.parametrize(
    "name", ["with spaces", "line\nend", "esc\x1b[31m", "-o", "--help", b"caf\xe9.png", "树.png"]
)
def test_odd_file_names(load, monkeypatch, tmp_path, name):
    data = encode("GIF", UPRIGHT, 255 - UPRIGHT)
    pixels, notices = load(data, os.fsdecode(name))
    np.testing.assert_array_equal(pixels, UPRIGHT)
    assert len(notices) == 1
    monkeypatch.chdir(tmp_path)
    assert images.load(os.fsdecode(name)).notices[0].isprintable()


def test_cmyk(load):
    ink = np.zeros((32, 64, 4), np.uint8)
    ink[:, 16:] = 255, 0, 0, 0
    ink[:, 32:] = 0, 255, 255, 0
    ink[:, 48:] = 90, 30, 0, 100
    paper = 255 - ink.astype(float)
    expected = paper[..., :3] * paper[..., 3:] / 255
    picture = Image.frombytes("CMYK", (64, 32), ink.tobytes())
    for form in ("JPEG", "TIFF"):
        buffer = io.BytesIO()
        picture.copy().save(buffer, form, **FAITHFUL.get(form, {}))
        np.testing.assert_allclose(load(buffer.getvalue())[0], expected, atol=3)


def on_white(colors, alpha):
    """Composite in NumPy: colors (..., 3) and alpha (...), all in [0, 255]."""
    share = np.asarray(alpha, float)[..., None] / 255
    return colors * share + 255 * (1 - share)


def test_gray_and_bilevel(load):
    gray = np.arange(1600, dtype=np.uint16).reshape(40, 40).astype(np.uint8)
    expected = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(load(png_of(gray, 8, 0))[0], expected)
    bits = np.arange(1600).reshape(40, 40) % 3 == 0
    pixels, _ = load(png(40, 40, 1, 0, [np.packbits(row).tobytes() for row in bits]))
    np.testing.assert_array_equal(pixels, np.where(bits[..., None], WHITE, 0))


def test_alpha_is_laid_on_white(load):
    alpha = np.linspace(0, 255, UPRIGHT[..., 0].size).astype(np.uint8).reshape(UPRIGHT.shape[:2])
    color = np.dstack([UPRIGHT, alpha])
    np.testing.assert_allclose(load(png_of(color, 8, 6))[0], on_white(UPRIGHT, alpha), atol=1)
    gray = np.dstack([UPRIGHT[..., 0], alpha])
    expected = on_white(np.repeat(UPRIGHT[..., :1], 3, axis=2), alpha)
    np.testing.assert_allclose(load(png_of(gray, 8, 4))[0], expected, atol=1)


def test_what_is_fully_transparent_is_white_whatever_lies_beneath(load):
    hidden = np.dstack([UPRIGHT, np.zeros(UPRIGHT.shape[:2], np.uint8)])
    for data in (png_of(hidden, 8, 6), encode("WEBP", hidden)):
        assert (load(data)[0] == 255).all()


def test_palette_with_transparency(load):
    index = (np.arange(1600).reshape(40, 40) // 7 % 3).astype(np.uint8)
    palette = np.array([[10, 20, 30], [200, 100, 50], [0, 0, 0]], np.uint8)
    alpha = np.array([255, 128, 0], np.uint8)
    plain = chunk(b"PLTE", palette.tobytes())
    np.testing.assert_array_equal(load(png_of(index, 8, 3, before=plain))[0], palette[index])
    before = plain + chunk(b"tRNS", alpha.tobytes())
    expected = on_white(palette[index], alpha[index])
    np.testing.assert_allclose(load(png_of(index, 8, 3, before=before))[0], expected, atol=1)


@pytest.mark.parametrize("profile", [False, True])
def test_one_color_declared_transparent(load, profile):
    before = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc(b"RGB "))) if profile else b""
    before += chunk(b"tRNS", struct.pack(">HHH", *UPRIGHT[0, 0]))
    clear = (UPRIGHT[0, 0] == UPRIGHT).all(axis=2)
    pixels, _ = load(png_of(UPRIGHT, 8, 2, before=before))
    assert (pixels[clear] == 255).all() and (pixels[~clear] != 255).any(axis=1).all()


def ramp():
    return np.rint(np.linspace(0, 65535, 1600)).reshape(40, 40)


@pytest.mark.parametrize("kind", ["PNG", "TIFF <", "TIFF >"])
def test_16_bit_gray_is_scaled_and_not_clipped(load, kind):
    if kind == "PNG":
        data = png_of(ramp().astype(">u2"), 16, 0)
    else:
        order = kind[-1]
        data = tiff(40, 40, data=ramp().astype(order + "u2").tobytes(), order=order, bits=16)
    pixels, _ = load(data)
    assert abs(pixels.mean() - 127.5) < 0.1
    np.testing.assert_array_equal(pixels[..., 0], np.rint(ramp() / 65535 * 255))


def test_16_bit_gray_turns_and_keeps_its_transparent_color(load):
    turned = tiff(40, 40, (274, 6), data=ramp().astype("<u2").tobytes(), bits=16)
    expected = np.rot90(np.rint(ramp() / 257), -1)
    np.testing.assert_array_equal(load(turned)[0][..., 0], expected)
    data = png_of(ramp().astype(">u2"), 16, 0, before=chunk(b"tRNS", b"\0\0"))
    pixels, _ = load(data)
    assert (pixels[0, 0] == 255).all() and (pixels[0, 10] < 3).all()


def test_16_bit_color_is_scaled(load):
    color = np.dstack([ramp(), ramp()[::-1], ramp().T])
    pixels, _ = load(png_of(color.astype(">u2"), 16, 2))
    np.testing.assert_allclose(pixels, color / 257, atol=1)


#: How the standard (EXIF 2.3, tag 274) says that a camera stores what is upright.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
    0: lambda upright: upright,
    99: lambda upright: upright,
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_all_orientations_give_the_same_upright_picture(load, form):
    for number, store in STORED.items():
        pixels, notices = load(encode(form, store(UPRIGHT), exif=exif(orientation(number))))
        assert alike(pixels, UPRIGHT, form) and notices == [], number


@pytest.mark.parametrize("odd", [(256, 2, 4, b"40\0\0"), (282, 7, 4, b"abcd"), (271, 99, 1, b"a")])
def test_an_odd_entry_beside_the_orientation_does_not_keep_it_from_turning(load, odd):
    for form in ("PNG", "JPEG"):
        pixels, _ = load(encode(form, STORED[6](UPRIGHT), exif=exif(odd, orientation(6))))
        assert alike(pixels, UPRIGHT, form)


@pytest.mark.parametrize("block", [b"junkjunkjunk", b"MM\0*", b"MM\0*\0\0\0\x08\0\x09", b""])
def test_a_broken_exif_block_is_ignored(load, block):
    for form in ("PNG", "WEBP", "JPEG"):
        pixels, notices = load(encode(form, UPRIGHT, exif=b"Exif\0\0" + block))
        assert alike(pixels, UPRIGHT, form) and len(notices) < 2
        assert all("damaged" in notice for notice in notices)
        if form == "PNG" and block.startswith(b"junk"):
            assert "EXIF" in notices[0]


ODD_METADATA = "part of its metadata is damaged; that part is ignored"


def with_odd_metadata():
    """Encode a picture that makes Pillow warn several times."""
    far = b"\x0f\xff\xff\xff"
    block = exif(orientation(1), (271, 2, 99, far), (272, 2, 99, far), (305, 2, 99, far))
    return encode("PNG", UPRIGHT, exif=block)


def test_warnings_become_one_plain_notice(load):
    for _ in range(2):  # not only the first time, as is Python's default
        pixels, notices = load(with_odd_metadata())
        np.testing.assert_array_equal(pixels, UPRIGHT)
        assert notices == [ODD_METADATA]


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


def test_two_threads_that_load_at_once_leave_the_warnings_as_they_were(tmp_path, monkeypatch):
    """The first would end while the second is underway, and the second restore its filters."""
    plain, odd = tmp_path / "plain.png", tmp_path / "odd.png"
    plain.write_bytes(encode("PNG", UPRIGHT))
    odd.write_bytes(with_odd_metadata())
    underway, over, decode = threading.Event(), threading.Event(), images.decode
    threads, found = [], []

    def overlap(path, *others):
        if path == plain:
            threads.append(in_thread(lambda: found.append(images.load(odd))))
            underway.wait(0.2)  # in vain, if one is read at a time
        else:
            underway.set()
            over.wait(60)
        return decode(path, *others)

    monkeypatch.setattr(images, "decode", overlap)
    before = warnings.filters[:], warnings.showwarning
    assert images.load(plain).notices == ()
    over.set()
    threads[0].join()
    assert (warnings.filters[:], warnings.showwarning) == before
    assert [notice.endswith(ODD_METADATA) for notice in found[0].notices] == [True]


def test_a_warning_of_another_thread_goes_its_usual_way(tmp_path, monkeypatch):
    (tmp_path / "plain.png").write_bytes(encode("PNG", UPRIGHT))
    decode = images.decode

    def disturbed(*arguments):
        in_thread(warnings.warn, "of another thread").join()
        return decode(*arguments)

    monkeypatch.setattr(images, "decode", disturbed)
    with pytest.warns(UserWarning, match="of another thread"):
        assert images.load(tmp_path / "plain.png").notices == ()


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


def srgb_from_profile(values):
    """Undo the gamma of 3, apply that of IEC 61966-2-1; [0, 255] to [0, 255]."""
    light = (np.asarray(values, float) / 255) ** 3
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_colors_are_converted_by_the_embedded_profile(load, form):
    pixels, notices = load(encode(form, UPRIGHT, icc_profile=icc(b"RGB ")))
    expected = srgb_from_profile(UPRIGHT[..., ::-1])
    atol = 8 if form in ("JPEG", "AVIF") else 1.5
    np.testing.assert_allclose(pixels, expected, atol=atol)
    assert notices == []


def test_colors_are_converted_before_alpha_is_laid_on_white(load):
    alpha = np.full(UPRIGHT.shape[:2], 100, np.uint8)
    pixels, _ = load(encode("PNG", np.dstack([UPRIGHT, alpha]), icc_profile=icc(b"RGB ")))
    expected = on_white(srgb_from_profile(UPRIGHT[..., ::-1]), alpha)
    np.testing.assert_allclose(pixels, expected, atol=2)


@pytest.mark.parametrize("space", [b"GRAY", b"RGB "])
def test_gray_with_a_profile(load, space):
    gray = np.rint(np.linspace(0, 255, 1600)).astype(np.uint8).reshape(40, 40)
    expected = np.repeat(srgb_from_profile(gray)[..., None], 3, axis=2)
    for values in (gray, gray.astype(np.uint16) * 257):
        pixels, notices = load(encode("PNG", values, icc_profile=icc(space)))
        np.testing.assert_allclose(pixels, expected, atol=2)
        assert notices == []


@pytest.mark.parametrize("profile", [b"junk" * 40, icc(b"RGB ")[:200], icc(b"GRAY")])
def test_a_profile_that_cannot_be_used_is_ignored_with_a_notice(load, profile):
    pixels, notices = load(encode("PNG", UPRIGHT, icc_profile=profile))
    np.testing.assert_array_equal(pixels, UPRIGHT)
    assert notices == ["its color profile cannot be used; sRGB is assumed"]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_is_used_with_a_notice(load, form):
    pixels, notices = load(encode(form, UPRIGHT, 255 - UPRIGHT))
    assert alike(pixels, UPRIGHT, form)
    assert len(notices) == 1 and "first frame" in notices[0]


def test_a_gif_cut_in_its_second_frame_still_gives_the_first(load):
    data = encode("GIF", UPRIGHT, 255 - UPRIGHT)
    second = data.rindex(b",\0\0\0\0", 0, -1)
    for length in (second - 8, second + 3, second + 9, len(data) - 9):
        pixels, notices = load(data[:length])
        np.testing.assert_array_equal(pixels, UPRIGHT)
        assert len(notices) < 2


def test_the_preview_in_a_phones_jpeg_is_no_animation(load):
    assert load(encode("MPO", UPRIGHT, UPRIGHT[::2, ::2]))[1] == []


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


@pytest.mark.parametrize(
    "size, longer, enlarge, expected",
    [
        ((4000, 3000), 512, False, (512, 384)),
        ((3000, 4000), 512, False, (384, 512)),
        ((100, 50), 512, False, (100, 50)),
        ((100, 50), 512, True, (512, 256)),
        ((20000, 10), 512, False, (512, 1)),
        ((1000, 333), 500, False, (500, 166)),
        ((512, 512), 512, True, (512, 512)),
    ],
)
def test_fitted_size(size, longer, enlarge, expected):
    assert images.fitted_size(size, longer, enlarge=enlarge) == expected


def test_sides_under_32_pixels_are_refused():
    picture = images.Picture("narrow\n.png", "", Image.new("RGB", (9, 9)), ())
    images.check_sides(picture, (32, 32))
    for size in ((31, 400), (400, 31)):
        with pytest.raises(files.FileError) as caught:
            images.check_sides(picture, size)
        assert rf"narrow\n.png: would be {size[0]}×{size[1]} px, under 32 px" in str(caught.value)


def test_to_tensor_resizes_as_pillow_does():
    picture = images.Picture("", "", Image.fromarray(UPRIGHT), ())
    tensor = images.to_tensor(picture, (48, 33))
    assert tensor.shape == (1, 33, 48, 3) and tensor.dtype == np.float32
    resized = Image.fromarray(UPRIGHT).resize((48, 33), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(tensor[0] * 255, np.asarray(resized, float), atol=1e-4)
    same = images.to_tensor(picture, UPRIGHT.shape[1::-1])
    np.testing.assert_array_equal(same[0], UPRIGHT / np.float32(255))
    assert same.min() >= 0 and same.max() <= 1


def test_to_pixels_rounds_to_the_nearest_and_clips():
    whole = np.arange(256).repeat(9).reshape(1, 16, 48, 3)
    offset = np.tile(np.linspace(-0.49, 0.49, 9), 256).reshape(whole.shape)
    pixels = images.to_pixels(((whole + offset) / 255).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(pixels), whole[0])
    outside = np.array([-1e30, -0.1, 1.1, 1e30] * 3).reshape(1, 2, 2, 3)
    expected = np.array([0, 0, 255, 255] * 3).reshape(2, 2, 3)
    np.testing.assert_array_equal(np.asarray(images.to_pixels(outside)), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_never_become_a_picture(tmp_path, value):
    tensor = np.full((1, 32, 32, 3), 0.5, np.float32)
    path = tmp_path / "frame.png"
    images.save_png(path, tensor)
    before = path.read_bytes()
    tensor[0, 3, 4, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        images.save_png(path, tensor)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["frame.png"]


def test_a_png_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "frame.png"
    images.save_png(path, UPRIGHT[np.newaxis] / 255)
    before = path.read_bytes()

    def break_off(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", break_off)
    with pytest.raises(OSError, match="No space.* bytes needed.*: '.*frame.png'"):
        images.save_png(path, UPRIGHT[np.newaxis] / 255)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["frame.png"]


def test_save_png_keeps_pixels_and_texts(tmp_path):
    texts = {"Software": "style-transfer", "Settings": '{"α": 1,\n "name": "树"}'}
    path = tmp_path / "result.png"
    images.save_png(path, UPRIGHT[np.newaxis] / 255, texts=texts)
    with Image.open(path) as saved:
        assert saved.format == "PNG" and saved.mode == "RGB" and saved.text == texts
        np.testing.assert_array_equal(np.asarray(saved), UPRIGHT)
    assert os.listdir(tmp_path) == ["result.png"]
