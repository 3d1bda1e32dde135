"""Recipes and TOML files: what they hold, who wins, what is refused."""

import json
import os

import pytest
from conftest import paint, refused

from style_transfer.commands import config
from style_transfer.commands import paint as painting
from style_transfer.method.architecture import VGG19
from style_transfer.settings import FIELDS, Settings

KNOWN = {
    flag[2:]: option.name
    for option in painting.command.params
    if option.name in FIELDS
    for flag in option.opts
}

#: The numbers of the sources, see the comments in the files.
NUMBERS = {
    "gatys2016": dict(
        loss="gatys",
        style_weight=1e3 * 1.0,
        content_weight=1.0,
        tv_weight=0.0,
        pooling="avg",
        init="noise",
        optimizer="lbfgs",
        content_layers=("block4_conv2",),
    ),
    "tensorflow-tutorial": dict(
        loss="mean",
        learning_rate=0.02,
        adam_beta1=0.99,
        adam_epsilon=0.1,
        content_weight=1e4,
        style_weight=1e-2,
        tv_weight=30.0,
        tv_loss="sum-absolute",
        content_layers=("block5_conv2",),
        epochs=10,
        steps=100,
    ),
    "d2l": dict(
        loss="mean",
        content_layers=("block4_conv4",),
        content_weight=1.0,
        style_weight=10 * 1e3,
        tv_weight=10 / 2,
        tv_loss="mean-absolute",
        layer_weights="gatys",
        learning_rate=0.3,
        decay=0.8,
        decay_steps=50,
        size=450,
    ),
    "cnam": dict(
        loss="gatys",
        size=224,
        content_layers=("block4_conv2",),
        learning_rate=0.02,
        epochs=50,
        steps=100,
        tv_weight=30.0,
    ),
    "lambda": dict(loss="gatys", style_weight=1.0, tv_weight=0.0),
}


def test_every_recipe_has_its_numbers():
    assert config.list_recipes() == sorted(NUMBERS)
    for name, numbers in NUMBERS.items():
        settings = Settings(**config.read_recipe(name, KNOWN))
        assert {key: getattr(settings, key) for key in numbers} == numbers
        assert settings.style_layers == Settings.style_layers or all(
            layer.endswith("_conv1") for layer in settings.style_layers
        )
        assert (settings.scales, settings.border, settings.patience) == ("1", 0, 0)
    assert 1e-5 <= Settings(**config.read_recipe("lambda", KNOWN)).content_weight <= 1e-2
    assert Settings(**config.read_recipe("d2l", KNOWN)).epochs * 50 == 500


SOURCES = {
    "gatys2016": "CVPR 2016",
    "tensorflow-tutorial": "https://www.tensorflow.org/tutorials/",
    "d2l": "https://d2l.ai/",
    "cnam": "Cnam, Paris",
    "lambda": "arXiv:1508.06576",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_recipe_names_its_source(name):
    lines = (config.RECIPES / f"{name}.toml").read_text().splitlines()
    comment = "".join(line for line in lines if line.startswith("#"))
    assert SOURCES[name] in comment


def settings_of(monkeypatch, *arguments):
    """The settings that reach the run, without the run."""
    from style_transfer.optimization import job

    caught = []
    monkeypatch.setattr(job, "perform", lambda work, **_: caught.append(work.settings) or iter(()))
    painting.command.main([*map(str, arguments)], standalone_mode=False)
    return caught.pop()


def test_flag_before_environment_before_file_before_recipe(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("tv = 7\nsteps = 11\nsize = 99\nblend = [1, 2]\n")
    paint(tmp_path / "a.png", 1)
    monkeypatch.setenv("STYLE_STEPS", "12")
    monkeypatch.setenv("STYLE_SIZE", "98")
    pictures = ("-c", "a.png", "-s", "a.png", "-s", "a.png")
    for files in (
        ("--recipe", "cnam", "--config", "mine.toml"),
        ("--config", "mine.toml", "--recipe", "cnam"),
    ):
        settings = settings_of(monkeypatch, *pictures, *files, "--size", "97")
        assert (settings.epochs, settings.loss) == (50, "gatys")  # the recipe
        assert (settings.tv_weight, settings.blend) == (7.0, (1.0, 2.0))  # the file
        assert settings.steps == 12  # the environment
        assert settings.size == 97  # the flag


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("beta = nan", ("beta", "nan")),
        ("beta = -1", ("beta", "-1")),
        ("content-layer = []", ("content-layer", "at least one")),
        ("style-layer = []", ("style-layer", "at least one")),
        ("beta = true", ("beta", "number")),
        ("beta = 'much'", ("beta", "number")),
        ("steps = 1.5", ("steps", "whole number")),
        ("enlarge = 1", ("enlarge", "true or false")),
        ("contrast = 3", ("contrast", "unknown key", "style-weight")),
        ("beta = 1\nstyle-weight = 2", ("twice",)),
        ("style-layer = ['block9_conv1']", ("block9_conv1",)),
        ("beta = ", ("TOML",)),
        ("\xff", ("unknown", "TOML")[1:]),
    ],
)
def test_a_bad_file_is_refused(run_main, content, style, tmp_path, text, words):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="latin-1")
    refused(run_main("-c", content, "-s", style, "--config", path), "bad.toml", *words)


def test_a_file_can_leave_out_a_loss(monkeypatch, content, style, tmp_path):
    path = tmp_path / "content.toml"
    path.write_text("style-layer = 'none'\n")
    settings = settings_of(monkeypatch, "-c", content, "-s", style, "--config", path)
    assert settings.style_layers == () and settings.layers == ("block4_conv2",)


def test_an_unknown_recipe_is_answered_with_the_list(run_main, content, style):
    refused(run_main("-c", content, "-s", style, "--recipe", "vgg"), "vgg", "d2l", "gatys2016")


def test_a_bad_environment_is_refused(run_main, content, style):
    environment = os.environ | {"STYLE_BETA": "nan"}
    refused(run_main("-c", content, "-s", style, env=environment), "--beta", "nan")


def test_a_recipe_runs(run_main, content, style, small_weights, tmp_path):
    fast = ("--weights", small_weights, "--epochs", "1", "--steps", "2", "--size", "48")
    outcome = run_main("-c", content, "-s", style, "--recipe", "d2l", *fast, "-o", "out")
    assert outcome.returncode == 0, outcome.stderr
    settings = json.loads((tmp_path / "cwd/out/run.json").read_text())["settings"]
    assert (settings["decay"], settings["epochs"]) == (0.8, 1)


def test_a_recipe_paints_with_the_compact_network(run_main, content, style, tmp_path):
    """By values of its own, which one line names; what the user says goes before them."""
    fast = ("--size", "48", "--epochs", "1", "--steps", "1", "--weights", "compact")
    recipe = ("--recipe", "tensorflow-tutorial", "--tv", "3")
    outcome = run_main("-c", content, "-s", style, *recipe, *fast, "-o", "out")
    assert outcome.returncode == 0, outcome.stderr
    note = next(line for line in outcome.stderr.splitlines() if line.startswith("Note: "))
    assert "compact network: --alpha 1, --beta" in note and "block5_conv1" in note
    assert "--tv 3" not in note
    settings = json.loads((tmp_path / "cwd/out/run.json").read_text())["settings"]
    own = config.read_recipe("tensorflow-tutorial", KNOWN, compact=True)
    assert settings["content_layers"] == ["block5_conv1"] and settings["tv_weight"] == 3.0
    assert settings["style_weight"] == own["style_weight"] != 1e-2
    assert settings["adam_epsilon"] == 0.1  # which is the published one


def test_other_weights_have_the_published_values(run_main, content, style, small_weights, tmp_path):
    fast = ("--size", "48", "--epochs", "1", "--steps", "1", "--weights", small_weights)
    outcome = run_main("-c", content, "-s", style, "--recipe", "lambda", *fast, "-o", "out")
    assert outcome.returncode == 0, outcome.stderr
    settings = json.loads((tmp_path / "cwd/out/run.json").read_text())["settings"]
    assert settings["style_weight"] == 1.0 and "compact network" not in outcome.stderr


@pytest.mark.parametrize("name", config.list_recipes())
def test_values_for_the_compact_network_name_layers_that_it_has(name):
    values = config.read_recipe(name, KNOWN) | config.read_recipe(name, KNOWN, compact=True)
    settings = Settings(**values)
    assert set(settings.layers) <= set(VGG19.up_to(["block5_conv1"]))
