"""`python main.py apply` with Google's networks, from the command line to the picture."""

import numpy as np
import pytest
from conftest import paint, refused
from PIL import Image
from published import published_graph

pytestmark = published_graph


@pytest.fixture
def cwd(tmp_path):
    """The folder that `run_main` runs in."""
    return tmp_path / "cwd"


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), float)


def test_a_painting_and_several(run_main, content, style, tmp_path, cwd):
    """The styles are what the code is mixed of; with all of one it is that one alone."""
    second = paint(tmp_path / "second.png", 5, (72, 60))
    for name, more in (
        ("alone", ()),
        ("first", ("-s", second, "--blend", "1", "--blend", "0")),
        ("both", ("-s", second)),
        ("weak", ("--strength", "0.2")),
        ("large", ("--style-scale", "2")),
    ):
        flags = ("--transform", "google", *more, "-o", f"{name}.png")
        outcome = run_main("apply", "-c", content, "-s", style, *flags)
        assert (outcome.returncode, outcome.stdout) == (0, f"{name}.png\n"), outcome.stderr
    alone = pixels(cwd / "alone.png")
    assert alone.shape == (48, 64, 3) and np.abs(alone - pixels(content)).mean() > 10
    np.testing.assert_array_equal(alone, pixels(cwd / "first.png"))
    for name in ("both", "weak", "large"):
        assert np.abs(alone - pixels(cwd / f"{name}.png")).mean() > 1


def test_a_picture_is_made_again_and_a_run_starts_from_it(run_main, content, style, cwd):
    pair = ("-c", content, "-s", style, "--transform", "google")
    assert run_main("apply", *pair, "-o", "out.png").returncode == 0
    named = ("-c", content, "-s", style)
    outcome = run_main("apply", "--from-image", "out.png", *named, "-o", "again.png")
    assert outcome.returncode == 0, outcome.stderr
    assert (cwd / "again.png").read_bytes() == (cwd / "out.png").read_bytes()
    flags = ("--weights", "compact", "--scales", "1", "--epochs", "1", "--steps", "1")
    outcome = run_main(*pair, *flags, "-o", "run")
    assert outcome.returncode == 0, outcome.stderr
    first = pixels(cwd / "run/frames/epoch_0000.png")
    np.testing.assert_array_equal(first, pixels(cwd / "out.png"))


def test_the_network_of_26_styles(run_main, content, cwd):
    inputs = ("apply", "-c", content, "-m", "multistyle26")
    for name, more in (
        ("third", ("--style-index", "3")),
        (
            "all-of-third",
            ("--style-index", "20", "--style-index", "3", "--blend", "0", "--blend", "2"),
        ),
        ("both", ("--style-index", "20", "--style-index", "3")),
        ("none", ("--style-index", "3", "--strength", "0")),
    ):
        outcome = run_main(*inputs, *more, "-o", f"{name}.png")
        assert outcome.returncode == 0, outcome.stderr
    third = pixels(cwd / "third.png")
    np.testing.assert_array_equal(third, pixels(cwd / "all-of-third.png"))
    assert np.abs(third - pixels(cwd / "both.png")).mean() > 1
    np.testing.assert_array_equal(pixels(cwd / "none.png"), pixels(content))
    outcome = run_main("apply", "--from-image", "both.png", "-c", content, "-o", "again.png")
    assert outcome.returncode == 0, outcome.stderr
    assert (cwd / "again.png").read_bytes() == (cwd / "both.png").read_bytes()


def test_what_they_cannot_do_is_refused(run_main, content, style):
    pair = ("apply", "-c", content, "-s", style, "--transform", "google")
    refused(run_main(*pair, "--strength", "1,1,1,1,1"), "--strength", "--transform google")
    model = ("apply", "-c", content, "-m", "multistyle26")
    refused(run_main(*model, "--style-index", "27"), "--style-index", "there are 26")
    refused(run_main(*model, "--blend", "1"), "--blend", "26")
    few = ("--style-index", "1", "--style-index", "2", "--blend", "1")
    refused(run_main(*model, *few), "--blend is given 1 times for 2 --style-index")
