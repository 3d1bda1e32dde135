"""Batches of crops: which ones, from where, and that a broken file does no harm."""

import itertools

import numpy as np
import pytest
from PIL import Image

from style_transfer.feedforward import dataset
from style_transfer.files import FileError
from style_transfer.pictures import samples

GRAYS = (20, 60, 100, 140, 180, 220)


@pytest.fixture
def grays(tmp_path):
    """A folder of six pictures, each of one gray, some in folders below."""
    for number, gray in enumerate(GRAYS):
        folder = tmp_path / "photos" / ("deep/er" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 60), (gray,) * 3).save(folder / f"{number}.png")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "photos"


def grays_of(batch):
    return [round(float(each.mean()) * 255) for each in batch]


def test_pictures_are_found_in_all_folders_below(grays):
    names = [path.name for path in dataset.list_pictures(grays)]
    assert sorted(names) == [f"{number}.png" for number in range(6)]
    for folder in (grays / "none", grays / "notes.txt"):
        with pytest.raises(FileError, match="is no folder"):
            dataset.list_pictures(folder)
    empty = grays / "empty"
    empty.mkdir()
    with pytest.raises(FileError, match="holds no picture"):
        dataset.list_pictures(empty)


def test_each_picture_comes_once_in_a_pass_in_another_order(grays):
    batches = dataset.Batches(dataset.list_pictures(grays), (2, 32))
    passes = [
        grays_of(np.concatenate([batches.batch(3 * n + k) for k in range(3)])) for n in (0, 1)
    ]
    assert [sorted(each) for each in passes] == [list(GRAYS)] * 2
    assert passes[0] != passes[1]


def test_a_batch_is_the_same_whenever_it_is_asked_for(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(5):
        pixels = generator.integers(0, 256, (70, 50 + number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    paths = dataset.list_pictures(tmp_path)
    first = list(itertools.islice(dataset.Batches(paths, (3, 40), seed=7), 6))
    other = dataset.Batches(paths, (3, 40), seed=7, cache=0, threads=1)
    for number in (5, 0, 2):
        np.testing.assert_array_equal(other.batch(number), first[number])
    np.testing.assert_array_equal(next(other.from_batch(4)), first[4])
    assert not other.decoded
    assert not np.array_equal(dataset.Batches(paths, (3, 40), seed=8).batch(0), first[0])


def test_a_crop_is_a_window_of_the_picture_perhaps_mirrored(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    batches = dataset.Batches([tmp_path / "one.png"], (8, 40), shorter_side=50)
    seen = set()
    for crop in itertools.chain.from_iterable(itertools.islice(batches, 8)):
        crop = np.rint(crop * 255).astype(np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (40, 40, 3))[:, :, 0]
        for mirrored, own in enumerate((crop, crop[:, ::-1])):
            for place in np.argwhere((windows == own).all(axis=(2, 3, 4))):
                seen.add((mirrored, *map(int, place)))
    assert len(seen) > 40  # of 64 crops, few at the same place
    assert {mirrored for mirrored, *_ in seen} == {0, 1}


def test_resize_squeezes_the_whole_picture(tmp_path):
    picture = Image.new("RGB", (80, 40), "black")
    picture.paste("white", (40, 0, 80, 40))
    picture.save(tmp_path / "half.png")
    (crop,) = dataset.Batches([tmp_path / "half.png"], (1, 32), fit="resize").batch(0)
    halves = sorted([float(crop[:, :14].mean()), float(crop[:, 18:].mean())])
    np.testing.assert_allclose(halves, [0, 1], atol=0.01)


def test_what_cannot_be_read_is_passed_over_and_counted(grays):
    (grays / "2.png").write_bytes(b"no picture at all")
    batches = dataset.Batches(dataset.list_pictures(grays), (6, 32))
    shown = grays_of(batches.batch(0))
    assert sorted(set(shown)) == sorted(set(GRAYS) - {100}) and len(shown) == 6
    assert len(batches.unreadable) == 1 and "2.png" in next(iter(batches.unreadable.values()))


def test_a_folder_without_a_readable_picture_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    batches = dataset.Batches(dataset.list_pictures(tmp_path), (2, 32))
    with pytest.raises(FileError, match="holds no picture that can be read"):
        next(iter(batches))


def test_the_cache_keeps_no_more_than_it_may(grays):
    batches = dataset.Batches(dataset.list_pictures(grays), (6, 32), cache=3 * 36 * 54 * 3)
    batches.batch(0)
    assert 1 <= len(batches.decoded) <= 3


def test_a_large_jpeg_is_decoded_small_and_upright(tmp_path, monkeypatch):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    large = smooth.resize((1200, 900), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    large.save(tmp_path / "large.jpg", quality=95, exif=exif)
    sizes = []
    decode = samples.images.decode
    monkeypatch.setattr(
        samples.images,
        "decode",
        lambda path, image, notices: sizes.append(image.size) or decode(path, image, notices),
    )
    reduced = samples.load_reduced(tmp_path / "large.jpg", 200)
    assert sizes == [(300, 225)]
    assert reduced.size == (200, 267)
    upright = large.transpose(Image.Transpose.ROTATE_270).resize((200, 267), Image.Resampling.BOX)
    difference = np.abs(np.asarray(reduced, float) - np.asarray(upright, float))
    assert difference.mean() < 2
