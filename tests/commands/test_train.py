"""`python main.py train`, as a process: to its end, killed and continued; and what it trained."""

import json
import signal
import sys

import cropping
import numpy as np
import pytest
from conftest import call, paint, refused, run_here, wait_for_progress
from PIL import Image

from style_transfer.feedforward import start, style_file, train
from style_transfer.pictures import images
from style_transfer.reports import provenance
from style_transfer.runs import losses

FLAGS = ("-s", "day.png", "-s", "night.png", "--photos", "photos", "--size", "96")
SCRATCH = ("--from", "none")
SHORT = ("--epochs", "2", "--steps", "4")
PROGRAM = (sys.executable, cropping.__file__)


@pytest.fixture(scope="module", autouse=True)
def small_crops():
    """Crop in this process as `PROGRAM` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "CROP", cropping.CROP)
        patch.setattr(start, "CROP", cropping.CROP)
        yield


@pytest.fixture(scope="module")
def studio(tmp_path_factory, small_weights, small_crops):
    """A folder with photos, two paintings, and a network that was trained in peace."""
    folder = tmp_path_factory.mktemp("school")
    for number in range(9):
        path = folder / "photos" / ("more" if number > 5 else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(path, number, (200, 180))
    (folder / "photos" / "broken.jpg").write_bytes(b"no picture")
    paint(folder / "photo.png", 20, (100, 70))
    paint(folder / "day.png", 21, (90, 90))
    paint(folder / "night.png", 22, (120, 80))
    flags = (*FLAGS, *SHORT, *SCRATCH, "--weights", small_weights)
    outcome = call(folder, "train", *flags, "-o", "whole.style", program=PROGRAM)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "whole.style\n"
    assert "1 photos could not be read" in outcome.stderr and "broken.jpg" in outcome.stderr
    return folder, flags


def test_what_lies_there_in_the_end(studio):
    folder, _ = studio
    file = style_file.read(folder / "whole.style")
    assert file.names == ("day", "night") and file.facts["steps"] == 8
    run = folder / "whole.training"
    names = {path.name for path in run.iterdir()}
    assert {"result.png", "losses.csv", "losses.png", "progress.gif", "report.html"} <= names
    assert sorted(path.name for path in run.glob("frames/*")) == [
        f"epoch_000{number}.png" for number in range(3)
    ]
    table = losses.read(run / "losses.csv")
    assert table.terms == ("content", "style", "total_variation", "validation")
    assert table.steps.tolist() == list(range(9))
    assert np.ptp(table.totals) > 0
    words = json.loads((run / "run.json").read_text())
    assert words["finished"] and words["training"]["photos"] == "photos"
    record = json.loads((run / "run.json").read_text())
    assert provenance.list_words(record)[2:6] == ["train", "--photos", "photos", "--preview"]


def test_killed_and_continued_it_gives_the_same_bytes(studio, begin):
    folder, flags = studio
    process = begin(folder, "train", *flags, "-o", "killed.style", program=PROGRAM)
    wait_for_progress(process, folder / "killed.training")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "killed.style").exists()
    outcome = run_here(folder, "train", *flags, "-o", "killed.style")
    assert outcome.returncode == 0, outcome.stderr
    arrays, expected = (
        style_file.read(folder / f"{name}.style").arrays for name in ("killed", "whole")
    )
    for name, each in expected.items():
        np.testing.assert_array_equal(arrays[name], each, err_msg=name)
    for name in ("losses.csv", "frames/epoch_0002.png"):
        found, wanted = (folder / f"{run}.training" / name for run in ("killed", "whole"))
        assert found.read_bytes() == wanted.read_bytes()


def test_what_is_trained_is_not_trained_again(studio):
    folder, flags = studio
    before = (folder / "whole.style").read_bytes()
    outcome = run_here(folder, "train", *flags, "-o", "whole.style")
    assert outcome.returncode == 0, outcome.stderr
    assert "trained before" in outcome.stderr and outcome.stdout == "whole.style\n"
    assert (folder / "whole.style").read_bytes() == before
    other = run_here(folder, "train", *flags, "--beta", "3", "-o", "whole.style")
    refused(other, "another network", "--overwrite")


@pytest.fixture(scope="module")
def painted(studio):
    """From name to what the network makes of a photo: in each style, and mixed."""
    folder, _ = studio
    pictures = {}
    for name, flags in {
        "first": (),
        "day": ("--style-index", "1"),
        "night": ("--style-index", "2"),
        "both": ("--blend", "1", "--blend", "3"),
        "none": ("--strength", "0"),
    }.items():
        command = ("apply", "-c", "photo.png", "-m", "whole.style", "-o", f"out/{name}.png", *flags)
        outcome = run_here(folder, *command)
        assert outcome.returncode == 0, outcome.stderr
        pictures[name] = np.asarray(Image.open(folder / f"out/{name}.png"), float)
    return pictures


def test_it_paints_each_of_its_styles_and_mixtures(studio, painted):
    photo = np.asarray(Image.open(studio[0] / "photo.png"), float)
    np.testing.assert_array_equal(painted["none"], photo)
    np.testing.assert_array_equal(painted["first"], painted["day"])
    for one, other in (("day", "night"), ("day", "both"), ("night", "both")):
        assert np.abs(painted[one] - painted[other]).mean() > 0.02  # after eight steps


def test_a_sheet_shows_all_styles(studio, painted):
    folder, _ = studio
    outcome = run_here(
        folder, "apply", "-c", "photo.png", "-m", "whole.style", "--sheet", "-o", "s.png"
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "s.png\n" and "[2/2] night" in outcome.stderr
    sheet = np.asarray(Image.open(folder / "s.png"), float)
    assert sheet.shape[0] > 2 * 70 and sheet.shape[1] > 2 * 100
    single = painted["night"]
    places = np.lib.stride_tricks.sliding_window_view(sheet, single.shape)
    corners = np.argwhere((places[..., 0, 0, 0] == single[0, 0, 0])[..., 0])
    # The second style's picture lies in it as it is.
    assert any(np.array_equal(places[top, left, 0], single) for top, left in corners)
    again = run_here(
        folder, "apply", "-c", "photo.png", "-m", "whole.style", "--sheet", "-o", "s.png"
    )
    refused(again, "s.png", "--overwrite")


def test_a_picture_is_painted_again_by_its_record(studio):
    folder, _ = studio
    flags = ("-m", "whole.style", "--blend", "2", "--blend", "1", "--strength", "0.8")
    assert run_here(folder, "apply", "-c", "photo.png", *flags, "-o", "a.png").returncode == 0
    outcome = run_here(folder, "apply", "--from-image", "a.png", "-o", "b.png")
    assert outcome.returncode == 0, outcome.stderr
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    record = json.loads(images.read_text(folder / "a.png", "Settings"))
    assert record["inputs"]["style"]["path"] == "whole.style"


def test_a_training_is_no_run_of_painting(studio):
    folder, _ = studio
    for flags in (("--resume", "whole.training"), ("--from-image", "whole.training/result.png")):
        refused(run_here(folder, *flags), "is of a training", "train command again")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ("--style is missing",)),
        ((*FLAGS, "--precision", "float16"), ("--precision float16", "bfloat16")),
        (("-s", "day.png"), ("--photos is missing",)),
        (("-s", "day.png", "--photos", "nowhere"), ("nowhere", "is no folder")),
        (("-s", "none.png", "--photos", "photos"), ("none.png",)),
        (("-s", "day.png", "--photos", "photos", "-o", "x.png"), ("--output", ".style")),
        (("-s", "day.png", "--photos", "photos", "--minutes", "0"), ("--minutes",)),
        ((*FLAGS, "--gpus", "two"), ("--gpus", "two", "all")),
        ((*FLAGS, "--gpus", "3"), ("--gpus", "4 photos", "--batch 6")),
        ((*FLAGS, "--gpus", "2", "--backend", "jax"), ("--gpus", "leave it out", "jax")),
    ],
)
def test_bad_input_is_refused(studio, flags, words):
    refused(run_here(studio[0], "train", *flags), *words)


@pytest.mark.parametrize("count", ["2", "all"])
def test_without_gpus_nothing_is_begun(studio, count, monkeypatch):
    folder, flags = studio
    monkeypatch.setattr("style_transfer.optimization.device.count_gpus", lambda: 0)
    command = ("train", *flags, "--gpus", count, "-o", "none.style")
    refused(run_here(folder, *command), f"--gpus {count}", "no GPUs", "leave --gpus out")
    assert not list(folder.glob("none.*"))


@pytest.mark.parametrize("flags", [(), ("--backend", "jax")])
def test_a_backend_that_is_not_there_is_named(studio, flags, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    wanted = flags[-1] if flags else "tensorflow"
    refused(run_here(studio[0], "train", *FLAGS, *flags), f"pip install {wanted}")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("-m", "photo.png"), ("photo.png", "is no trained network")),
        (("-m", "whole.style", "-s", "day.png"), ("leave out --style",)),
        (("-m", "whole.style", "--style-index", "3"), ("--style-index", "there are 2")),
        (("-m", "whole.style", "--blend", "1"), ("--blend", "2 styles")),
        (("-s", "day.png", "--style-index", "1"), ("--style-index", "--model")),
        (("-s", "day.png", "--sheet"), ("--sheet", "--model")),
        (("-m", "whole.style", "--sheet", "--style-index", "1"), ("leave out --style-index",)),
    ],
)
def test_bad_ways_to_use_a_model_are_refused(studio, flags, words):
    refused(run_here(studio[0], "apply", "-c", "photo.png", *flags, "-o", "bad.png"), *words)


@pytest.fixture(scope="module")
def any_style(studio):
    """A network for any style, trained with a critic."""
    folder, flags = studio
    (folder / "paintings").mkdir()
    for name in ("day", "night"):
        (folder / "paintings" / f"{name}.png").write_bytes((folder / f"{name}.png").read_bytes())
    rest = ("--photos", "photos", "--size", "96", "--epochs", "1", "--steps", "2", *flags[-2:])
    network = ("--arch", "autoencoder", "--critic", "0.5", "--batch", "2", "--styles", "paintings")
    outcome = run_here(folder, "train", *network, *rest, "-o", "any.style")
    assert outcome.returncode == 0, outcome.stderr
    return folder


def test_a_network_for_any_style_takes_a_painting(any_style):
    folder = any_style
    file = style_file.read(folder / "any.style")
    assert file.paints_any and file.names == ("day", "night")
    table = losses.read(folder / "any.training" / "losses.csv")
    assert table.terms == ("content", "style", "total_variation", "critic", "validation")
    words = provenance.list_words(json.loads((folder / "any.training" / "run.json").read_text()))
    assert words[5:11] == ["--arch", "autoencoder", "--batch", "2", "--critic", "0.5"]
    pictures = {}
    for name, flags in {
        "day": ("-s", "day.png"),
        "night": ("-s", "night.png"),
        "both": ("-s", "day.png", "-s", "night.png", "--blend", "1", "--blend", "2"),
        "none": ("-s", "day.png", "--strength", "0"),
    }.items():
        command = ("apply", "-c", "photo.png", "-m", "any.style", *flags, "-o", f"any/{name}.png")
        outcome = run_here(folder, *command)
        assert outcome.returncode == 0, outcome.stderr
        pictures[name] = np.asarray(Image.open(folder / f"any/{name}.png"), float)
    photo = np.asarray(Image.open(folder / "photo.png"), float)
    np.testing.assert_array_equal(pictures["none"], photo)
    for one, other in (("day", "night"), ("day", "both"), ("night", "both")):
        assert np.abs(pictures[one] - pictures[other]).mean() > 1
    again = run_here(folder, "apply", "--from-image", "any/both.png", "-o", "any/again.png")
    assert again.returncode == 0, again.stderr
    assert (folder / "any/again.png").read_bytes() == (folder / "any/both.png").read_bytes()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ("--style is missing",)),
        (("-s", "day.png", "--style-index", "1"), ("paints any style",)),
        (("-s", "day.png", "--style-mask", "night.png"), ("leave out --style-mask",)),
    ],
)
def test_bad_ways_to_use_a_network_for_any_style_are_refused(any_style, flags, words):
    command = ("apply", "-c", "photo.png", "-m", "any.style", *flags, "-o", "bad.png")
    refused(run_here(any_style, *command), *words)


def test_a_style_is_added_and_nothing_else_changes(studio):
    folder, flags = studio
    rest = ("--photos", "photos", "--size", "96", "--epochs", "1", "--steps", "3", *flags[-2:])
    start = ("--from", "whole.style", "--add", "-s", "photo.png", "-o", "three.style")
    outcome = run_here(folder, "train", *start, *rest)
    assert outcome.returncode == 0, outcome.stderr
    two, three = (style_file.read(folder / f"{name}.style") for name in ("whole", "three"))
    assert three.names == ("day", "night", "photo")
    for name, each in two.arrays.items():
        if name.endswith(("_norm/scale", "_norm/shift")):
            np.testing.assert_array_equal(three.arrays[name][:2], each)
            assert three.arrays[name].shape == (3, each.shape[1])
        else:
            np.testing.assert_array_equal(three.arrays[name], each)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--add",), ("--add wants --from",)),
        (("--from", "photo.png"), ("photo.png", "is no trained network")),
        (("--from", "any.style"), ("--from", "--arch autoencoder")),
        (("--arch", "google", "--from", "whole.style"), ("--from", "--arch johnson")),
    ],
)
def test_bad_starts_are_refused(any_style, small_weights, flags, words):
    rest = ("-s", "day.png", "--photos", "photos", "--weights", small_weights, "-o", "bad.style")
    refused(run_here(any_style, "train", *rest, *flags), *words)


def test_a_training_begins_with_the_network_that_comes_with_the_program(studio):
    folder, flags = studio
    rest = ("--photos", "photos", "--size", "96", "--epochs", "1", "--steps", "2", *flags[-2:])
    outcome = run_here(folder, "train", "-s", "day.png", *rest, "-o", "begun.style")
    assert outcome.returncode == 0, outcome.stderr
    begun, start = style_file.read(folder / "begun.style"), style_file.read(style_file.START)
    assert begun.facts["training"]["from"] == start.sha256
    for name, each in begun.arrays.items():
        if name.startswith("residual") and name.endswith("kernel"):  # after two small steps
            assert np.corrcoef(each.ravel(), start.arrays[name].ravel())[0, 1] > 0.99


def test_any_painting_by_the_network_that_comes_with_the_program(studio):
    folder, _ = studio
    flags = ("-c", "photo.png", "-s", "day.png", "--model", "any")
    assert run_here(folder, "apply", *flags, "-o", "ours.png").returncode == 0
    photo, painted = (np.asarray(Image.open(folder / f"{n}.png"), float) for n in ("photo", "ours"))
    assert painted.shape == photo.shape and np.abs(painted - photo).mean() > 10
    again = run_here(folder, "apply", "--from-image", "ours.png", "-o", "ours2.png")
    assert again.returncode == 0, again.stderr
    assert (folder / "ours.png").read_bytes() == (folder / "ours2.png").read_bytes()
