"""The program as its users meet it: as a process."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, paint, refused
from PIL import Image

from style_transfer.settings import FIELDS

FAST = ("--size", "48", "--epochs", "2", "--steps", "3")


@pytest.fixture(scope="module")
def module_pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return paint(folder / "photo.png", 1), paint(folder / "painting.png", 2, (72, 60))


@pytest.fixture(scope="module")
def finished(module_pictures, small_weights, tmp_path_factory):
    """Two runs with the same settings: the processes and their folders."""
    photo, painting = module_pictures
    home = tmp_path_factory.mktemp("runs")
    outcomes = []
    for name in ("first", "second"):
        command = [sys.executable, ROOT / "main.py", "--content", photo, "--style", painting]
        command += ["--weights", small_weights, "--output", name, *FAST]
        outcome = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=120)
        outcomes.append((outcome, home / name))
    return outcomes


def test_standard_output_is_the_path_of_the_result(finished):
    outcome, folder = finished[0]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "first/result.png\n"
    assert Image.open(folder / "result.png").size == (48, 36)


def test_standard_error_is_ours_alone(finished):
    lines = finished[0][0].stderr.splitlines()
    assert lines[0] == "Loading TensorFlow …"
    for word in ("small.weights.h5", "48×36 px", "float32", "L-BFGS"):
        assert word in lines[1]
    assert lines[2].startswith("2 epochs of 3 steps at 48 px: about 0:0")
    assert lines[3].startswith("epoch 1/2 ")
    assert lines[4].startswith("epoch 2/2 0:00 left content ")
    assert len(lines) == 5


def test_the_folder_holds_everything(finished):
    folder = finished[0][1]
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    frames = {f"frames/epoch_{epoch:04}.png" for epoch in range(3)}
    files = {"result.png", "progress.gif", "losses.csv", "losses.png", "run.json"}
    files |= {"checkpoint.npz", ".lock", "report.html"}
    assert names == frames | files
    assert len(list(csv.DictReader((folder / "losses.csv").open()))) == 7
    assert json.loads((folder / "run.json").read_text())["settings"]["epochs"] == 2


def test_the_first_frame_is_the_photo_and_the_last_the_result(finished, module_pictures):
    folder = finished[0][1]
    first, last, result = (
        np.asarray(Image.open(folder / name), float)
        for name in ("frames/epoch_0000.png", "frames/epoch_0002.png", "result.png")
    )
    photo = Image.open(module_pictures[0]).resize((48, 36), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(first, np.asarray(photo))
    np.testing.assert_array_equal(last, result)
    assert np.abs(first - last).mean() > 1


def test_the_same_settings_give_the_same_bytes(finished):
    names = [str(path.relative_to(finished[0][1])) for path in finished[0][1].rglob("*.*")]
    for name in set(names) - {"run.json", "report.html", ".lock"}:
        first, second = (folder.joinpath(name).read_bytes() for _, folder in finished)
        assert first == second, name


def test_help_is_fast_and_starts_with_two_examples(run_main):
    begin = time.monotonic()
    outcome = run_main("-h")
    assert outcome.returncode == 0
    assert time.monotonic() - begin < 5  # TensorFlow alone takes longer on a busy machine
    assert outcome.stdout.index("Examples:") < outcome.stdout.index("Common options:")
    assert outcome.stdout.count("python main.py --content") == 2
    assert run_main().stdout + run_main().stderr == outcome.stdout


def test_help_does_not_import_tensorflow():
    program = "import main, sys; sys.exit(any(m in sys.modules for m in ('tensorflow', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_every_setting_has_an_option_with_help_and_default(run_main):
    from main import command

    options = {each.name: each for each in command.params}
    assert set(FIELDS) <= set(options)
    for option in options.values():
        assert option.help, option.name
    for name, field in FIELDS.items():
        assert options[name].default == field.default
    text = " ".join(run_main("--help").stdout.split())
    for option in options.values():
        for flag in option.opts:
            assert flag in text


def test_every_option_stands_in_the_guide():
    from main import command

    guide = (ROOT / "READ.txt").read_text()
    for option in command.params:
        for flag in option.opts:
            assert flag in guide, f"{flag} is not in READ.txt"


def test_version(run_main):
    from style_transfer.settings import VERSION

    assert run_main("--version").stdout == f"style-transfer {VERSION}\n"


def test_the_summary_ends_at_the_deepest_layer(run_main):
    outcome = run_main("--summary", "--style-layer", "block3_conv1")
    assert outcome.returncode == 0
    assert "block4_conv2" in outcome.stdout
    assert "block4_conv3" not in outcome.stdout
    assert outcome.stderr == ""


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--alpha", "nan"),
        ("--beta", "inf"),
        ("--tv", "-1"),
        ("--tv", "1e309"),
        ("--epochs", "0"),
        ("--steps", "2.5"),
        ("--size", "8"),
        ("--learning-rate", "0"),
        ("--style-scale", "nan"),
        ("--pooling", "median"),
        ("--loss", "l1"),
        ("--content-layer", "conv4_2"),
        ("--style-layer", "block1_conv1:heavy"),
        ("--seed", "-3"),
        ("--scales", "512,256"),
        ("--scales", "small"),
        ("--optimizer", "sgd"),
        ("--time-budget", "soon"),
        ("--time-budget", "nan"),
        ("--no-such-option", "1"),
    ],
)
def test_bad_values_are_refused_by_name(run_main, content, style, tmp_path, flag, value):
    refused(run_main("--content", content, "--style", style, flag, value), flag)
    assert not list((tmp_path / "cwd").iterdir())


@pytest.mark.parametrize("role", ["--content", "--style", "--init"])
def test_bad_pictures_are_refused_by_name(run_main, content, style, tmp_path, role):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(content.read_bytes()[:300])
    (tmp_path / "empty").mkdir()
    for path in (broken, tmp_path / "missing.jpg", tmp_path / "empty"):
        paths = {"--content": content, "--style": style, role: path}
        refused(run_main(*(each for pair in paths.items() for each in pair)), str(path))
    assert not list((tmp_path / "cwd").iterdir())


def test_a_missing_option_is_named(run_main, content):
    refused(run_main("--content", content), "--style")


def test_a_picture_too_narrow_for_the_network_is_refused(run_main, style, tmp_path):
    narrow = paint(tmp_path / "narrow.png", 0, (400, 20))
    refused(run_main("--content", narrow, "--style", style), "narrow.png", "32 px")


def test_bad_weights_are_refused_by_name(run_main, content, style, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_text("no weights")
    outcome = run_main("--content", content, "--style", style, "--weights", path, "--quiet")
    refused(outcome, "weights.h5")


def test_a_run_is_not_overwritten_unless_asked(run_main, content, style, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "result.png").write_text("precious")
    refused(run_main("-c", content, "-s", style, "-o", taken), "taken", "--overwrite")
    assert (taken / "result.png").read_text() == "precious"


def test_quiet_leaves_the_path_alone(run_main, content, style, small_weights):
    outcome = run_main("-c", content, "-s", style, "--weights", small_weights, "-q", *FAST)
    assert (outcome.stderr, outcome.stdout) == ("", "data/output/photo-painting/result.png\n")


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(
    run_main, content, style, small_weights, tmp_path
):
    outcome = run_main("-c", content, "-s", style, "--weights", small_weights, "--dry-run", *FAST)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert "2 epochs of 3 steps" in outcome.stderr and " GB" in outcome.stderr
    assert not list((tmp_path / "cwd").iterdir())


def test_a_time_budget_is_kept(run_main, content, style, small_weights, tmp_path):
    begin = time.monotonic()
    outcome = run_main(
        *("-c", content, "-s", style, "--weights", small_weights, "-o", "out"),
        *(
            "--time-budget",
            "30s",
            "--epochs",
            "3",
            "--steps",
            "501",
            "--size",
            "64",
            "--patience",
            "0",
        ),
    )
    assert outcome.returncode == 0, outcome.stderr
    assert time.monotonic() - begin < 60  # generous: the machine may be busy
    record = json.loads((tmp_path / "cwd/out/run.json").read_text())
    assert record["settings"]["steps"] <= 500
    assert record["steps_done"] > 0


def test_options_reach_the_method(run_main, content, style, small_weights, tmp_path):
    """Each changes the picture, and the record says so."""
    outcome = run_main(
        *("-c", content, "-s", style, "--weights", small_weights, "-o", "out", *FAST),
        *("--init", "noise", "--pooling", "avg", "--loss", "gatys", "--enlarge", "--size", "96"),
        *("--style-layer", "block1_conv2:2", "--style-layer", "block2_conv1"),
        *("--content-layer", "block3_conv3", "--content-weight", "5", "--style-scale", "0.5"),
    )
    assert outcome.returncode == 0, outcome.stderr
    settings = json.loads((tmp_path / "cwd/out/run.json").read_text())["settings"]
    assert settings["style_layers"] == ["block1_conv2:2", "block2_conv1"]
    assert settings["content_weight"] == 5
    assert Image.open(tmp_path / "cwd/out/result.png").size == (96, 72)


def test_a_learning_rate_out_of_this_world_ends_in_one_line_or_a_picture(
    run_main, content, style, small_weights, tmp_path
):
    outcome = run_main(
        *("-c", content, "-s", style, "--weights", small_weights, "-o", "out", *FAST),
        *("--optimizer", "adam", "--learning-rate", "1e30", "--quiet"),
    )
    if outcome.returncode:
        assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
        assert "--learning-rate" in outcome.stderr
    else:
        assert np.asarray(Image.open(tmp_path / "cwd/out/result.png")).std() > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a process")
def test_ctrl_c_saves_what_there_is(content, style, small_weights, tmp_path):
    command = [sys.executable, ROOT / "main.py", "-c", content, "-s", style, "-o", "out"]
    command += ["--weights", small_weights, "--epochs", "9999", "--steps", "5", "--size", "48"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "out/frames/epoch_0003.png")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == "out/result.png\n"
    assert json.loads((tmp_path / "out/run.json").read_text())["steps_done"] >= 15
    assert Image.open(tmp_path / "out/progress.gif").n_frames >= 4


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not Path(path).exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)
