"""The table of reconstructions: what its runs are, where they end, how they go on."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_VGG19, paint, refused

import functions
from style_transfer.exploration import study as studies
from style_transfer.exploration.choices import Choices
from style_transfer.networks import weights
from style_transfer.optimization import engine
from style_transfer.optimization.events import Drawn, Saved
from style_transfer.pictures import images
from style_transfer.settings import Settings

LAYERS = ("block1_conv1", "block2_conv1")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A photo and a painting."""
    folder = tmp_path_factory.mktemp("pictures")
    return paint(folder / "photo.png", 1), paint(folder / "painting.png", 2, (72, 60))


def plan(pictures, weights_file, folder):
    """Return a study of two layers of each of two pictures."""
    settings = Settings(
        size=48,
        epochs=2,
        steps=4,
        scales="1",
        tv_weight=0.0,
        border=0,
        precision="float32",
        optimizer="adam",  # compiled in a tenth of the time that L-BFGS takes
        weights=str(weights_file),
        content_layers=LAYERS,
        style_layers=(f"{LAYERS[0]}:3", LAYERS[1]),
    )
    inputs = dict(zip(("content", "style"), map(str, pictures)))
    return studies.Study("reconstruct", inputs, settings, Choices(), folder)


@pytest.fixture
def study(pictures, small_weights, tmp_path):
    return plan(pictures, small_weights, tmp_path / "table")


@pytest.fixture(scope="module")
def performed(pictures, small_weights, tmp_path_factory):
    """The same study, done to its end, and its last event."""
    study = plan(pictures, small_weights, tmp_path_factory.mktemp("study") / "table")
    return study, list(studies.perform(study))[-1]


def features_of(path, layer, size):
    model = functions.build_model([layer], SMALL_VGG19)
    weights.draw(0, SMALL_VGG19).assign(model)
    return np.asarray(model(images.to_tensor(images.load(path), size))[layer])[0]


def test_each_run_has_one_term_and_no_network_above_it(study):
    prepared = finish(studies.prepare(study, None))
    explorer = finish(studies.build(study, prepared))
    found = {entry.label: entry.job.settings for entry in explorer.entries}
    assert list(found) == [f"{role}, {layer}" for role in ("content", "style") for layer in LAYERS]
    assert found["style, block2_conv1"].style_layer_weights == {LAYERS[0]: 3.0, LAYERS[1]: 1.0}
    assert found["style, block2_conv1"].content_layers == ()
    assert found["content, block2_conv1"].style_layers == ()
    settings = found["content, block1_conv1"]
    model = engine.build_network(prepared.network, settings, "float32")
    assert [layer.name for layer in model.layers if layer.weights] == ["block1_conv1"]


def finish(generator):
    """Run a generator of events to its end; return what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def test_the_errors_are_those_of_numpy(performed, pictures):
    (study, saved), (content, style) = performed, pictures
    assert isinstance(saved, Saved) and saved.finished and saved.result.exists()
    for layer in LAYERS:
        run = study.folder / f"content_{layer}"
        wanted = features_of(content, layer, (48, 36))
        there = features_of(run / "result.png", layer, (48, 36))
        error = ((there - wanted) ** 2).mean() / (wanted**2).mean()
        losses = json.loads((run / "run.json").read_text())["final_losses"]
        # The PNG is rounded to 8 bits.
        assert losses["content"] == pytest.approx(error, rel=0.1, abs=1e-4)
        assert losses["style"] == 0.0
    run, layer = study.folder / f"style_{LAYERS[0]}", LAYERS[0]
    grams = []
    for path in (style, run / "result.png"):
        flat = features_of(path, layer, (48, 40)).reshape(-1, 4)
        grams.append(flat.T @ flat / len(flat))
    error = ((grams[1] - grams[0]) ** 2).mean() / (grams[0] ** 2).mean()
    losses = json.loads((run / "run.json").read_text())["final_losses"]
    assert losses["style"] == pytest.approx(error, rel=0.1, abs=1e-4)
    assert losses["content"] == 0.0


def stop_after(count, study):
    """Perform a study until so many pictures are drawn; return its last event."""
    drawn = []
    events = studies.perform(study, should_stop=lambda: len(drawn) >= count)
    for event in events:
        drawn += [event] if isinstance(event, Drawn) else []
    assert event.steps_done == count
    return event


def test_it_goes_on_where_it_was_stopped(performed, study, run_main):
    """A table of one layer, which must be as that of two has it."""
    there, other = performed[0].folder, study.folder
    few = {"content_layers": LAYERS[:1], "style_layers": study.settings.style_layers[:1]}
    study = dataclasses.replace(study, settings=dataclasses.replace(study.settings, **few))
    assert not stop_after(1, study).finished
    stopped = (other / "content_block1_conv1" / "result.png").stat().st_mtime_ns
    outcome = run_main("reconstruct", "--resume", other)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.endswith("sheet.png\n") and "done before" in outcome.stderr
    for run in ("content_block1_conv1", "style_block1_conv1"):
        whole, halted = (folder / run / "result.png" for folder in (there, other))
        assert whole.read_bytes() == halted.read_bytes()
    assert (other / "content_block1_conv1" / "result.png").stat().st_mtime_ns == stopped
    assert json.loads((other / "run.json").read_text())["finished"] is True


def test_a_dry_run_estimates_every_run(run_main, content, small_weights, tmp_path):
    flags = ("--weights", small_weights, "--size", "48", "--content-layer", "block1_conv1")
    flags += ("--optimizer", "adam")
    outcome = run_main("reconstruct", "-c", content, *flags, "--dry-run")
    assert outcome.returncode == 0, outcome.stderr
    assert "1 run of 300 steps" in outcome.stderr and "10 epochs of 30 steps" in outcome.stderr
    assert list(Path(tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--content and --style are missing",)),
        (("-c", "photo", "--content-layer", "none"), ("--content-layer", "name a layer")),
        (("-c", "photo", "--content-layer", "none", "--style-layer", "none"), ("both none",)),
        (("-s", "photo", "--style-layer", "block5_conv3:2", "--weights", "compact"), ("deepest",)),
        (("--resume", "."), ("holds no run",)),
    ],
)
def test_bad_input_ends_in_one_line(run_main, content, small_weights, arguments, words):
    given = [content if each == "photo" else each for each in arguments]
    flags = ("--weights", small_weights) if {"--resume", "compact"}.isdisjoint(given) else ()
    refused(run_main("reconstruct", *given, *flags), *words)
