"""Odd picture files give the right pixels: upright, sRGB, opaque, 8 bits."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from builders import (
    FAITHFUL,
    UPRIGHT,
    alike,
    chunk,
    encode,
    exif,
    icc,
    load_bytes,  # noqa: F401 - the fixture `load`
    orientation,
    png,
    png_of,
    tiff,
)
from PIL import Image

from style_transfer.pictures import images

WHITE = (255, 255, 255)


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
