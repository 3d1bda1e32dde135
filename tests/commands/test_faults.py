"""Faults of the machine: disks, folders, streams, clocks, memory, numbers."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import (
    ROOT,
    RUN,
    SMALL_VGG19,
    STAND_IN,
    call,
    contents,
    refused,
    run_here,
    wait_for_progress,
)

from style_transfer.networks import weights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells and limits of POSIX")


@pytest.mark.parametrize("kilobytes", [3, 100])
def test_a_limit_to_the_size_of_files(place, kilobytes):
    """Reached by the first snapshot, and by the checkpoint."""
    folder, inputs = place
    run = f"limit{kilobytes}"
    command = " ".join([*STAND_IN, *map(str, inputs), *RUN, "-q", "-o", run])
    limited = f"ulimit -f {kilobytes}; exec {command}"  # in units of 1024 bytes
    outcome = subprocess.run(
        ["bash", "-c", limited], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert outcome.returncode == 1, outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert "too large" in outcome.stderr and "bytes needed" in outcome.stderr
    assert not list((folder / run).rglob("*.tmp"))
    for frame in (folder / run).glob("frames/*.png"):
        assert frame.read_bytes() == (folder / "whole/frames" / frame.name).read_bytes()
    outcome = call(folder, "--resume", run)
    assert outcome.returncode == 0, outcome.stderr
    assert contents(folder / run) == contents(folder / "whole")


def test_a_folder_deleted_in_mid_run_is_not_made_again(place, begin):
    folder, inputs = place
    process = begin(folder, *inputs, *RUN, "-q", "-o", "gone", "--epochs", "5000")
    wait_for_progress(process, folder / "gone")
    shutil.rmtree(folder / "gone", ignore_errors=True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1 and "gone/" in errors
    assert not (folder / "gone").exists()


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_a_read_only_folder_is_refused(place, flags):
    folder, inputs = place
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    locked = folder / "locked"
    locked.mkdir(exist_ok=True)
    locked.chmod(0o500)
    refused(call(folder, *inputs, "-o", "locked", *flags), "locked", "cannot be written to")


@pytest.mark.parametrize("redirection", ["2>&1 | head -1", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_the_run(place, redirection):
    folder, inputs = place
    run = folder / f"stream{len(redirection)}"
    command = " ".join([*STAND_IN, *map(str, inputs), *RUN, "-o", run.name, redirection])
    outcome = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, timeout=120)
    assert outcome.returncode == 0
    assert contents(run) == contents(folder / "whole")


def test_too_little_memory_is_said_before_it_is_taken(place):
    folder, inputs = place
    huge = ("--size", "8192", "--enlarge", "--weights", "random", "--memory", "2GB")
    outcome = call(folder, *inputs, *huge, timeout=30)
    refused(outcome, "--size", "GB of memory", "2.0 GB are given")


def test_a_broken_clock_disturbs_nothing(place):
    """`faketime` is no part of the tests: a module that is imported first turns the clock."""
    folder, inputs = place
    broken = folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import itertools, time\n"
        "hours = itertools.cycle((5e8, -5e8, 0.0))\n"
        "time.time = lambda: 1.7e9 + next(hours)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(broken)}
    outcome = call(folder, *inputs, *RUN, "-o", "clock", env=environment)
    assert outcome.returncode == 0, outcome.stderr
    assert " -" not in outcome.stderr
    assert json.loads((folder / "clock/run.json").read_text())["total_seconds"] > 0
    assert contents(folder / "clock") == contents(folder / "whole")


def test_weights_out_of_this_world_end_in_one_line(place, tmp_path):
    folder, inputs = place
    layers = {
        name: (kernel * 1e30, bias)
        for name, (kernel, bias) in weights.draw(0, SMALL_VGG19).layers.items()
    }
    weights.write(tmp_path / "huge.weights.h5", layers)
    flags = ("-c", "photo.png", "-s", "painting.png", "--weights", tmp_path / "huge.weights.h5")
    outcome = run_here(folder, *flags, *RUN, "-q", "-o", tmp_path / "out")
    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "diverged at epoch 1, step 0" in outcome.stderr
    assert not list(tmp_path.rglob("*.npz"))


def test_a_full_disk_at_the_curves_and_the_animation(place):
    """The rest of the run is there: a limit that only these two are above."""
    folder, _ = place
    frames = sorted((folder / "whole/frames").glob("*.png"))
    code = (
        "import resource, sys\n"
        "from style_transfer.reports import animation, curves\n"
        "from style_transfer.runs import losses\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "table = losses.read('whole/losses.csv')\n"
        "for draw in (lambda: curves.save_png(table, 'curves.png'),\n"
        "             lambda: animation.save_gif(sys.argv[1:], 'film.gif')):\n"
        "    try:\n"
        "        draw()\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    command = [sys.executable, "-c", code, *map(str, frames)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    text = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    lines = text.stdout.splitlines()
    assert len(lines) == 2, text.stderr
    for line, name in zip(lines, ("curves.png", "film.gif")):
        assert "File too large" in line and "bytes needed" in line and name in line
        assert not list(folder.glob(f"*{name}*"))
