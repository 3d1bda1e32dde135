"""TIFF out, decoded by FFmpeg; and what Pillow says of the rest of it."""

import io

import numpy as np
import pytest
from PIL import Image
from test_deep import PROFILE, ramp

from style_transfer import files
from style_transfer.pictures import images


def decode(data, form):
    """Return the samples that FFmpeg finds."""
    import av

    context = av.CodecContext.create("tiff", "r")
    (frame,) = context.decode(av.Packet(data))
    assert frame.format.name == form
    return frame.to_ndarray().astype(int)


@pytest.mark.parametrize(("bits", "form"), [(8, "rgb24"), (16, "rgb48le")])
def test_all_bits_are_there(bits, form):
    tensor = ramp(60, 41)
    found = decode(images.encode(tensor, ".TIF", bits=bits), form)
    exact = tensor[0].astype(np.float64) * (2**bits - 1)
    assert found.shape == exact.shape and np.abs(found - exact).max() <= 0.51


@pytest.mark.parametrize("bits", [8, 16])
def test_with_transparency_record_profile_and_resolution(bits):
    tensor = ramp(4, 6)
    alpha = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    texts = {"Software": "style-transfer 1", "Settings": '{"size": 512}'}
    options = {"texts": texts, "profile": PROFILE, "dpi": (300, 72)}
    data = images.encode(tensor, ".tiff", bits=bits, alpha=alpha, **options)
    found = decode(data, "rgba" if bits == 8 else "rgba64le")
    np.testing.assert_array_equal(found[..., 3], np.asarray(alpha, int) * {8: 1, 16: 257}[bits])
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.info["icc_profile"]) == ("TIFF", PROFILE)
    for key, text in texts.items():
        assert images.find_text("result.tif", data, key) == text
    assert images.encode(tensor, ".tif", bits=bits, alpha=alpha, **options) == data
    back = images.read("result.tif", data, keeps=True)
    np.testing.assert_array_equal(back.alpha, alpha)
    assert back.dpi == (300, 72)
    assert back.profile == PROFILE and (back.deep is None) == (bits == 8)


def test_one_without_a_record_is_refused():
    with pytest.raises(files.FileError, match="is no PNG or TIFF with a record"):
        images.find_text("result.tif", images.encode(ramp(4, 6), ".tif"), "Settings")
