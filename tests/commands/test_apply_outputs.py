"""Where `python main.py apply` writes to, and what it writes: names, streams, JSON, signals.

With a stand-in for what computes, see `standin`: each result is the photo itself.
"""

import io
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from conftest import STAND_IN, call, paint, refused, wait_until
from PIL import Image
from standin import build_pass

from style_transfer.commands.interrupts import MESSAGE
from style_transfer.feedforward import apply
from style_transfer.optimization import events
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="shells and signals of POSIX")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """Nothing in this process computes, either."""
    monkeypatch.setattr(apply, "build", build_pass)


@pytest.fixture
def cwd(tmp_path):
    """The folder that `run_main` runs in."""
    return tmp_path / "cwd"


@pytest.fixture
def photos(tmp_path):
    """A folder of three photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        paint(folder / f"{number}.png", number)
    return folder


@POSIX
def test_a_picture_that_cannot_be_written_to_the_standard_output_is_an_error(content, style):
    """Who does not listen to the end has what they want."""
    command = " ".join(map(str, [*STAND_IN, "apply", "-c", content, "-s", style, "-o -"]))
    for size, redirection, status, errors in (
        ("--size 64", "> /dev/full", 1, 1),
        ("--size 1024 --enlarge", "> /dev/full", 1, 1),
        ("--size 1024 --enlarge", "| head -c 1", 0, 0),
    ):
        shell = ["bash", "-o", "pipefail", "-c", f"{command} {size} {redirection}"]
        outcome = subprocess.run(shell, capture_output=True, timeout=60)
        assert (outcome.returncode, outcome.stderr.count(b"\n")) == (status, errors), outcome.stderr
        assert (b"No space left on device: 'standard output'" in outcome.stderr) is bool(errors)


@POSIX
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_a_folder_after_the_picture_under_way(
    photos, style, tmp_path, begin, number, status
):
    out = tmp_path / "out"
    out.mkdir()
    dead = call(tmp_path, "-c", "import os; print(os.getpid())", program=(sys.executable,)).stdout
    living = out / f".1.png.{os.getpid()}.tmp"
    for left in (out / f".0.png.{dead.strip()}.tmp", living):
        left.write_bytes(b"half")
    command = ("apply", "-c", photos, "-s", style, "-o", "out", "--size", "300", "--enlarge")
    process = begin(tmp_path, *command)
    while "[1/3]" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (status, "out/0.png\n"), errors
    assert MESSAGE in errors
    assert set(out.iterdir()) == {out / "0.png", living}
    assert Image.open(out / "0.png").size == (300, 225)
    outcome = call(tmp_path, *command)
    assert (outcome.returncode, outcome.stderr.count("done before")) == (0, 1), outcome.stderr


@POSIX
def test_a_download_ends_with_a_signal_at_once():
    """Of several jobs, the first of which has not begun to compute."""
    from style_transfer.commands import playing
    from style_transfer.commands.console import Console

    def perform(*, should_stop, downloading):
        yield events.JobStarted(1, 2, "a")
        downloading(0, 9)
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(SimpleNamespace(poll=lambda: None), should_stop)
        downloading(1, 9)
        raise AssertionError("it goes on")

    with pytest.raises(SystemExit) as end:
        playing.play(perform, Console(quiet=True))
    assert end.value.code == 143


def test_names_come_from_the_pictures_that_a_pattern_means(run_main, content, style, cwd):
    pattern = style.with_name("pain*.png")
    outcome = run_main("apply", "-c", content, "-s", pattern)
    assert outcome.stdout == "data/output/photo-painting-instant.png\n", outcome.stderr
    outcome = run_main("apply", "-c", content.with_name("phot*.png"), "-s", pattern)
    assert outcome.stdout == "data/output/instant-painting/photo.png\n", outcome.stderr


def test_a_name_with_dots_gets_its_number_behind_all_of_it(run_main, style, tmp_path, cwd):
    photo = paint(tmp_path / "photo.v2.png", 1)
    for number in ("", "-2", "-3"):
        outcome = run_main("apply", "-c", photo, "-s", style)
        assert outcome.stdout == f"data/output/photo.v2-painting-instant{number}.png\n"


def test_a_separator_behind_a_name_makes_it_a_folder(run_main, content, style, photos):
    inputs = ("apply", "-c", content, "-s", style)
    for name in ("results.v2/", "results.png/"):
        assert run_main(*inputs, "-o", name).stdout == f"{name}photo-painting.png\n"
    several = run_main("apply", "-c", photos, "-s", style, "-o", "several.png/", "-q")
    assert several.stdout.splitlines() == [f"several.png/{number}.png" for number in range(3)]
    assert run_main("apply", "-c", photos, "-s", style, "-o", "several.png").returncode == 0


def test_outputs_that_cannot_be_are_refused_before_anything_is_done(
    run_main, content, style, photos, tmp_path, cwd, monkeypatch
):
    def compute(_model):
        raise AssertionError("it computes")

    monkeypatch.setattr(apply, "build", compute)
    one, several = ("apply", "-c", content, "-s", style), ("apply", "-c", photos, "-s", style)
    refused(run_main(*several, "-o", "out.png"), "out.png", "name a folder")
    (tmp_path / "file").write_text("text")
    for name in ("file/out.png", "file/deep/"):
        refused(run_main(*one, "-o", tmp_path / name), "file: is a file")
    refused(run_main(*several, "-o", tmp_path / "file"), "file is a file")
    refused(run_main(*several, "-o", "-"), "standard output")
    refused(run_main(*one, "-o", "-", "--json"), "--json", "-o -")
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(tmp_path))
    refused(run_main(*one, "-o", tmp_path / "new/out.png"), f"{tmp_path}: cannot be written to")
    assert not list(cwd.iterdir())


def test_a_tiff_in_and_out_keeps_16_bits_and_what_made_it(run_main, style, tmp_path, cwd):
    """The stand-in gives back the photo: a ramp of less than one of 256 levels."""
    ramp = np.linspace(30000, 30200, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint16)
    tifffile.imwrite(tmp_path / "photo.tif", ramp, photometric="rgb")
    flags = ("apply", "-c", tmp_path / "photo.tif", "-s", style, "--bit-depth", "16")
    outcome = run_main(*flags, "-o", "out.tif")
    assert outcome.stdout == "out.tif\n", outcome.stderr
    np.testing.assert_array_equal(tifffile.imread(cwd / "out.tif"), ramp)
    assert "done before" in run_main(*flags, "-o", "out.tif").stderr
    named = ("-c", tmp_path / "photo.tif", "-s", style)
    again = run_main("apply", "--from-image", "out.tif", *named, "-o", "again.TIFF")
    assert again.returncode == 0, again.stderr
    assert (cwd / "again.TIFF").read_bytes() == (cwd / "out.tif").read_bytes()
    refused(run_main(*flags, "-o", "out.jpg"), "out.jpg is no .png or .tif file", "name one")
    refused(run_main("apply", "-c", tmp_path, "-s", style, "-o", "a.tif"), "a.tif is a file")


def test_a_damaged_tiff_is_refused_in_a_line(run_main, style, tmp_path):
    """Whatever libtiff says of it."""
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 65536, (48, 64, 3), dtype=np.uint16)
    tifffile.imwrite(data, noise, photometric="rgb", compression="zlib")
    (tmp_path / "cut.tif").write_bytes(data.getvalue()[:-9000])
    outcome = call(tmp_path, "apply", "-c", "cut.tif", "-s", style)
    refused(outcome, "cut.tif: is", "save it again")


def test_links_to_themselves_are_told_of_in_a_line(run_main, content, style, tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    refused(run_main("apply", "-c", loop, "-s", style), "loop.png")
    assert run_main("apply", "-c", content, "-s", style, "-o", loop).returncode == 0
    assert Image.open(loop).size == (64, 48)
    link = tmp_path / "link.png"
    link.symlink_to(content)
    outcome = run_main("apply", "-c", content, "-s", style, "-o", link, "--overwrite")
    refused(outcome, "would be overwritten")


def test_json_of_what_fails_and_of_what_is_there(run_main, content, style, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    outcome = run_main("apply", "-c", tmp_path / "broken.png", "-s", style, "--json")
    assert (outcome.returncode, outcome.stderr.count("\n")) == (2, 1)
    facts = json.loads(outcome.stdout)
    assert facts["content"] == str(tmp_path / "broken.png")
    assert outcome.stderr == f"Error: {facts['error']}\n"
    flags = ("apply", "-c", content, "-s", style, "--size", "48", "-o", "out.png", "--json")
    painted, skipped = (json.loads(run_main(*flags).stdout) for _ in range(2))
    assert painted.pop("seconds") >= 0
    assert skipped == painted | {"skipped": True}
    assert (skipped["width"], skipped["height"]) == (48, 36)


def perform(settings, content, style, output):
    """Paint; return the last event."""
    task = apply.Task(Inputs(str(content), (str(style),)), output)
    return list(apply.Painter(settings).perform([task]))[-1]


def test_what_a_pass_does_not_depend_on_makes_no_other_picture(content, style, tmp_path):
    inputs = content, style, tmp_path / "out.png"
    assert isinstance(perform(Settings(), *inputs), events.Painted)
    same = perform(Settings(style_weight=3.0, steps=5, seed=9), *inputs)
    assert isinstance(same, events.JobSkipped)
    with pytest.raises(apply.files.FileError, match="other settings"):
        perform(Settings(strength="0.5"), *inputs)


def test_memory_that_this_process_has_already_need_not_be_free(
    content, style, tmp_path, monkeypatch
):
    needed = apply.room.estimate_pass([(64, 48), (64, 53)])
    free = (needed - 9e6) / (1 - apply.room.MARGIN)
    monkeypatch.setattr(apply.room.memory, "available", lambda: free)
    for held, is_enough in ((8e6, False), (10e6, True)):
        monkeypatch.setattr(apply.room.memory, "resident", lambda held=held: held)
        if is_enough:
            perform(Settings(), content, style, tmp_path / "out.png")
        else:
            with pytest.raises(apply.SettingsError, match="are free"):
                perform(Settings(), content, style, tmp_path / "out.png")
