"""Pictures with 16 bits a channel are read with all of them; files by tifffile and FFmpeg."""

import io
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
import tifffile
from builders import chunk, encode, icc, png_of, tiff
from PIL import Image, ImageCms

from style_transfer import files
from style_transfer.pictures import images, shaper, sixteen

COLORS = np.random.default_rng(0).integers(0, 65536, (40, 56, 3), dtype=np.uint16)
ALPHA = np.random.default_rng(1).integers(0, 65536, (40, 56), dtype=np.uint16)
WITH_ALPHA = np.dstack([COLORS, ALPHA])


def tiff_of(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "rgb", "metadata": None} | options)
    return buffer.getvalue()


def ffmpeg(array, codec, form, **options):
    """Encode (height, width, 3) as FFmpeg does."""
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = array.shape[:2]
    context.pix_fmt, context.time_base, context.options = form, Fraction(1, 25), options
    frame = av.VideoFrame.from_ndarray(array, format=form)
    return b"".join(bytes(each) for each in [*context.encode(frame), *context.encode(None)])


ENCODED = {
    "PNG": lambda: png_of(COLORS.astype(">u2"), 16, 2),
    "PNG by FFmpeg": lambda: ffmpeg(COLORS, "png", "rgb48be"),
    "PNG of this program": lambda: images.encode_png(COLORS[np.newaxis] / 65535, bits=16),
    "TIFF": lambda: tiff_of(COLORS),
    "TIFF, big-endian": lambda: tiff_of(COLORS, byteorder=">"),
    "TIFF, deflated, predicted": lambda: tiff_of(COLORS, compression="zlib", predictor=True),
    "TIFF, big-endian, deflated": lambda: tiff_of(COLORS, byteorder=">", compression="zlib"),
    "TIFF, tiled": lambda: tiff_of(COLORS, tile=(16, 16), compression="zlib"),
    "TIFF, in strips": lambda: tiff_of(COLORS, rowsperstrip=7),
    "TIFF, big": lambda: tiff_of(COLORS, bigtiff=True),
    "TIFF, LZW": lambda: ffmpeg(COLORS, "tiff", "rgb48le", compression_algo="lzw"),
    "TIFF, one more channel": lambda: tiff_of(WITH_ALPHA, extrasamples=["unspecified"]),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_all_bits_are_read(kind):
    picture = images.read("picture", ENCODED[kind]())
    np.testing.assert_array_equal(picture.deep, COLORS)
    np.testing.assert_array_equal(picture.pixels, np.rint(COLORS / 257))
    assert picture.alpha is None and picture.notices == ()
    tensor = images.to_tensor(picture, (56, 40))
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor[0], COLORS / 65535, atol=1e-7)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, white is 0"])
def test_gray(kind):
    gray = COLORS[..., 0]
    data = {
        "PNG": lambda: png_of(gray.astype(">u2"), 16, 0),
        "TIFF": lambda: tiff_of(gray, photometric="minisblack", byteorder=">"),
        "TIFF, white is 0": lambda: tiff_of(65535 - gray, photometric="miniswhite"),
    }[kind]()
    np.testing.assert_array_equal(images.read("gray", data).deep, np.dstack([gray] * 3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_transparency_is_laid_on_white_with_all_bits(kind):
    data = png_of(WITH_ALPHA.astype(">u2"), 16, 6)
    if kind == "TIFF":
        data = tiff_of(WITH_ALPHA, extrasamples=["unassalpha"], compression="zlib")
    picture = images.read("picture", data)
    share = ALPHA[..., np.newaxis] / 65535
    np.testing.assert_allclose(picture.deep, COLORS * share + 65535 * (1 - share), atol=0.6)
    np.testing.assert_array_equal(picture.alpha, np.rint(ALPHA / 257))


def test_one_transparent_color():
    before = chunk(b"tRNS", struct.pack(">HHH", *COLORS[3, 4]))
    picture = images.read("picture", png_of(COLORS.astype(">u2"), 16, 2, before=before))
    assert (picture.deep[3, 4] == 65535).all() and np.asarray(picture.alpha).argmin() == 3 * 56 + 4
    np.testing.assert_array_equal(picture.deep[4:], COLORS[4:])


def test_it_is_turned_upright():
    lying = np.rot90(COLORS, 1)
    data = tiff_of(lying, extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(images.read("picture", data).deep, COLORS)


def test_what_has_8_bits_has_no_more():
    for form in ("PNG", "TIFF", "JPEG", "GIF"):
        data = encode(form, np.uint8(COLORS >> 8))
        assert images.read("picture", data).deep is None


def test_it_is_resized_without_rounding():
    """A ramp of less than one of 256 levels, against Pillow's own floats; it stays in [0, 1]."""
    ramp = np.linspace(32000, 32200, 90 * 120 * 3).reshape(90, 120, 3).astype(np.uint16)
    picture = images.read("ramp", tiff_of(ramp))
    small = images.to_tensor(picture, (50, 40))[0]
    channel = Image.fromarray(ramp[..., 1].astype(np.float32))
    expected = np.asarray(channel.resize((50, 40), Image.Resampling.LANCZOS)) / 65535
    np.testing.assert_allclose(small[..., 1], expected, atol=1e-7)
    assert len(np.unique(small)) > 1000
    edge = np.repeat(np.uint16([[0] * 40 + [65535] * 40]), 60, axis=0)
    edge = images.read("edge", tiff_of(np.dstack([edge] * 3)))
    found = images.to_tensor(edge, (33, 25))
    assert found.min() == 0 and found.max() == 1


def from_gamma_3(values):
    """Undo a gamma of 3, apply that of IEC 61966-2-1; in [0, 65535]."""
    light = (np.asarray(values, float) / 65535) ** 3
    power = 1.055 * light ** (1 / 2.4) - 0.055
    return 65535 * np.where(light <= 0.0031308, 12.92 * light, power)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_profiles_are_converted_with_all_bits(form):
    """The profile of a gamma of 3 calls red blue, see `builders.icc`."""
    profile = icc(b"RGB ")
    before = chunk(b"iCCP", b"own\0\0" + zlib.compress(profile))
    data = png_of(COLORS.astype(">u2"), 16, 2, before=before)
    if form == "TIFF":
        data = tiff_of(COLORS, iccprofile=profile)
    found = images.read("picture", data).deep
    difference = np.abs(found - from_gamma_3(COLORS[..., ::-1]))
    assert difference.max() < 150 and difference.mean() < 8  # its primaries are rounded elsewhere
    kept = images.read("picture", data, keeps=True)
    np.testing.assert_array_equal(kept.deep, COLORS)
    assert kept.profile == profile


@pytest.mark.parametrize("space", [b"GRAY", b"RGB "])
def test_gray_with_a_profile(space):
    gray = COLORS[..., 0]
    data = tiff_of(gray, photometric="minisblack", iccprofile=icc(space))
    expected = np.dstack([from_gamma_3(gray)] * 3)
    np.testing.assert_allclose(images.read("gray", data).deep, expected, atol=20)


def test_a_gamma_is_converted_exactly():
    """A profile with sRGB's primaries, and a gamma of 1.8."""
    found = shaper.convert(COLORS, parametric(0, 1.8))
    light = (COLORS / 65535) ** 1.8
    power = 1.055 * light ** (1 / 2.4) - 0.055
    exact = 65535 * np.where(light <= 0.0031308, 12.92 * light, power)
    np.testing.assert_allclose(found, exact, atol=3)


def test_the_parts_of_a_parametric_curve():
    """ICC.1, parametricCurveType, of all types; 0.25 and 0.5 lie to the sides of d."""
    for kind, numbers, expected in (
        (0, (2.0,), (0.0625, 0.25)),
        (1, (2.0, 2.0, -0.75), (0.0, 0.0625)),
        (2, (2.0, 2.0, -0.75, 0.1), (0.1, 0.1625)),
        (3, (2.0, 1.0, 0.5, 0.3, 0.4), (0.075, 1.0)),
        (4, (2.0, 1.0, 0.0, 0.3, 0.4, 0.1, 0.2), (0.275, 0.35)),
    ):
        found = shaper.parametric(np.float64([0.25, 0.5]), kind, *numbers)
        np.testing.assert_allclose(found, expected, err_msg=str(kind))


def parametric(kind, *numbers):
    """Return sRGB's profile with curves of a type of ICC.1, parametricCurveType."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = shaper.read_tags(bytes(profile))
    curve = b"para" + struct.pack(">4xHxx", kind)
    curve += struct.pack(f">{len(numbers)}i", *(round(each * 65536) for each in numbers))
    for number in range(len(tags)):
        at = 132 + 12 * number
        if profile[at + 1 : at + 4] == b"TRC":
            struct.pack_into(">II", profile, at + 4, len(profile), len(curve))
    profile += curve
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


@pytest.mark.parametrize(
    "profile",
    [
        parametric(0, 1.8),
        parametric(1, 2.2, 1.05, -0.05),
        parametric(2, 2.0, 1.05, -0.05, 0.0),
        parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
        parametric(4, 2.2, 0.95, 0.05, 0.1, 0.02, 0.0, 0.0),
        icc(b"RGB "),
    ],
)
def test_it_converts_as_littlecms_does(profile):
    """Which is the oracle, in 8 bits; the colors of the one are some of the other's."""
    colors = np.uint8(COLORS >> 8)
    cms = [ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")]
    for own, target, pair in ((profile, None, cms), (None, profile, cms[::-1])):
        expected = ImageCms.profileToProfile(Image.fromarray(colors), *pair)
        found = shaper.convert(colors * np.uint16(257), own, target)
        difference = np.abs(found / 257 - np.asarray(expected, float))
        assert difference.mean() < 0.5
        assert difference[np.asarray(expected) > 24].max() < 1.6  # darker, its light is coarse


def test_a_profile_of_another_kind_is_left_to_littlecms():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"junk" * 50, icc(b"RGB ")[:200], icc(b"GRAY").replace(b"curv", b"none"), lab):
        assert shaper.convert(COLORS, profile) is None
    picture = images.read("picture", tiff_of(COLORS, iccprofile=b"junk" * 50))
    assert picture.deep is None and "color profile" in picture.notices[0]
    np.testing.assert_array_equal(picture.pixels, COLORS >> 8)


def test_damaged_tiffs_are_refused_in_one_line():
    whole = tiff_of(COLORS, compression="zlib", rowsperstrip=8)
    damaged = {
        "cut": whole[:-4000] if whole[4:8] == b"\x08\0\0\0" else whole[: len(whole) // 2],
        "pixels": whole.replace(b"\x78", b"\x00"),
        "float": tiff_of(COLORS.astype(np.float32), photometric="rgb"),
        "32 bits": tiff_of(COLORS.astype(np.uint32)),
        "strip outside": tiff(40, 40, data=bytes(100), bits=16),
    }
    for name, data in damaged.items():
        with pytest.raises(files.FileError) as caught:
            images.read(f"{name}.tif", data)
        message = str(caught.value)
        assert message.startswith(f"{name}.tif: ") and message.isprintable(), name


def test_a_profile_is_read_once(monkeypatch):
    monkeypatch.setattr(shaper, "read_tags", lambda profile: pytest.fail("read again"))
    assert shaper.read(None) is shaper.read(None)


def test_the_low_bytes_are_those_of_the_other_order():
    tile = Image.open(io.BytesIO(tiff_of(COLORS))).tile[0]
    assert sixteen.raw_mode(tile) == "RGB;16L"
    assert sixteen.raw_mode(sixteen.swap(tile)) == "RGB;16B"
