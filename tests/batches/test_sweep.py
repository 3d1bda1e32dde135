"""Sweeps, batches and replays, as processes."""

import json
import os
import signal
import sys

import pytest
from conftest import SMALL_WIDTHS, call, paint, refused, wait_until
from PIL import Image

import functions
from style_transfer.batches import sweep
from style_transfer.commands.console import Console
from style_transfer.networks import weights
from style_transfer.optimization import job as stylize
from style_transfer.runs import folder as runs
from style_transfer.settings import Settings

FAST = ("--size", "48", "--epochs", "2", "--steps", "3")


@pytest.fixture(scope="module")
def studio(tmp_path_factory, small_weights):
    """A folder with pictures, and the flags for the small network."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "photos").mkdir()
    for number in range(3):
        paint(folder / "photos" / f"photo{number}.png", number)
    paint(folder / "painting.png", 8, (72, 60))
    return folder, ("--weights", small_weights, *FAST)


@pytest.fixture(scope="module")
def swept(studio):
    """A sweep of 2×2 that nobody disturbed."""
    folder, flags = studio
    command = ("sweep", "-c", "photos/photo0.png", "-s", "painting.png", *flags)
    command += ("--beta", "10,1000", "--tv", "0,5")
    outcome = call(folder, *command, "-o", "swept")
    assert outcome.returncode == 0, outcome.stderr
    return folder, command, outcome


def test_a_sweep_runs_every_combination(swept):
    folder, _, outcome = swept
    names = ["beta-10_tv-0", "beta-10_tv-5", "beta-1000_tv-0", "beta-1000_tv-5"]
    paths = [f"swept/{name}/result.png" for name in names]
    assert outcome.stdout.splitlines() == [*paths, "swept/contact_sheet.png"]
    weights = []
    for name in names:
        settings = json.loads((folder / "swept" / name / "run.json").read_text())["settings"]
        weights.append((settings["style_weight"], settings["tv_weight"]))
        assert not (folder / "swept" / name / "checkpoint.npz").exists()
    assert weights == [(10, 0), (10, 5), (1000, 0), (1000, 5)]
    assert len({(folder / path).read_bytes() for path in paths}) == 4
    assert Image.open(folder / "swept/contact_sheet.png").format == "PNG"
    page = (folder / "swept/contact_sheet.html").read_text()
    for label in ("beta 10", "beta 1000", "tv 0", "tv 5"):
        assert label in page


def test_a_run_of_a_sweep_is_the_run_alone(swept):
    """The runs share a compiled training, and what it knows of the style."""
    folder, _, _ = swept
    flags = ("-c", "photos/photo0.png", "-s", "painting.png")
    network = json.loads((folder / "swept/beta-10_tv-0/run.json").read_text())["settings"]
    alone = (*flags, "--weights", network["weights"], *FAST, "--beta", "1000", "--tv", "5")
    assert call(folder, *alone, "-o", "alone").returncode == 0
    twin = folder / "swept/beta-1000_tv-5"
    for name in ("result.png", "losses.csv"):
        assert (folder / "alone" / name).read_bytes() == (twin / name).read_bytes()


def test_what_is_done_is_not_done_again(swept):
    folder, command, _ = swept
    sheet = (folder / "swept/contact_sheet.png").read_bytes()
    outcome = call(folder, *command, "-o", "swept")
    assert outcome.returncode == 0
    assert outcome.stderr.count("done before") == 4 and "epoch" not in outcome.stderr
    assert (folder / "swept/contact_sheet.png").read_bytes() == sheet


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_sweep_that_was_stopped_does_only_what_is_missing(swept, begin, number):
    folder, command, _ = swept
    name = f"stopped{number:d}"
    process = begin(folder, *command, "-o", name)
    middle = folder / name / "beta-10_tv-5/checkpoint.npz"
    wait_until(process, middle.exists)
    process.send_signal(number)
    process.communicate()
    assert process.returncode in (-9, 130)
    outcome = call(folder, *command, "-o", name)
    assert outcome.returncode == 0, outcome.stderr
    assert 1 <= outcome.stderr.count("done before") <= 2
    sheets = [(folder / each / "contact_sheet.png").read_bytes() for each in (name, "swept")]
    assert sheets[0] == sheets[1]


def test_another_sweep_in_the_folder_is_an_error_of_its_runs(swept):
    folder, command, _ = swept
    outcome = call(folder, *command, "--steps", "4", "-o", "swept")
    assert outcome.returncode == 1
    assert outcome.stderr.count("holds a run with other settings") == 8  # each, and at the end


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--beta", "1,nan"), ("--beta", "nan")),
        (("--beta", "1,,2"), ("--beta",)),
        (("--beta", "3,3"), ("--beta", "twice")),
        (("--epochs", "1,0"), ("--epochs", "0")),
        (("--resume", "x"), ("--resume",)),
    ],
)
def test_bad_lists_are_refused(studio, flags, words):
    folder, _ = studio
    refused(call(folder, "sweep", "-c", "photos", "-s", "painting.png", *flags), *words)


def test_pictures_of_a_pattern_and_a_folder(studio):
    folder, _ = studio
    photos = [str(folder / "photos" / f"photo{number}.png") for number in range(3)]
    assert list(sweep.expand([str(folder / "photos/*.png")])) == photos
    assert list(sweep.expand([str(folder / "photos")])) == photos


def test_the_sheet_has_rows_and_columns(tmp_path):
    values = {"style_weight": ("beta", (1.0, 2.0)), "epochs": ("epochs", (3, 4, 5))}
    rows, columns, jobs = sweep.plan(("a.png", "b.png"), ("s.png",), Settings(), values, tmp_path)
    assert rows == ["a, beta 1", "a, beta 2", "b, beta 1", "b, beta 2"]
    assert columns == ["epochs 3", "epochs 4", "epochs 5"]
    assert [(job.row, job.column) for job in jobs] == [(r, c) for r in range(4) for c in range(3)]
    last = jobs[-1]
    assert (last.settings.style_weight, last.settings.epochs) == (2.0, 5)
    assert last.inputs == {"content": "b.png", "style": "s.png"}
    assert last.folder == tmp_path / "b_beta-2_epochs-5"


def test_two_pictures_of_one_name_are_refused(tmp_path):
    import click

    with pytest.raises(click.UsageError, match="rename"):
        sweep.plan(("x/a.png", "y/a.png"), ("s.png",), Settings(), {}, tmp_path)


def test_a_batch_with_a_broken_picture_makes_the_others(studio):
    folder, flags = studio
    (folder / "batch").mkdir()
    for number in range(4):
        paint(folder / "batch" / f"photo{number}.png", number)
    (folder / "batch/photo2b.png").write_text("no picture")
    outcome = call(folder, "-c", "batch", "-s", "painting.png", *flags, "-q", "-o", "results")
    assert outcome.returncode == 1
    paths = [f"results/photo{number}/result.png" for number in range(4)]
    assert outcome.stdout.splitlines() == paths
    assert outcome.stderr.count("\n") == 1
    assert "1 of 5 runs failed" in outcome.stderr and "photo2b.png" in outcome.stderr


def test_a_result_is_made_again(studio):
    folder, flags = studio
    inputs = ("-c", "photos/photo1.png", "-s", "painting.png", "--tv", "3")
    assert call(folder, *inputs, *flags, "-o", "first").returncode == 0
    outcome = call(folder, "--from-image", "first/result.png", "-o", "again")
    assert outcome.returncode == 0, outcome.stderr
    for name in ("result.png", "losses.csv"):
        assert (folder / "again" / name).read_bytes() == (folder / "first" / name).read_bytes()
    flags = ("--from-image", "first/result.png", "-o", "third")
    refused(call(folder, *flags, "--beta", "3"), "--from-image", "style_weight")
    refused(call(folder, *flags, "-c", "painting.png"), "--content", "--from-image")
    refused(call(folder, "--from-image", "painting.png"), "painting.png", "no PNG with a record")
    paint(folder / "photos/photo1.png", 77)
    refused(call(folder, *flags), "photo1.png", "has changed")


def test_a_style_is_described_once_for_each_size(tmp_path, monkeypatch):
    paint(tmp_path / "photo.png", 1)
    paint(tmp_path / "painting.png", 2, (72, 60))
    weights.write(tmp_path / "w.weights.h5", weights.draw(0, SMALL_WIDTHS).layers)
    described, built = [], []
    describe, build = functions.describe_picture, functions.build_training
    monkeypatch.setattr(
        functions,
        "describe_picture",
        lambda *a: described.append(a[1].picture.shape) or describe(*a),
    )
    monkeypatch.setattr(functions, "build_training", lambda *a: built.append(1) or build(*a))
    settings = Settings(
        epochs=2, steps=1, scales="48,64", patience=0, weights=str(tmp_path / "w.weights.h5")
    )
    values = {"style_weight": ("beta", (1.0, 2.0, 3.0))}
    pictures = (str(tmp_path / "photo.png"),), (str(tmp_path / "painting.png"),)
    _, _, jobs = sweep.plan(*pictures, settings, values, tmp_path / "out")
    assert not sweep.run_all(jobs, Console(quiet=True), stylize.Workshop())
    assert len(described) == len(set(described)) == 2
    assert len(built) == 1
    assert all(runs.is_finished(job.folder) for job in jobs)


def test_video_without_pyav_is_refused_at_once(studio):
    folder, _ = studio
    (folder / "without").mkdir()
    (folder / "without/sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'av' else find(name, *a)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(folder / "without")}
    outcome = call(folder, "-c", "photos", "-s", "painting.png", "--video", env=environment)
    refused(outcome, "--video", "pip install av")


def test_a_workshop_builds_anew_for_what_is_compiled_in():
    network = weights.draw(0, SMALL_WIDTHS)
    workshop = stylize.Workshop()
    first = workshop.prepare(network, Settings(), ())
    assert workshop.prepare(network, Settings(style_weight=3.0, size=99), ()) is first
    assert workshop.prepare(network, Settings(loss="gatys"), ()) is not first
    assert workshop.prepare(weights.draw(1, SMALL_WIDTHS), Settings(), ()) is not first
