"""The program as its users meet it."""

import csv
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, SMALL_VGG19, call_real, paint, refused, run_here
from PIL import Image

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.networks import weights
from style_transfer.optimization import job
from style_transfer.optimization.device import choose_precision
from style_transfer.settings import FIELDS, Settings

EXPLORING = ("features", "reconstruct", "dream", "channels", "model")
COMMANDS = ("paint", "apply", "video", "web", "train", "sweep", "report", *EXPLORING)
FAST = ("--size", "48", "--epochs", "2", "--steps", "3")


@pytest.fixture(scope="module")
def module_pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return paint(folder / "photo.png", 1), paint(folder / "painting.png", 2, (72, 60))


@pytest.fixture(scope="module")
def finished(module_pictures, small_weights, tmp_path_factory):
    """Two processes with the same settings, and their folders; the first is a fresh one."""
    photo, painting = module_pictures
    home = tmp_path_factory.mktemp("runs")
    outcomes = []
    inputs = ("--content", photo, "--style", painting, "--weights", small_weights)
    for name in ("first", "second"):
        command = (*inputs, *FAST, "--output", name)
        outcomes.append((call_real(home, *command, fresh=name == "first"), home / name))
    return outcomes


def test_standard_output_is_the_path_of_the_result(finished):
    outcome, folder = finished[0]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "first/result.png\n"
    assert Image.open(folder / "result.png").size == (48, 36)


def test_standard_error_is_ours_alone(finished):
    lines = finished[0][0].stderr.splitlines()
    assert lines[0] == "Loading TensorFlow …"
    precision = choose_precision(Settings())  # as fits the processor
    for word in ("small.weights.h5", "48×36 px", precision, "L-BFGS"):
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


def test_the_first_frame_is_what_one_pass_makes_and_the_last_the_result(finished, module_pictures):
    folder = finished[0][1]
    first, last, result = (
        np.asarray(Image.open(folder / name), float)
        for name in ("frames/epoch_0000.png", "frames/epoch_0002.png", "result.png")
    )
    pair = ("-c", module_pictures[0], "-s", module_pictures[1], "--size", "48")
    outcome = run_here(folder.parent, "apply", *pair, "-o", folder.parent / "instant.png")
    assert outcome.returncode == 0, outcome.stderr
    instant = np.asarray(Image.open(folder.parent / "instant.png"), float)
    np.testing.assert_array_equal(first, instant)
    np.testing.assert_array_equal(last, result)
    assert np.abs(first - last).mean() > 1


def test_the_same_settings_give_the_same_bytes(finished):
    names = [str(path.relative_to(finished[0][1])) for path in finished[0][1].rglob("*.*")]
    timed = {"run.json", "report.html", "checkpoint.npz", ".lock"}  # hold seconds, or a process
    for name in set(names) - timed:
        first, second = (folder.joinpath(name).read_bytes() for _, folder in finished)
        assert first == second, name


def test_help_starts_with_two_examples_and_ends_with_all_commands(run_main):
    outcome = run_main("-h")
    assert outcome.returncode == 0
    assert outcome.stdout.startswith("Usage: python main.py [OPTIONS]\n")
    assert outcome.stdout.index("Examples:") < outcome.stdout.index("Common options:")
    assert outcome.stdout.count("python main.py --content") == 2
    commands = outcome.stdout.partition("\nCommands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == sorted(COMMANDS)
    assert run_main() == run_main("--help") == outcome


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(run_main, name):
    outcome = run_main(name, "--help")
    assert outcome.returncode == 0
    assert "Example" in outcome.stdout and "python main.py" in outcome.stdout


def test_the_default_command_has_a_name(run_main, style):
    refused(run_main("paint", "--style", style), "--content is missing")
    refused(run_main("swep", "--style", style), "swep")


def test_help_does_not_import_tensorflow():
    program = "import main, sys; sys.exit(any(m in sys.modules for m in ('tensorflow', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_what_reads_the_inputs_does_not_import_tensorflow():
    """A bad file is refused at once; and what the library says as it loads is to be swallowed."""
    rooms = ("optimization.job", "feedforward.apply", "feedforward.train", "video.job")
    modules = ", ".join(f"style_transfer.{each}" for each in rooms)
    program = f"import sys, {modules}; sys.exit(bool({{'tensorflow', 'keras'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_every_setting_has_an_option_with_help_and_default(run_main):
    from style_transfer.commands.paint import command

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


def test_every_option_of_every_command_stands_in_the_guide():
    from main import commands

    guide = (ROOT / "READ.txt").read_text()
    for name, command in commands.commands.items():
        assert name == "paint" or f"python main.py {name}" in guide
        for option in command.params:
            for flag in option.opts:
                assert flag in guide or not flag.startswith("-"), f"{flag} is not in READ.txt"


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
    flags = ("--time-budget", "8s", "--epochs", "3", "--steps", "501", "--patience", "0")
    outcome = run_main(
        *("-c", content, "-s", style, "--weights", small_weights, "-o", "out"),
        *(*flags, "--size", "64"),
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


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_both_networks_paint(run_main, content, style, network, tmp_path):
    """With random weights of full width: there is no compact VGG16."""
    flags = ("--network", network, "--weights", "random", "--epochs", "1", "--steps", "1")
    outcome = run_main("-c", content, "-s", style, *flags, "--size", "48", "-o", "out")
    assert outcome.returncode == 0, outcome.stderr
    assert f"{network.upper()} (random" in outcome.stderr
    assert (tmp_path / "cwd/out/result.png").exists()


def test_what_vgg16_lacks_is_said_in_one_line(run_main, content, style):
    pictures = ("-c", content, "-s", style, "--network", "vgg16")
    refused(run_main(*pictures, "-q"), "--weights", "no compact VGG16", "imagenet")
    refused(run_main(*pictures, "--content-layer", "block3_conv4"), "VGG16", "block3_conv4")


def test_weights_that_end_too_early_are_refused(run_main, content, style, tmp_path):
    layers = dict(list(weights.draw(0, SMALL_VGG19).layers.items())[:3])
    weights.write(tmp_path / "short.weights.h5", layers)
    flags = ("--weights", tmp_path / "short.weights.h5", "-q")
    refused(run_main("-c", content, "-s", style, *flags), "--weights", "no layer", "choose other")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (files.FileError("x.png", "is odd", "mend it"), 2, "x.png: is odd; mend it"),
        (SettingsError("--size: too large"), 2, "--size: too large"),
        (ComputationError("the memory ran out; --size 90 takes half"), 1, "--size 90"),
        (ArithmeticError("diverged at epoch 1"), 1, "diverged"),
        (OSError(28, "No space left on device", "out.png"), 1, "out.png"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_goes_wrong_ends_in_one_line(
    run_main, content, style, monkeypatch, error, status, words
):
    def fail(*_, **__):
        yield from ()
        raise error

    monkeypatch.setattr(job, "perform", fail)
    outcome = run_main("-c", content, "-s", style, "-q")
    lines = outcome.stderr.strip().splitlines()  # click itself ends the line that has the ^C
    assert (outcome.returncode, len(lines)) == (status, 1)
    assert lines[0].startswith("Error: ") and words in lines[0]
