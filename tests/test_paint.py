"""Tests of tools/paint.py: the sample styles are repeatable, and rich in texture and colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import paint

INPUT = Path(__file__).resolve().parents[1] / "data" / "input"
SIZE = (160, 120)


@pytest.fixture(autouse=True)
def few_strokes(monkeypatch):
    """Paint with one coarse brush: thousands of strokes take seconds, by the same code."""
    monkeypatch.setattr(paint, "BRUSHES", 3 * ((46, 150, 0.7),))


@pytest.fixture(params=list(paint.PAINTERS))
def name(request):
    return request.param


def pixels(name, **options):
    return np.asarray(paint.paint(name, size=SIZE, **options), dtype=np.float32)


def share(picture, colour, reach=60):
    """Return the share of pixels nearer to the colour than `reach`, of 255 steps."""
    return (np.linalg.norm(picture - np.array(colour), axis=-1) < reach).mean()


def test_picture_has_the_size_asked_for(name):
    picture = paint.paint(name, size=(90, 60))
    assert (picture.mode, picture.size) == ("RGB", (90, 60))


def test_same_seed_same_pixels_other_seed_others(name):
    first = pixels(name, seed=3)
    np.testing.assert_array_equal(first, pixels(name, seed=3))
    assert abs(first - pixels(name, seed=4)).mean() > 5


def test_texture_is_strong_everywhere(name):
    grey = pixels(name).mean(axis=-1)
    contrast = grey.reshape(6, 20, 8, 20).std(axis=(1, 3))
    assert np.median(contrast) > 8
    assert (contrast > 2).mean() > 0.95


def test_night_is_blue_with_yellow_lights_and_a_dark_ground():
    picture = pixels("night_strokes")
    red, _, blue = picture.reshape(-1, 3).mean(axis=0)
    assert blue > red + 30
    assert 0.01 < share(picture, (252, 226, 118)) < 0.3
    assert picture[-30:].mean() < 0.7 * picture[:-50].mean()


def test_circles_show_warm_and_cold_colours_alike():
    picture = pixels("circles")
    warm, cold = (picture[..., 0] > picture[..., 2] + 40), (picture[..., 2] > picture[..., 0] + 20)
    assert warm.mean() > 0.15 and cold.mean() > 0.15


def test_waves_show_paper_and_every_ink():
    picture = pixels("waves")
    for colour in (paint.PAPER, *paint.INKS):
        assert share(picture, colour) > 0.03


def test_strokes_follow_the_flow():
    straight = paint.trace(np.full((100, 100), 1 + 0j), np.array([50 + 50j]), 32)
    np.testing.assert_allclose(straight[0], np.arange(34, 66, 2) + 50j)
    place = np.arange(200)[None, :] + 1j * np.arange(200)[:, None] - (100 + 100j)
    around = paint.trace(1j * place / (abs(place) + 1e-6), np.array([160 + 100j]), 150)
    np.testing.assert_allclose(abs(around - (100 + 100j)), 60, atol=3)


def test_light_falls_from_the_upper_left():
    picture = np.zeros((12, 12, 4), np.uint8)
    picture[4:8, 4:8, 3] = 80
    lit = paint.relief(Image.fromarray(picture))
    assert lit[7, 7].max() < 0 < lit[4, 4].min()


def test_ramp_meets_its_colours_and_their_middle():
    got = paint.ramp(((0, 0, 0), (10, 20, 30), (20, 20, 20)), np.array([0, 0.25, 0.5, 1]))
    np.testing.assert_allclose(got, ((0, 0, 0), (5, 10, 15), (10, 20, 30), (20, 20, 20)))


def test_command_saves_every_style(tmp_path, monkeypatch):
    monkeypatch.setattr(paint, "PAINTERS", {"plain": lambda rng, shape: np.full((*shape, 3), 90)})
    paint.main(["--output", str(tmp_path / "new")])
    with Image.open(tmp_path / "new" / "plain.jpg") as saved:
        assert (saved.format, saved.size) == ("JPEG", (960, 720))


def test_command_refuses_a_negative_seed(capsys):
    with pytest.raises(SystemExit):
        paint.main(["--seed", "-1"])
    assert "--seed: must be 0 or more, not -1" in capsys.readouterr().err


def test_samples_at_hand_are_the_stated_size(name):
    path = INPUT / f"{name}.jpg"
    assert path.stat().st_size < 400_000
    with Image.open(path) as picture:
        assert picture.size == (960, 720)
