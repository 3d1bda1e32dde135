"""Nothing is lost: runs are killed, interrupted and continued."""

import json
import os
import random
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from conftest import (
    MAIN,
    RUN,
    call,
    contents,
    paint,
    refused,
    run_here,
    wait_for_progress,
    wait_until,
)

from style_transfer import files
from style_transfer.commands.interrupts import MESSAGE
from style_transfer.runs import checkpoint
from style_transfer.runs import folder as runs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_five_times_ends_with_the_same_bytes(place, seed, begin):
    folder, inputs = place
    kill_and_resume(begin, folder, inputs, f"killed{seed}", seed, kills=5)
    assert contents(folder / f"killed{seed}") == contents(folder / "whole")


def test_the_real_program_killed_ends_with_the_same_bytes(place, begin):
    folder, inputs = place
    assert run_here(folder, *inputs, *RUN, "-o", "real").returncode == 0
    kill_and_resume(begin, folder, inputs, "real-killed", 0, kills=1, program=MAIN)
    assert contents(folder / "real-killed") == contents(folder / "real")


def kill_and_resume(begin, folder, inputs, name, seed, *, kills, **keywords):
    """Kill a run so many times: in the middle of a save, and at times of chance."""
    run, chance = folder / name, random.Random(seed)
    process = begin(folder, *inputs, *RUN, "-o", name, **keywords)
    for kill in range(kills):
        wait_for_progress(process, run)
        if kill % 2:
            wait_until(process, lambda: list(run.glob(".checkpoint*.tmp")))
        else:
            time.sleep(chance.uniform(0, 0.15))
        process.kill()
        process.communicate()
        process = begin(folder, "--resume", name, **keywords)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output == f"{name}/result.png\n"
    assert not [*run.glob(".*.tmp"), *run.glob("frames/.*.tmp")]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_a_signal_saves_and_says_how_to_go_on(place, number, status, begin):
    folder, inputs = place
    run = folder / f"signal{status}"
    process = begin(folder, *inputs, *RUN, "-o", run.name)
    wait_for_progress(process, run)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (status, f"{run.name}/result.png\n"), errors
    assert errors.endswith(f"  python main.py --resume {run.name}\n")
    assert (run / "progress.gif").stat().st_size and (run / "losses.png").stat().st_size
    if number == signal.SIGINT:
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        outcome = call(elsewhere, "--resume", run)
        assert outcome.returncode == 0, outcome.stderr
        assert "continuing after step" in outcome.stderr
        assert contents(run) == contents(folder / "whole")


def test_a_second_signal_stops_at_once_and_harms_nothing(place, begin):
    """In the middle of a step, which takes a second here."""
    folder, inputs = place
    run = folder / "twice"
    process = begin(folder, *inputs, "--size", "448", "--enlarge", "-o", run.name)
    wait_for_progress(process, run)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    while MESSAGE.strip() not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    arrays, _ = checkpoint.read(run / "checkpoint.npz")
    assert len(arrays["history.totals"]) >= 1
    assert not (run / "result.png").exists()


def test_a_finished_run_has_nothing_to_do_but_may_go_on(place):
    folder, _ = place
    run = shutil.copytree(folder / "whole", folder / "more")
    assert call(folder, "--resume", "more").returncode == 0
    assert contents(run) == contents(folder / "whole")
    outcome = call(folder, "--resume", "more", "--epochs", "10")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads((run / "run.json").read_text())["steps_done"] == 250
    for epoch in range(9):
        name = f"frames/epoch_{epoch:04}.png"
        assert (run / name).read_bytes() == (folder / "whole" / name).read_bytes()
    assert (run / "frames/epoch_0010.png").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--beta", "300"), ("--beta", "30")),
        (("--epochs", "7"), ("--epochs", "8 (or more)")),
        (("--size", "64"), ("--size", "48")),
        (("-c", "photo.png"), ("--content",)),
        (("--overwrite",), ("--overwrite",)),
        (("-o", "there"), ("--output",)),
    ],
)
def test_a_flag_that_would_change_the_result_is_refused(place, flags, words):
    folder, _ = place
    refused(call(folder, "--resume", "whole", *flags), "--resume", *words)


def spoil(path, change):
    """Write a checkpoint again with another header."""
    arrays, header = checkpoint.read(path)
    change(header)
    checkpoint.write(path, arrays, header)


def future(path):
    arrays, header = checkpoint.read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SCHEMA", 99)
        checkpoint.write(path, arrays, header)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (lambda run: (run / "checkpoint.npz").write_bytes(b"PK no zip"), "damaged"),
        (lambda run: os.truncate(run / "checkpoint.npz", 5000), "damaged"),
        (lambda run: flip(run / "checkpoint.npz"), "damaged"),
        (lambda run: np.savez(run / "checkpoint.npz", a=np.ones(3)), "damaged"),
        (lambda run: np.savez_compressed(run / "checkpoint.npz", a=np.ones(3)), "compressed"),
        (lambda run: np.savez(run / "checkpoint.npz", a=np.array([{}])), "damaged"),
        (lambda run: future(run / "checkpoint.npz"), "schema 99"),
        (
            lambda run: spoil(
                run / "checkpoint.npz", lambda header: header.update(fingerprint="another")
            ),
            "another run",
        ),
        (lambda run: (run / "run.json").write_text("{}"), "run.json"),
        (lambda run: (run / "run.json").unlink(), "holds no run"),
    ],
    ids=[
        *("foreign", "truncated", "flipped bit", "other arrays", "compressed", "pickle"),
        *("future schema", "of another run", "empty record", "no record"),
    ],
)
def test_a_checkpoint_that_cannot_be_believed_is_refused(place, tmp_path, harm, word):
    folder, _ = place
    run = shutil.copytree(folder / "whole", tmp_path / "run")
    harm(run)
    before = sorted(run.rglob("*"))
    refused(call(folder, "--resume", run), str(run), word)
    assert sorted(run.rglob("*")) == before


def test_after_a_damaged_checkpoint_the_one_before_is_taken(place, begin):
    folder, inputs = place
    run = folder / "fallback"
    process = begin(folder, *inputs, *RUN, "-o", run.name)
    wait_until(process, lambda: (run / "frames/epoch_0003.png").exists())
    process.kill()
    process.communicate()
    os.truncate(run / "checkpoint.npz", 5000)
    outcome = call(folder, "--resume", run.name)
    assert outcome.returncode == 0, outcome.stderr
    assert "checkpoint.npz is damaged" in outcome.stderr
    assert "continuing from the one before" in outcome.stderr
    assert contents(run) == contents(folder / "whole")


@pytest.mark.parametrize("name", ["photo.png", "painting.png"])
def test_a_changed_input_is_refused(place, tmp_path, name):
    folder, inputs = place
    shutil.copytree(folder / "whole", tmp_path / "whole")
    for each in ("photo.png", "painting.png"):
        shutil.copy(folder / each, tmp_path)
    record = json.loads((tmp_path / "whole/run.json").read_text())
    record["working_folder"] = str(tmp_path)
    (tmp_path / "whole/run.json").write_text(json.dumps(record))
    paint(tmp_path / name, 7)
    refused(call(tmp_path, "--resume", "whole"), name, "has changed")


def test_two_runs_in_one_folder(place, begin):
    folder, inputs = place
    process = begin(folder, *inputs, *RUN, "-o", "shared", "--epochs", "5000")
    wait_for_progress(process, folder / "shared")
    for flags in ((*inputs, "-o", "shared", "--overwrite"), ("--resume", "shared")):
        refused(call(folder, *flags), "shared", f"process {process.pid}")
    process.kill()
    process.communicate()
    assert (folder / "shared/.lock").read_text().split()[-1] == str(process.pid)  # harmless
    assert call(folder, *inputs, *RUN, "-o", "shared", "--overwrite").returncode == 0


def test_a_failed_write_is_raised_at_the_next(tmp_path):
    writer = runs.Writer()
    written = []
    writer.submit(written.append, 1)
    writer.submit(files.write, tmp_path / "no" / "folder", b"x")
    with pytest.raises(FileNotFoundError):
        writer.finish()
    writer.close()
    assert written == [1]


def test_an_extension_that_was_killed_is_recorded_as_one(place, begin):
    """Else a plain --resume would paint 500 epochs, and record eight."""
    folder, _ = place
    run = shutil.copytree(folder / "whole", folder / "extended")
    process = begin(folder, "--resume", run.name, "--epochs", "500")
    wait_for_progress(process, run)
    process.kill()
    process.communicate()
    record = json.loads((run / "run.json").read_text())
    assert (record["settings"]["epochs"], record["finished"]) == (500, False)


def test_a_finished_run_without_its_checkpoint_is_not_painted_again(place):
    folder, _ = place
    run = shutil.copytree(folder / "whole", folder / "bare")
    (run / "checkpoint.npz").unlink()
    before = contents(run)
    refused(call(folder, "--resume", "bare"), "bare", "checkpoint is gone", "--from-image")
    assert contents(run) == before


def test_the_time_of_all_sessions_is_added_up(place, begin):
    folder, inputs = place
    run = folder / "sessions"
    process = begin(folder, *inputs, *RUN, "-o", run.name)
    wait_until(process, lambda: (run / "frames/epoch_0005.png").exists())
    process.kill()
    process.communicate()
    header = checkpoint.read(run / "checkpoint.npz")[1]
    assert call(folder, "--resume", run.name).returncode == 0
    assert json.loads((run / "run.json").read_text())["total_seconds"] > header["seconds"] > 0


def test_what_computes_otherwise_is_said_in_one_line(place, tmp_path):
    folder, _ = place
    shutil.copytree(folder / "whole", tmp_path / "old")
    record = json.loads((tmp_path / "old/run.json").read_text())
    record["versions"]["tensorflow"] = "2.0.0"
    record["precision"] = "bfloat16"
    (tmp_path / "old/run.json").write_text(json.dumps(record))
    outcome = call(folder, "--resume", tmp_path / "old")
    assert outcome.returncode == 0, outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if "may differ" in line]
    assert len(lines) == 1
    assert "tensorflow 2.0.0 (here 2." in lines[0] and "bfloat16 (here float32)" in lines[0]
    assert "keras" not in lines[0]
