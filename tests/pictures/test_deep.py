"""PNG with 16 bits a channel, decoded by FFmpeg; and what Pillow says of the rest of it."""

import io

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from style_transfer.pictures import deep, images

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def ramp(height, width):
    """All that 8 bits cannot hold: neighbors differ by a few 65535ths."""
    return np.linspace(0, 1, height * width * 3, dtype=np.float32).reshape(1, height, width, 3)


def decode(data, form):
    with av.open(io.BytesIO(data)) as container:
        (frame,) = container.decode(video=0)
        assert frame.format.name == form
        return frame.to_ndarray().astype(int)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (600, 41)])
def test_sixteen_bits_are_all_there(shape):
    tensor = ramp(*shape)
    found = decode(images.encode_png(tensor, bits=16), "rgb48be")
    exact = tensor[0].astype(np.float64) * 65535
    assert found.shape == exact.shape and np.abs(found - exact).max() <= 0.51
    assert len(np.unique(found)) == min(tensor.size, 65536)


def test_noise_survives_the_filter():
    tensor = np.random.default_rng(0).random((1, 300, 20, 3), np.float32)
    found = decode(images.encode_png(tensor, bits=16), "rgb48be")
    assert np.abs(found - 65535 * tensor[0].astype(np.float64)).max() <= 0.51


def test_with_transparency_texts_profile_and_resolution():
    tensor = ramp(4, 6)
    alpha = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    options = {"texts": {"Settings": "β = 30"}, "profile": PROFILE, "dpi": (300, 72)}
    data = images.encode_png(tensor, bits=16, alpha=alpha, **options)
    found = decode(data, "rgba64be")
    np.testing.assert_array_equal(found[..., 3], np.asarray(alpha, int) * 257)
    for encoded in (data, images.encode_png(tensor, **options)):
        image = Image.open(io.BytesIO(encoded))
        image.load()
        assert image.text == {"Settings": "β = 30"}
        assert image.info["icc_profile"] == PROFILE
        np.testing.assert_allclose(image.info["dpi"], (300, 72), atol=0.02)


def test_what_lies_outside_is_clipped_and_what_is_no_number_refused():
    values = np.float32([[[-1, 2, 0.5]]])[np.newaxis]
    np.testing.assert_array_equal(deep.to_samples(values, 16), [[[0, 65535, 32768]]])
    with pytest.raises(ValueError, match="not finite"):
        images.encode_png(values * np.float32("nan"), bits=16)
