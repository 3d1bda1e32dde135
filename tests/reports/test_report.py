"""The animation and the curves, read back."""

import numpy as np
import pytest
from PIL import Image

from style_transfer.reports import report


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
        colors = {color for _, color in picture.convert("RGB").getcolors(100_000)}
    assert {(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)} <= colors  # 4 curves


def test_webp_keeps_size_and_colors(tmp_path):
    frames = [tmp_path / f"{number}.png" for number in range(3)]
    for number, frame in enumerate(frames):
        Image.new("RGB", (600, 51), (80 * number, 10, 200)).save(frame)
    report.animate_webp(frames, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as film:
        assert (film.n_frames, film.size) == (3, (600, 51))
        for number in range(3):
            film.seek(number)
            color = np.asarray(film.convert("RGB"), int)[25, 300]
            assert np.abs(color - (80 * number, 10, 200)).max() < 6


def test_the_video_plays_everywhere(tmp_path):
    """H.264, yuv420p, even sides; the frames in order, the last one for two seconds."""
    av = pytest.importorskip("av")
    frames = [tmp_path / f"{number}.png" for number in range(3)]
    for number, frame in enumerate(frames):
        Image.new("RGB", (65, 51), (100 * number, 40, 40)).save(frame)
    report.film(frames, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(pictures) == 3 + 20
    assert pictures[0].shape == (52, 66, 3)
    reds = [int(picture[26, 33, 0]) for picture in pictures]
    assert np.abs(np.array(reds[:3]) - (0, 100, 200)).max() < 12 and reds[-1] == reds[2]
