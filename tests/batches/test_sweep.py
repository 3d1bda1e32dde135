"""Sweeps, batches and replays, from the command line to the pictures."""

import importlib.util
import json
import os
import shutil
import signal
import sys
import threading

import pytest
from conftest import SMALL_VGG19, call, paint, refused, run_here, wait_until
from PIL import Image

from style_transfer import files
from style_transfer.batches import local, plan
from style_transfer.errors import SettingsError
from style_transfer.networks import weights
from style_transfer.optimization import job as jobs
from style_transfer.runs import record
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
    outcome = run_here(folder, *command, "-o", "swept")
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
    assert run_here(folder, *alone, "-o", "alone").returncode == 0
    twin = folder / "swept/beta-1000_tv-5"
    for name in ("result.png", "losses.csv"):
        assert (folder / "alone" / name).read_bytes() == (twin / name).read_bytes()


def test_what_is_done_is_not_done_again(swept):
    folder, command, _ = swept
    sheet = (folder / "swept/contact_sheet.png").read_bytes()
    outcome = run_here(folder, *command, "-o", "swept")
    assert outcome.returncode == 0
    assert outcome.stderr.count("done before") == 4 and "epoch" not in outcome.stderr
    assert (folder / "swept/contact_sheet.png").read_bytes() == sheet


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_sweep_that_was_stopped_does_only_what_is_missing(studio, begin, number):
    folder, flags = studio
    command = ("sweep", "-c", "photos/photo0.png", "-s", "painting.png", *flags, "--steps", "90")
    command += ("--beta", "10,1000", "--tv", "0,5", "-o", f"stopped{number:d}")
    process = begin(folder, *command)
    middle = folder / f"stopped{number:d}" / "beta-10_tv-5/checkpoint.npz"
    wait_until(process, middle.exists)
    process.send_signal(number)
    process.communicate()
    assert process.returncode in (-9, 130)
    outcome = call(folder, *command)
    assert outcome.returncode == 0, outcome.stderr
    assert 1 <= outcome.stderr.count("done before") <= 2
    assert (folder / f"stopped{number:d}" / "contact_sheet.png").stat().st_size


def test_another_sweep_in_the_folder_is_an_error_of_its_runs(swept):
    folder, command, _ = swept
    outcome = run_here(folder, *command, "--steps", "4", "-o", "swept")
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
    refused(run_here(folder, "sweep", "-c", "photos", "-s", "painting.png", *flags), *words)


def test_pictures_of_a_pattern_and_a_folder(studio):
    folder, _ = studio
    photos = [str(folder / "photos" / f"photo{number}.png") for number in range(3)]
    assert list(plan.expand([str(folder / "photos/*.png")])) == photos
    assert list(plan.expand([str(folder / "photos")])) == photos


def test_the_sheet_has_rows_and_columns(tmp_path):
    values = {"style_weight": (1.0, 2.0), "epochs": (3, 4, 5)}
    pictures = ("a.png", "b.png"), ("s.png",), "start.png"
    sheet = plan.sweep(*pictures, Settings(init="start.png"), values, tmp_path)
    assert sheet.rows == ["a, beta 1", "a, beta 2", "b, beta 1", "b, beta 2"]
    assert sheet.columns == ["epochs 3", "epochs 4", "epochs 5"]
    places = [(entry.row, entry.column) for entry in sheet.entries]
    assert places == [(row, column) for row in range(4) for column in range(3)]
    last = sheet.entries[-1].job
    assert (last.settings.style_weight, last.settings.epochs) == (2.0, 5)
    inputs = {"content": "b.png", "style": "s.png", "init": "start.png"}
    assert dict(last.inputs.items()) == inputs
    assert last.folder == tmp_path / "b_beta-2_epochs-5"


def test_numbers_that_look_alike_are_written_out(tmp_path):
    values = {"style_weight": (1_000_000.0, 1_000_001.0)}
    sheet = plan.sweep(("a.png",), ("s.png",), None, Settings(), values, tmp_path)
    assert sheet.columns == ["beta 1000000", "beta 1000001"]


def test_two_pictures_of_one_name_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="rename"):
        plan.sweep(("x/a.png", "y/a.png"), ("s.png",), None, Settings(), {}, tmp_path)


def test_a_sweep_starts_from_the_picture_that_was_named(studio):
    """The first snapshot is that picture."""
    folder, flags = studio
    command = ("sweep", "-c", "photos/photo0.png", "-s", "painting.png", *flags, "--tv", "0,5")
    outcome = call(folder, *command, "--init", "photos/photo2.png", "-o", "started")
    assert outcome.returncode == 0, outcome.stderr
    record = json.loads((folder / "started/tv-0/run.json").read_text())
    assert record["inputs"]["init"]["path"] == "photos/photo2.png"
    outcome = call(folder, *command, "--init", "photos/photo9.png", "-o", "typo")
    assert outcome.returncode == 1 and "photo9.png: no such file" in outcome.stderr


def test_a_batch_with_a_broken_picture_makes_the_others(studio):
    folder, flags = studio
    (folder / "batch").mkdir()
    for number in range(4):
        paint(folder / "batch" / f"photo{number}.png", number)
    (folder / "batch/photo2b.png").write_text("no picture")
    outcome = run_here(folder, "-c", "batch", "-s", "painting.png", *flags, "-q", "-o", "results")
    assert outcome.returncode == 1
    paths = [f"results/photo{number}/result.png" for number in range(4)]
    assert outcome.stdout.splitlines() == paths
    assert outcome.stderr.count("\n") == 1
    assert "1 of 5 runs failed" in outcome.stderr and "photo2b.png" in outcome.stderr


def test_a_result_is_made_again(studio):
    folder, flags = studio
    inputs = ("-c", "photos/photo1.png", "-s", "painting.png", "--tv", "3")
    source = ("--weights", flags[1])
    assert run_here(folder, *inputs, *flags, "-o", "first").returncode == 0
    outcome = run_here(folder, "--from-image", "first/result.png", "-o", "again", *source)
    assert outcome.returncode == 0, outcome.stderr
    for name in ("result.png", "losses.csv"):
        assert (folder / "again" / name).read_bytes() == (folder / "first" / name).read_bytes()
    flags = ("--from-image", "first/result.png", "-o", "third", *source)
    refused(run_here(folder, *flags, "--beta", "3"), "--from-image", "--beta")
    refused(run_here(folder, *flags, "--time-budget", "9s"), "--from-image", "--time-budget")
    refused(run_here(folder, *flags, "-c", "painting.png"), "painting.png", "has changed")
    refused(run_here(folder, *flags, "--content-mask", "painting.png"), "no content mask")
    refused(run_here(folder, "--from-image", "painting.png"), "no PNG or TIFF with a record")
    paint(folder / "photos/photo1.png", 77)
    refused(run_here(folder, *flags), "photo1.png", "has changed")


def test_a_picture_of_a_stranger_opens_no_file_of_mine(studio, tmp_path):
    """The weights of the first run lie at an absolute path that is not below the user's home."""
    folder, flags = studio
    shutil.copy(folder / "painting.png", tmp_path / "photo.png")
    inputs = ("-c", tmp_path / "photo.png", "-s", "painting.png", "--weights", "compact")
    assert call(folder, *inputs, *FAST, "-o", "strange").returncode == 0
    again = ("--from-image", "strange/result.png", "-o", "strange-again")
    environment = os.environ | {"HOME": str(folder)}
    refused(call(folder, *again, env=environment), str(tmp_path / "photo.png"), "--content")
    outcome = call(folder, *again, "-c", tmp_path / "photo.png", env=environment)
    assert outcome.returncode == 0, outcome.stderr


def test_a_batch_shares_an_engine_and_knows_its_style(tmp_path, monkeypatch):
    from style_transfer.optimization import engine, targets

    paint(tmp_path / "photo.png", 1)
    paint(tmp_path / "painting.png", 2, (72, 60))
    weights.write(tmp_path / "w.weights.h5", weights.draw(0, SMALL_VGG19).layers)
    described, built = [], []
    describe, build = targets.describe_picture, engine.build_steps
    monkeypatch.setattr(
        targets,
        "describe_picture",
        lambda *a: described.append(a[1].picture.shape) or describe(*a),
    )
    monkeypatch.setattr(engine, "build_steps", lambda *a: built.append(1) or build(*a))
    settings = Settings(
        epochs=2, steps=1, scales="48,64", patience=0, weights=str(tmp_path / "w.weights.h5")
    )
    values = {"style_weight": (1.0, 2.0, 3.0)}
    pictures = (str(tmp_path / "photo.png"),), (str(tmp_path / "painting.png"),)
    sheet = plan.sweep(*pictures, None, settings, values, tmp_path / "out")
    events = list(local.Batch().perform(sheet.entries))
    assert not [event for event in events if isinstance(event, jobs.Notice | jobs.JobFailed)]
    assert len(described) == len(set(described)) == 2
    assert len(built) == 1
    assert all(record.is_finished(entry.job.folder) for entry in sheet.entries)


def test_a_failed_job_leaves_no_lock_and_no_thread(tmp_path):
    """The folder is free, and what the job had in memory is let go of."""
    paint(tmp_path / "photo.png", 1)
    paint(tmp_path / "painting.png", 2)
    layers = {
        name: (kernel * 1e30, bias)
        for name, (kernel, bias) in weights.draw(0, SMALL_VGG19).layers.items()
    }
    weights.write(tmp_path / "huge.weights.h5", layers)
    settings = Settings(size=48, epochs=1, steps=1, weights=str(tmp_path / "huge.weights.h5"))
    pictures = (str(tmp_path / "photo.png"),), (str(tmp_path / "painting.png"),)
    sheet = plan.sweep(*pictures, None, settings, {}, tmp_path / "out")
    events = list(local.Batch().perform(sheet.entries))
    assert isinstance(events[-1], jobs.JobFailed) and "diverged" in events[-1].error
    files.Lock(tmp_path / "out/run/.lock").release()
    assert not [each for each in threading.enumerate() if each.name.startswith("writer")]


def test_mp4_without_pyav_is_refused_at_once(studio, monkeypatch):
    folder, _ = studio
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "av" else find(name, *a)
    )
    outcome = run_here(folder, "-c", "photos", "-s", "painting.png", "--mp4")
    refused(outcome, "--mp4", "pip install av")


def test_engines_build_anew_for_what_is_compiled_in():
    network, engines = weights.draw(0, SMALL_VGG19), jobs.Engines()
    first = engines.get(network, Settings())
    assert engines.get(network, Settings(style_weight=3.0, size=99)) is first
    assert engines.get(network, Settings(loss="gatys")) is not first
    assert engines.get(weights.draw(1, SMALL_VGG19), Settings(loss="gatys")) is not first
