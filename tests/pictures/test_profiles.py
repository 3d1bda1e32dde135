"""Color profiles: a wide one, made here, with LittleCMS as the oracle."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from style_transfer.optimization import preparation
from style_transfer.pictures import images, profiles
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings


def swapped():
    """A profile whose red is sRGB's green: what is not converted is seen at once."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    places = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


OWN = swapped()
COLORS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(COLORS).save(path, icc_profile=OWN, dpi=(300, 300))
    return str(path)


@pytest.fixture
def painting(tmp_path):
    path = tmp_path / "painting.png"
    Image.fromarray(COLORS[::-1]).save(path)
    return str(path)


def green_first(colors):
    return colors[..., [1, 0, 2]]


def test_kept_the_numbers_stay_and_the_profile_goes_with_them(photo):
    picture = images.load(photo, keeps=True)
    np.testing.assert_array_equal(picture.pixels, COLORS)
    assert picture.profile == OWN
    np.testing.assert_allclose(picture.dpi, 300, atol=0.1)
    plain = images.load(photo)
    np.testing.assert_allclose(np.asarray(plain.pixels, int), green_first(COLORS), atol=2)
    assert plain.profile is plain.dpi is None


def test_the_other_pictures_are_converted_to_the_photo_s(photo, painting):
    inputs = Inputs(photo, (painting, photo))
    read = preparation.load_pictures(inputs, Settings(profile="keep"))
    np.testing.assert_array_equal(read.content.pixels, COLORS)
    found = [np.asarray(each.pixels, int) for each in read.styles]
    np.testing.assert_allclose(found[0], green_first(COLORS[::-1]), atol=2)
    np.testing.assert_array_equal(found[1], COLORS)
    read = preparation.load_pictures(inputs, Settings())
    np.testing.assert_array_equal(read.styles[0].pixels, COLORS[::-1])


@pytest.mark.parametrize("bits", ["8", "16"])
def test_the_result_is_in_the_photo_s_profile(photo, bits):
    """What a viewer makes of it is what it makes of the photo."""
    picture = images.load(photo, keeps=True)
    settings = Settings(profile="keep", bit_depth=bits)
    tensor = images.to_tensor(picture, picture.pixels.size)
    data = images.encode_png(tensor, **profiles.describe_result(picture, settings))
    image = Image.open(io.BytesIO(data))
    assert image.info["icc_profile"] == OWN and round(image.info["dpi"][0]) == 300
    seen = images.read("result.png", data)
    np.testing.assert_allclose(np.asarray(seen.pixels, int), green_first(COLORS), atol=2)


@pytest.mark.parametrize("dots", [(0, 1), (0, 0), (72, 0)])
def test_a_resolution_that_is_none_is_left_out(dots):
    """In a TIFF it is two fractions."""
    data = io.BytesIO()
    Image.fromarray(COLORS).save(data, "TIFF", x_resolution=dots[0], y_resolution=dots[1])
    assert images.read("photo.tif", data.getvalue(), keeps=True).dpi is None


def test_without_a_profile_or_with_one_that_is_no_use_it_is_srgb(painting, tmp_path):
    assert images.load(painting, keeps=True).profile is None
    broken = tmp_path / "broken.png"
    Image.fromarray(COLORS).save(broken, icc_profile=b"junk" * 50)
    picture = images.load(broken, keeps=True)
    assert picture.profile is None and "color profile" in picture.notices[0]
    np.testing.assert_array_equal(picture.pixels, COLORS)
