"""The animation and the curves, read back."""

import numpy as np
import pytest
from PIL import Image

import report


def save_frames(folder, count, size):
    """Pictures whose left half never changes and whose right half does."""
    generator = np.random.default_rng(0)
    left = generator.integers(0, 256, (size[1], size[0] // 2, 3), dtype=np.uint8)
    paths = []
    for index in range(count):
        right = np.full_like(left, 255 * index // max(1, count - 1))
        paths.append(folder / f"{index:04}.png")
        Image.fromarray(np.hstack([left, right])).save(paths[-1])
    return paths


def read_gif(path):
    with Image.open(path) as gif:
        frames, durations = [], []
        for index in range(gif.n_frames):
            gif.seek(index)
            frames.append(np.asarray(gif.convert("RGB")))
            durations.append(gif.info["duration"])
        return frames, durations, gif.info.get("loop")


def test_the_animation_loops_and_holds_the_last_frame(tmp_path):
    paths = save_frames(tmp_path, 5, (60, 40))
    report.animate(paths, tmp_path / "a.gif")
    frames, durations, loop = read_gif(tmp_path / "a.gif")
    assert len(frames) == 5
    assert durations == [150] * 4 + [2000]
    assert loop == 0
    assert frames[0].shape == (40, 60, 3)


def test_what_does_not_change_does_not_flicker(tmp_path):
    paths = save_frames(tmp_path, 6, (60, 40))
    report.animate(paths, tmp_path / "a.gif")
    frames, _, _ = read_gif(tmp_path / "a.gif")
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame[:, :30], frames[0][:, :30])
    ends = [frames[index][:, 32:].mean() for index in (0, -1)]
    np.testing.assert_allclose(ends, [0, 255], atol=12)


def test_the_animation_is_small(tmp_path):
    paths = save_frames(tmp_path, 130, (960, 64))
    report.animate(paths, tmp_path / "a.gif")
    frames, _, _ = read_gif(tmp_path / "a.gif")
    assert len(frames) == 100
    assert frames[0].shape == (32, 480, 3)


@pytest.mark.parametrize(("count", "most"), [(1, 100), (100, 100), (101, 100), (1000, 7)])
def test_evenly_keeps_the_first_and_the_last(count, most):
    chosen = report.evenly(list(range(count)), most)
    assert len(chosen) == min(count, most)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    gaps = np.diff(chosen)
    assert count == 1 or gaps.max() - gaps.min() <= 1


def test_curves_are_drawn_with_a_zero_in_them(tmp_path):
    rows = [(0, 0, 0.0, 5.0, 0.1, 50.0), (1, 1, 0.1, 4.0, 0.1, 40.0), (1, 2, 0.2, 1.0, 0.1, 10.0)]
    report.draw_losses(rows, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(100_000)}
    assert {(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)} <= colours  # 4 curves
