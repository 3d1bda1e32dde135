"""A run's frames: which there are, in what order, and how they are read."""

import numpy as np
import pytest
from PIL import Image

from style_transfer import files
from style_transfer.reports import frames


def test_frames_are_sorted_by_number_and_other_files_are_not_frames(tmp_path):
    (tmp_path / "frames").mkdir()
    for name in ("epoch_10000.png", "epoch_9999.png", "epoch_0000.png", "epoch_x.png", "a.png"):
        (tmp_path / "frames" / name).touch()
    found = frames.find(tmp_path)
    assert [path.name for path in found] == ["epoch_0000.png", "epoch_9999.png", "epoch_10000.png"]
    assert [frames.epoch_of(path) for path in found] == [0, 9999, 10000]


def test_a_folder_without_frames_has_none(tmp_path):
    assert frames.find(tmp_path) == []


@pytest.mark.parametrize(("count", "most"), [(1, 100), (100, 100), (101, 100), (1000, 7)])
def test_the_choice_is_even_and_keeps_the_first_and_the_last(count, most):
    chosen = frames.choose(list(range(count)), most)
    assert len(chosen) == min(count, most)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    gaps = np.diff(chosen)
    assert count == 1 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("size", "small"), [((1024, 512), (512, 256)), ((600, 1800), (256, 768)), ((8, 9), (8, 9))]
)
def test_pictures_shrink_into_the_box_and_never_grow(size, small):
    assert frames.shrink(Image.new("RGBA", size), (512, 768)).size == small


def test_a_damaged_frame_is_named(tmp_path):
    path = tmp_path / "epoch_0001.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(files.FileError, match=r"epoch_0001.png: is damaged"):
        frames.read(path)
