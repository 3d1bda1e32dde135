"""Pictures to tensors and back; what Pillow warns of."""

import os
import threading
import warnings

import numpy as np
import pytest
from builders import (
    UPRIGHT,
    encode,
    exif,
    load_bytes,  # noqa: F401 - the fixture `load`
    orientation,
)
from PIL import Image

from style_transfer import files
from style_transfer.pictures import images

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


def test_a_text_is_read_back(tmp_path):
    path, text = tmp_path / "result.png", '{"α": 1,\n "name": "树"}'
    images.save_png(path, UPRIGHT[np.newaxis] / 255, texts={"Settings": text})
    assert images.read_text(path, "Settings") == text


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_file_without_the_text_is_refused(tmp_path, form):
    (tmp_path / "photo.png").write_bytes(encode(form, UPRIGHT))
    with pytest.raises(
        files.FileError, match="is no PNG or TIFF with a record of settings; give a"
    ):
        images.read_text(tmp_path / "photo.png", "Settings")
