"""The animations, read back."""

import weakref

import numpy as np
import pytest
from PIL import Image

from style_transfer.reports import animation


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


def read_frames(path):
    with Image.open(path) as film:
        pictures, durations = [], []
        for index in range(film.n_frames):
            film.seek(index)
            pictures.append(np.asarray(film.convert("RGB")))
            durations.append(film.info["duration"])
        return pictures, durations, film.info.get("loop")


@pytest.mark.parametrize(
    ("save", "name"), [(animation.save_gif, "a.gif"), (animation.save_webp, "a.webp")]
)
def test_it_loops_and_holds_the_last_frame(tmp_path, save, name):
    save(save_frames(tmp_path, 5, (60, 40)), tmp_path / name)
    pictures, durations, loop = read_frames(tmp_path / name)
    assert len(pictures) == 5
    assert durations == [150] * 4 + [2000]
    assert loop == 0
    assert pictures[0].shape == (40, 60, 3)
    rights = [picture[:, 32:].mean() for picture in pictures]
    np.testing.assert_allclose(rights, np.linspace(0, 255, 5), atol=12)


@pytest.mark.parametrize(
    ("save", "name"), [(animation.save_gif, "a.gif"), (animation.save_webp, "a.webp")]
)
def test_a_single_frame_will_do(tmp_path, save, name):
    save(save_frames(tmp_path, 1, (60, 40)), tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.size == (60, 40)


def test_what_does_not_change_does_not_flicker(tmp_path):
    animation.save_gif(save_frames(tmp_path, 6, (60, 40)), tmp_path / "a.gif")
    pictures, _, _ = read_frames(tmp_path / "a.gif")
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture[:, :30], pictures[0][:, :30])


def test_the_gif_is_small(tmp_path):
    animation.save_gif(save_frames(tmp_path, 130, (960, 64)), tmp_path / "a.gif")
    pictures, _, _ = read_frames(tmp_path / "a.gif")
    assert len(pictures) == 100
    assert pictures[0].shape == (32, 480, 3)


def test_webp_keeps_size_and_colors(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (600, 51), (80 * number, 10, 200)).save(path)
    animation.save_webp(paths, tmp_path / "a.webp")
    pictures, _, _ = read_frames(tmp_path / "a.webp")
    for number, picture in enumerate(pictures):
        assert picture.shape == (51, 600, 3)
        assert np.abs(picture[25, 300].astype(int) - (80 * number, 10, 200)).max() < 6


@pytest.mark.parametrize("save", [animation.save_gif, animation.save_webp])
def test_few_frames_are_in_memory_at_a_time(tmp_path, monkeypatch, save):
    paths = save_frames(tmp_path, 30, (60, 40))
    read, alive, counts = animation.read, [], []

    def read_and_count(path):
        alive.append(weakref.ref(picture := read(path)))
        counts.append(sum(each() is not None for each in alive))
        return picture

    monkeypatch.setattr(animation, "read", read_and_count)
    save(paths, tmp_path / "film")
    assert len(counts) >= 30 and max(counts) <= 3


def test_the_mp4_plays_everywhere(tmp_path):
    """H.264, yuv420p, even sides; the frames in order, the last one for two seconds."""
    av = pytest.importorskip("av")
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (65, 51), (100 * number, 40, 40)).save(path)
    animation.save_mp4(paths, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(pictures) == 3 + 20
    assert pictures[0].shape == (52, 66, 3)
    reds = [int(picture[26, 33, 0]) for picture in pictures]
    assert np.abs(np.array(reds[:3]) - (0, 100, 200)).max() < 12 and reds[-1] == reds[2]
