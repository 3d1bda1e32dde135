"""Colors, blends, masks and transparency, from the command line to the picture."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import paint, refused
from PIL import Image

from style_transfer.method import color
from style_transfer.optimization import job
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

FAST = ("--size", "64", "--epochs", "1", "--steps", "6")


@pytest.fixture
def masks(tmp_path):
    """A mask of the content (left black, right white), and one of the style (top, bottom)."""
    content, style = np.zeros((48, 64), np.uint8), np.zeros((60, 72), np.uint8)
    content[:, 32:] = style[30:] = 255
    paths = tmp_path / "content_mask.png", tmp_path / "style_mask.png"
    for path, pixels in zip(paths, (content, style)):
        Image.fromarray(pixels).save(path)
    return paths


def read(path):
    return np.asarray(Image.open(path).convert("RGB"), float)[np.newaxis] / 255


def test_luminance_keeps_the_chrominance_of_the_photo(
    run_main, content, style, small_weights, tmp_path
):
    flags = ("--weights", small_weights, *FAST, "--preserve-color", "luminance", "-o", "out")
    flags += ("--beta", "1e4")
    outcome = run_main("-c", content, "-s", style, *flags)
    assert outcome.returncode == 0, outcome.stderr
    photo, result = read(content), read(tmp_path / "cwd/out/result.png")
    assert np.abs(photo - result).mean() > 0.003
    chrominances = [each - color.luminance(each) for each in (photo, result)]
    inside = ((result > 0.01) & (result < 0.99)).all(axis=-1)  # elsewhere it was shrunk
    assert np.abs(chrominances[0] - chrominances[1])[inside].max() < 0.01


def test_a_region_without_a_style_stays_a_photo(
    run_main, content, style, small_weights, masks, tmp_path
):
    flags = ("--weights", small_weights, *FAST, "--content-mask", masks[0], "-o", "out")
    outcome = run_main("-c", content, "-s", style, *flags, "--tv", "0", "--beta", "1e4")
    assert outcome.returncode == 0, outcome.stderr
    change = np.abs(read(content) - read(tmp_path / "cwd/out/result.png"))[0]
    assert change[:, 44:].mean() > 4 * change[:, :20].mean()


def test_a_run_with_everything_is_resumed(run_main, content, style, small_weights, masks, tmp_path):
    """Two styles, style masks, colors, another statistic; then more epochs."""
    second = paint(tmp_path / "second.png", 5, (72, 60))
    flags = ("--content-mask", masks[0], "--style-mask", masks[1], "--style-mask", masks[1])
    flags += ("--blend", "0.7", "--blend", "0.3", "--preserve-color", "symmetric")
    flags += ("--style-loss", "wasserstein", "--weights", small_weights, "-o", "out")
    flags += ("--style-layer", "block1_conv1", "--style-layer", "block3_conv1")
    pictures = ("-c", content, "-s", style, "-s", second)
    assert run_main(*pictures, *flags, *FAST).returncode == 0
    outcome = run_main("--resume", "out", "--epochs", "2")
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "cwd/out/frames/epoch_0002.png").exists()


def test_a_blend_lies_between_its_styles(content, style, small_weights, tmp_path):
    """The three runs share one engine."""
    second = paint(tmp_path / "second.png", 5, (72, 60))
    settings = Settings(
        size=64, epochs=1, steps=6, style_loss="mean-std", weights=str(small_weights)
    )
    inputs, engines = Inputs(str(content), (str(style), str(second))), job.Engines()
    results = []
    for blend in ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0)):
        work = job.Job(inputs, replace(settings, blend=blend), tmp_path / str(blend))
        assert [*job.perform(work, engines)][-1].finished
        results.append(read(work.folder / "result.png"))
    first, middle, last = results
    assert np.abs(first - last).mean() > 0.005
    assert np.abs(first - middle).mean() < np.abs(first - last).mean()


def test_a_lifted_space_needs_heads(run_main, content, style):
    flags = ("--weights", "random", "--style-space", "lifted", "-q")
    refused(
        run_main("-c", content, "-s", style, *FAST, *flags),
        *("--weights", "no head for block1_conv1", "--style-space raw"),
    )
    refused(run_main("-c", content, "-s", style, "--style-space", "high"), "--style-space")


def test_transparency_is_a_mask_and_comes_back(run_main, style, small_weights, tmp_path):
    picture = Image.open(paint(tmp_path / "photo.png", 1)).convert("RGBA")
    alpha = Image.new("L", picture.size)
    alpha.paste(255, (16, 12, 48, 36))
    picture.putalpha(alpha)
    picture.save(tmp_path / "cut.png")
    flags = ("--weights", small_weights, *FAST, "--content-mask", "alpha", "--keep-alpha")
    outcome = run_main("-c", tmp_path / "cut.png", "-s", style, *flags, "-o", "out")
    assert outcome.returncode == 0, outcome.stderr
    result = Image.open(tmp_path / "cwd/out/result.png")
    assert result.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(result.getchannel("A")), np.asarray(alpha))


def test_bad_combinations_are_refused(run_main, content, style, masks, tmp_path):
    inputs = ("-c", content, "-s", style)
    mask = ("--content-mask", masks[0])
    large = tmp_path / "large.png"
    Image.new("L", (99, 99)).save(large)
    red = tmp_path / "red.png"
    Image.new("RGB", (72, 60), "red").save(red)
    for flags, words in (
        (("--blend", "1", "--blend", "2"), ("--blend", "2 times", "1 styles")),
        (("--blend", "0"), ("--blend", "0")),
        (("--blend", "nan"), ("--blend", "nan")),
        (("--style-mask", masks[1]), ("--style-mask", "--content-mask")),
        ((*mask, "--style-mask", masks[1], "--style-mask", masks[1]), ("--style-mask",)),
        (("--content-mask", large), ("large.png", "99×99", "64×48")),
        (("--content-mask", "alpha"), ("photo.png", "no transparency")),
        ((*mask, "--style-mask", red), ("red.png", "no color")),
        ((*mask, "-s", style, "-s", style), ("content_mask.png", "2 regions", "3 styles")),
        (("--style-loss", "l2"), ("--style-loss", "l2")),
        (("--preserve-color", "lab"), ("--preserve-color", "lab")),
    ):
        refused(run_main(*inputs, *flags, "--weights", "compact", "-q"), *words)
    assert not list((tmp_path / "cwd").iterdir())
