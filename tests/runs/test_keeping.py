"""What stays of a finished run, and what is enough to know that it is one."""

import json

import pytest
from conftest import call, paint, refused

from style_transfer.runs import record

FAST = ("--size", "48", "--epochs", "2", "--steps", "3")
FRAMES = {f"frames/epoch_{epoch:04}.png" for epoch in range(3)}
LESS = {".lock", "result.png", "run.json"}
REST = {"losses.csv", "losses.png", "progress.gif", "report.html", "checkpoint.npz"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory, small_weights):
    """A folder with two photos and a painting, and the flags that name them."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "photos").mkdir()
    for number in range(2):
        paint(folder / "photos" / f"photo{number}.png", number)
    paint(folder / "painting.png", 8)
    return folder, ("-s", "painting.png", "--weights", small_weights, *FAST)


@pytest.fixture(scope="module")
def whole(studio):
    """The run of the first photo, with all that belongs to it."""
    folder, flags = studio
    outcome = call(folder, "-c", "photos/photo0.png", *flags, "-o", "whole")
    assert outcome.returncode == 0, outcome.stderr
    return folder / "whole"


def names(folder):
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize(
    ("keep", "more", "stays"),
    [
        ("result", ("--tiff",), LESS | {"result.tif"}),
        ("frames", ("--webp",), LESS | FRAMES | {"progress.webp"}),
        ("all", (), LESS | FRAMES | REST),
    ],
)
def test_what_stays(studio, whole, tmp_path, keep, more, stays):
    folder, flags = studio
    command = ("-c", "photos/photo0.png", *flags, "--keep", keep, *more, "-o", tmp_path / "run")
    assert call(folder, *command).returncode == 0
    assert names(tmp_path / "run") == stays
    assert (tmp_path / "run/result.png").read_bytes() == (whole / "result.png").read_bytes()
    assert record.is_finished(tmp_path / "run")
    assert names(whole) == LESS | FRAMES | REST and "keep" not in record.read_folder(whole)[0]


def test_a_run_that_is_continued_keeps_what_it_was_begun_with(studio, whole, tmp_path):
    """As one that was interrupted before its last epoch: the record says what is to stay."""
    folder, flags = studio
    run = tmp_path / "run"
    command = ("-c", "photos/photo0.png", *flags, "-o", run)
    assert call(folder, *command, "--epochs", "1").returncode == 0
    kept = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(kept | {"keep": "result", "finished": False}))
    outcome = call(folder, "--resume", run, "--epochs", "2")
    assert outcome.returncode == 0, outcome.stderr
    assert names(run) == LESS
    assert (run / "result.png").read_bytes() == (whole / "result.png").read_bytes()
    refused(call(folder, "--resume", run, "--epochs", "3"), "checkpoint is gone", "--overwrite")
    again = ("--from-image", run / "result.png", "-o", tmp_path / "again", *flags[2:4])
    again = call(folder, *again)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/result.png").read_bytes() == (whole / "result.png").read_bytes()


def test_less_to_keep_removes_the_rest_of_what_is_done(studio):
    """And the sheet, made anew, shows the results where there are no snapshots."""
    folder, flags = studio
    command = ("sweep", "-c", "photos", *flags, "-o", "swept")
    assert call(folder, *command).returncode == 0
    before = (folder / "swept/contact_sheet.png").read_bytes()
    outcome = call(folder, *command, "--keep", "result")
    assert outcome.returncode == 0 and outcome.stderr.count("done before") == 2
    sheets = {"contact_sheet.png", "contact_sheet.html"}
    runs = {f"photo{number}/{name}" for number in range(2) for name in LESS}
    assert names(folder / "swept") == runs | sheets
    assert (folder / "swept/contact_sheet.png").read_bytes() == before
    assert (folder / "swept/contact_sheet.html").read_text().count("data:image") >= 2


def test_an_animation_needs_the_snapshots(studio):
    folder, flags = studio
    command = ("-c", "photos/photo0.png", *flags, "--keep", "result", "--webp")
    refused(call(folder, *command), "--webp", "--keep frames")


@pytest.mark.parametrize("value", ["everything", 3])
def test_a_record_with_something_else_to_keep_is_refused(studio, whole, tmp_path, value):
    folder, _ = studio
    kept = json.loads((whole / "run.json").read_text()) | {"keep": value}
    (tmp_path / "run.json").write_text(json.dumps(kept))
    refused(call(folder, "--resume", tmp_path, "--epochs", "3"), "run.json", "start anew")
