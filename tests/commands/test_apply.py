"""`python main.py apply`: one pass, from the command line to the picture."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import call_real, paint, refused, run_here
from PIL import Image

from style_transfer.feedforward import apply, universal
from style_transfer.optimization import device, material
from style_transfer.pictures import images
from style_transfer.runs import record as records
from style_transfer.settings import Settings

LIGHT = ("--transform", "adain", "--strength", "0,0,0,0,1")  # a pass that takes little time


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"), float)


@pytest.fixture
def cwd(tmp_path):
    """The folder that `run_main` runs in."""
    return tmp_path / "cwd"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A folder with a photo, a painting and what was made of them."""
    folder = tmp_path_factory.mktemp("studio")
    paint(folder / "photo.png", 1)
    paint(folder / "painting.png", 2, (72, 60))
    outcome = run_here(
        folder, "apply", "-c", "photo.png", "-s", "painting.png", "-o", "out.png", *LIGHT
    )
    assert outcome.returncode == 0, outcome.stderr
    return folder


def test_a_picture_is_painted_and_twice_the_same(run_main, content, style, cwd):
    inputs = ("apply", "-c", content, "-s", style, "--size", "48")
    for name in ("first.png", "deep/folder/second.png"):
        outcome = run_main(*inputs, "-o", name)
        assert (outcome.returncode, outcome.stdout) == (0, f"{name}\n"), outcome.stderr
        assert outcome.stderr.splitlines()[-1].startswith("48×36 px in ")
    first, second = cwd / "first.png", cwd / "deep/folder/second.png"
    assert first.read_bytes() == second.read_bytes()
    assert Image.open(first).size == (48, 36)
    photo = Image.open(content).resize((48, 36), Image.Resampling.LANCZOS)
    assert np.abs(pixels(first) - np.asarray(photo, float)).mean() > 10


def test_what_is_not_named_goes_to_the_folder_of_outputs(run_main, content, style, cwd):
    inputs = ("apply", "-c", content, "-s", style, "--strength", "0", "-q")
    for name in ("photo-painting-instant", "photo-painting-instant-2"):
        outcome = run_main(*inputs)
        assert (outcome.stdout, outcome.stderr) == (f"data/output/{name}.png\n", "")
    (cwd / "there").mkdir()
    for folder in ("there", "new"):
        assert run_main(*inputs, "-o", folder).stdout == f"{folder}/photo-painting.png\n"


def test_no_strength_gives_the_photo_back(run_main, content, style, cwd):
    for strength in ("0", "0,0,0,0,0"):
        flags = ("--strength", strength, "-o", "out.png", "--overwrite")
        outcome = run_main("apply", "-c", content, "-s", style, *flags)
        assert outcome.returncode == 0, outcome.stderr
        np.testing.assert_array_equal(pixels(cwd / "out.png"), pixels(content))


@pytest.fixture
def cut(tmp_path):
    """A photo of which only the middle is opaque; gray, with a channel for that."""
    picture = Image.open(paint(tmp_path / "photo.png", 1)).convert("LA")
    alpha = Image.new("L", picture.size)
    alpha.paste(255, (16, 12, 48, 36))
    picture.putalpha(alpha)
    assert picture.mode == "LA"
    picture.save(tmp_path / "cut.png")
    return tmp_path / "cut.png"


def test_transparency_comes_back(run_main, style, cut, cwd):
    """Of the photo itself, too, which is gray where nothing is painted."""
    flags = ("--keep-alpha", "--content-mask", "alpha", "-o", "out.png", *LIGHT)
    outcome = run_main("apply", "-c", cut, "-s", style, *flags)
    assert outcome.returncode == 0, outcome.stderr
    result, photo = Image.open(cwd / "out.png"), Image.open(cut)
    alpha = np.asarray(photo.getchannel("A"))
    np.testing.assert_array_equal(np.asarray(result.getchannel("A")), alpha)
    inside = pixels(cwd / "out.png")[alpha == 255]
    assert np.ptp(inside, axis=-1).max() > 10  # the painting's colors


def test_a_mask_that_is_the_photo_s_own_alpha_moves_with_it(
    run_main, style, cut, tmp_path, cwd, monkeypatch
):
    flags = ("--content-mask", "alpha", "-o", "out.png", *LIGHT)
    assert run_main("apply", "-c", cut, "-s", style, *flags).returncode == 0
    data = cut.read_bytes()
    moved = cut.rename(tmp_path / "moved.png")
    for number, more in enumerate(
        (("-c", moved), ("-c", moved, "--content-mask", "alpha"), ("-c", "-"))
    ):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        name = f"{number}.png"
        outcome = run_main("apply", "--from-image", "out.png", "-s", style, *more, "-o", name)
        assert outcome.returncode == 0, outcome.stderr
        np.testing.assert_array_equal(pixels(cwd / name), pixels(cwd / "out.png"))


def save_halves(path, size):
    """Save a mask, black on the left and white on the right."""
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 2, 0, *size))
    mask.save(path)
    return path


def test_what_has_one_color_in_the_masks_pairs_up(run_main, content, tmp_path, cwd):
    """Twice: two styles without masks share out the regions, one with a mask pairs its own."""
    mask = save_halves(tmp_path / "mask.png", (64, 48))
    both = Image.new("RGB", (72, 60), "red")
    both.paste("blue", (36, 0, 72, 60))
    both.save(tmp_path / "both.png")
    for color in ("red", "blue"):
        Image.new("RGB", (72, 60), color).save(tmp_path / f"{color}.png")
    halves = save_halves(tmp_path / "halves.png", (72, 60))
    for names, more in (("red", "blue"), ()), (("both",), ("--style-mask", halves)):
        styles = [word for name in names for word in ("-s", tmp_path / f"{name}.png")]
        flags = ("--content-mask", mask, *more, "-o", "out.png", "--overwrite")
        outcome = run_main("apply", "-c", content, *styles, *flags)
        assert outcome.returncode == 0, outcome.stderr
        left, right = (pixels(cwd / "out.png")[:, part] for part in (slice(24), slice(40, 64)))
        assert left[..., 0].mean() > left[..., 2].mean() + 100
        assert right[..., 2].mean() > right[..., 0].mean() + 100


def test_the_colors_of_the_photo_are_kept(run_main, content, style, cwd):
    inputs = ("apply", "-c", content, "-s", style, *LIGHT)
    change = {}
    for mode in ("none", "luminance", "histogram"):
        outcome = run_main(*inputs, "--preserve-color", mode, "-o", f"{mode}.png")
        assert outcome.returncode == 0, outcome.stderr
        chroma = [
            np.asarray(Image.open(path).convert("YCbCr"), float)[..., 1:]
            for path in (cwd / f"{mode}.png", content)
        ]
        change[mode] = np.abs(chroma[0] - chroma[1]).mean()
    assert change["luminance"] < 0.5 * change["none"]
    assert change["histogram"] < change["none"]


def test_a_gpu_that_fails_is_told_of_once_and_nothing_computes_there(
    run_main, photos, style, watched, monkeypatch
):
    monkeypatch.setattr(device, "find_device", lambda: watched)
    watched.watch(material, "prepare")
    watched.watch(universal.UniversalTransfer, "paint")
    outcome = run_main("apply", "-c", photos, "-s", style, *LIGHT, "-o", "painted")
    assert watched.seen == {"prepare", "paint"} and not watched.depth
    assert outcome.stderr.count(f"Note: {watched.notice}") == 1


@pytest.mark.parametrize("transform", ["monge", "wct", "adain"])
def test_flat_pictures_are_painted(run_main, tmp_path, cwd, transform):
    """The smallest there are: whatever is not finite would be no picture."""
    Image.new("RGB", (32, 32), (50, 150, 25)).save(tmp_path / "green.png")
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    flags = ("-o", "out.png", "--transform", transform)
    outcome = run_main("apply", "-c", tmp_path / "green.png", "-s", tmp_path / "red.png", *flags)
    assert outcome.returncode == 0, outcome.stderr
    assert np.abs(pixels(cwd / "out.png") - [255, 0, 0]).max() < 40


def test_all_of_one_style_is_that_style_alone(run_main, content, style, tmp_path, cwd):
    second = paint(tmp_path / "second.png", 5, (72, 60))
    for name, more in (
        ("alone", ()),
        ("first", ("-s", second, "--blend", "1", "--blend", "0")),
        ("both", ("-s", second)),
    ):
        outcome = run_main("apply", "-c", content, "-s", style, *more, *LIGHT, "-o", f"{name}.png")
        assert outcome.returncode == 0, outcome.stderr
    alone, first, both = (pixels(cwd / f"{name}.png") for name in ("alone", "first", "both"))
    np.testing.assert_array_equal(alone, first)
    assert np.abs(alone - both).mean() > 1


def test_a_region_without_a_style_is_the_photo(run_main, content, style, tmp_path, cwd):
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    flags = ("--content-mask", tmp_path / "mask.png", "-o", "out.png")
    outcome = run_main("apply", "-c", content, "-s", style, *flags)
    assert outcome.returncode == 0, outcome.stderr
    change = np.abs(pixels(cwd / "out.png") - pixels(content))
    assert change[:, :32].max() == 0 and change[:, 32:].mean() > 10


@pytest.fixture
def photos(tmp_path):
    """A folder of two photos and, between them, one that is broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "c"):
        paint(folder / f"{name}.png", ord(name))
    (folder / "b.jpg").write_bytes(b"no picture")
    return folder


def test_one_that_fails_does_not_stop_the_others(run_main, photos, style, cwd):
    """They are not done again, and not replaced by what other settings make."""
    inputs = ("apply", "-c", photos, "-s", style, *LIGHT, "-o", "painted")
    outcome = run_main(*inputs)
    assert (outcome.returncode, outcome.stdout) == (1, "painted/a.png\npainted/c.png\n")
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("Error: 1 of 3 runs failed (") and "b.jpg: is not a picture" in last
    before = {path: path.stat().st_mtime_ns for path in (cwd / "painted").iterdir()}
    assert len(before) == 2
    again, other = run_main(*inputs), run_main(*inputs, "--strength", "0")
    assert (again.returncode, again.stderr.count("done before")) == (1, 2)
    assert (other.returncode, other.stdout) == (1, "")
    assert "3 of 3 runs failed" in other.stderr and "--overwrite" in other.stderr
    assert {path: path.stat().st_mtime_ns for path in (cwd / "painted").iterdir()} == before
    assert run_main(*inputs, "--strength", "0", "--overwrite").returncode == 1
    np.testing.assert_array_equal(pixels(cwd / "painted/c.png"), pixels(photos / "c.png"))


def test_without_a_name_several_get_a_folder_of_the_style(run_main, photos, style):
    (photos / "b.jpg").unlink()
    outcome = run_main("apply", "-c", photos, "-s", style, "--strength", "0", "-q")
    folder = "data/output/instant-painting"
    assert outcome.stdout == f"{folder}/a.png\n{folder}/c.png\n", outcome.stderr


def test_json_is_a_line_for_each_picture(run_main, photos, style):
    flags = ("--json", "--strength", "0", "-o", "painted", "--size", "48")
    outcome = run_main("apply", "-c", photos, "-s", style, *flags)
    assert outcome.returncode == 1
    first, broken, last = map(json.loads, outcome.stdout.splitlines())
    for line, name in ((first, "a"), (last, "c")):
        assert line.pop("seconds") >= 0
        expected = {"content": str(photos / f"{name}.png"), "result": f"painted/{name}.png"}
        assert line == expected | {"width": 48, "height": 36}
    assert broken["content"] == str(photos / "b.jpg") and "is not a picture" in broken["error"]


def test_a_picture_comes_and_goes_by_the_standard_streams(studio):
    """In a process, since the pictures are bytes; nothing but the picture is written."""
    flags = ("-c", "-", "-s", "painting.png", "-o", "-", *LIGHT)
    data = (studio / "photo.png").read_bytes()
    before = set(studio.iterdir())
    outcome = call_real(studio, "apply", *flags, input=data, text=False)
    assert outcome.returncode == 0, outcome.stderr
    np.testing.assert_array_equal(pixels(io.BytesIO(outcome.stdout)), pixels(studio / "out.png"))
    assert set(studio.iterdir()) == before


def test_a_picture_is_made_again_by_its_record(studio, run_main):
    """In the same folder by itself; elsewhere only with pictures that the user names."""
    outcome = run_here(studio, "apply", "--from-image", "out.png", "-o", "again.png")
    assert (outcome.returncode, outcome.stdout) == (0, "again.png\n"), outcome.stderr
    assert (studio / "again.png").read_bytes() == (studio / "out.png").read_bytes()
    outcome = run_here(studio, "apply", "--from-image", "out.png", "-o", "out.png")
    assert (outcome.returncode, outcome.stderr) == (0, "done before\n")
    again = ("apply", "--from-image", studio / "out.png", "-o", "moved.png")
    refused(run_main(*again), "no such file")
    outcome = run_main(*again, "-c", studio / "photo.png", "-s", studio / "painting.png")
    assert outcome.returncode == 0, outcome.stderr
    refused(run_main(*again, "-c", studio / "out.png", "-s", studio / "painting.png"), "changed")


def test_a_record_opens_nothing_outside_the_home(run_main, content, style, cwd):
    inputs = ("apply", "-c", content, "-s", style, "--strength", "0", "-o", "out.png")
    assert run_main(*inputs).returncode == 0
    outcome = run_main("apply", "--from-image", "out.png", env={"HOME": str(cwd)})
    refused(outcome, "photo.png", "name it yourself with --content")


def test_what_does_not_go_with_a_record_is_refused(studio, run_main, content, style, tmp_path):
    again = ("apply", "--from-image", studio / "out.png", "-o", "again.png")
    refused(run_main(*again, "--strength", "0.5"), "--strength", "--from-image")
    config = tmp_path / "settings.toml"
    config.write_text("strength = '0.5'\n")
    refused(run_main(*again, "--config", config), "--config", "--from-image")
    named = ("-c", studio / "photo.png", "-s", studio / "painting.png")
    refused(run_main(*again, *named, "-s", style), "--from-image", "--style")
    refused(run_main(*again, *named, "--content-mask", content), "--from-image", "--content-mask")
    refused(run_main("apply", "--from-image", content), "photo.png", "no PNG or TIFF with a record")
    refused(run_main("apply", "--from-image", tmp_path / "no.png"), "no.png", "no such file")


def test_each_command_repeats_its_own_pictures(studio, run_main, content, style, tmp_path):
    refused(run_main("--from-image", studio / "out.png"), "out.png", "main.py apply --from-image")
    pictures = records.Inputs(images.load(content), (images.load(style),))
    network = records.weights.load("compact")
    facts = {"device": "CPU", "precision": "float32", "terms": ["content"]}
    record = records.make_record(Settings(), pictures, network, (64, 48), **facts)
    image = np.zeros((1, 48, 64, 3), np.float32)
    images.save_png(tmp_path / "result.png", image, texts=records.texts(record))
    outcome = run_main("apply", "--from-image", tmp_path / "result.png")
    refused(outcome, "result.png", "was not made by apply", "main.py --from-image")


def test_what_is_in_the_way_is_refused(run_main, content, style, tmp_path, cwd):
    inputs = ("apply", "-c", content, "-s", style, "--strength", "0")
    refused(run_main(*inputs, "-o", "out.jpg"), "--output", "out.jpg", ".png")
    before = content.read_bytes(), style.read_bytes()
    for path in (content, style):
        refused(run_main(*inputs, "-o", path, "--overwrite"), path.name, "would be overwritten")
    assert (content.read_bytes(), style.read_bytes()) == before
    (tmp_path / "there.png").write_text("precious")
    refused(run_main(*inputs, "-o", tmp_path / "there.png"), "there.png", "is there already")
    assert (tmp_path / "there.png").read_text() == "precious"
    assert not list(cwd.iterdir())


def test_bad_combinations_are_refused(run_main, content, style, tmp_path, cwd):
    (tmp_path / "other").mkdir()
    namesake = paint(tmp_path / "other" / "photo.png", 7)
    pair = ("-c", content, "-s", style)
    narrow = paint(tmp_path / "narrow.png", 0, (400, 20))
    for flags, words in (
        ((), ("--content is missing",)),
        (("-c", content), ("--style is missing",)),
        (("-s", style), ("--content is missing",)),
        (("-c", tmp_path / "no.png", "-s", style), ("no.png", "no such file")),
        (("-c", narrow, "-s", style), ("narrow.png", "32 px")),
        ((*pair, "-c", namesake), ("photo.png", "rename")),
        ((*pair, "-c", style, "-o", "-"), ("standard output",)),
        ((*pair, "-c", style, "--content-mask", content), ("masks",)),
        ((*pair, "--blend", "1", "--blend", "1"), ("--blend", "2 times")),
        ((*pair, "--strength", "2"), ("--strength",)),
        ((*pair, "--transform", "ot"), ("--transform", "ot")),
        ((*pair, "--epochs", "3"), ("--epochs",)),
    ):
        refused(run_main("apply", *flags), *words)
    assert not list(cwd.iterdir())


def test_too_little_memory_is_said_in_one_line(run_main, content, style, monkeypatch, cwd):
    inputs = ("apply", "-c", content, "-s", style, "-q")

    def fail(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(universal.UniversalTransfer, "paint", fail)
        outcome = run_main(*inputs)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
    assert "the memory ran out" in outcome.stderr and "--size" in outcome.stderr
    monkeypatch.setattr(apply.room.memory, "available", lambda: 1e6)
    monkeypatch.setattr(apply.room.memory, "resident", lambda: 1e6)
    refused(run_main(*inputs), "--size", "64×48", "GB")
    assert not list(cwd.iterdir())


def test_a_run_may_start_from_what_apply_makes(run_main, content, style, small_weights, cwd):
    """Its first snapshot is that picture."""
    pictures = ("-c", content, "-s", style, "--size", "48")
    flags = ("--init", "instant", "--weights", small_weights, "--epochs", "1", "--steps", "1")
    layers = ("--style-layer", "block1_conv1", "--content-layer", "block1_conv2", "--scales", "1")
    outcome = run_main(*pictures, *flags, *layers, *LIGHT, "-o", "run")
    assert outcome.returncode == 0, outcome.stderr
    assert run_main("apply", *pictures, *LIGHT, "-o", "out.png").returncode == 0
    first = pixels(cwd / "run/frames/epoch_0000.png")
    np.testing.assert_array_equal(first, pixels(cwd / "out.png"))
