"""What is chosen and refused before TensorFlow is needed: sizes, masks, weights."""

import contextlib
import dataclasses
from types import SimpleNamespace

import pytest
from conftest import SMALL_VGG19, paint

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.networks import instant, weights
from style_transfer.optimization import events, memory, room
from style_transfer.optimization.job import Job
from style_transfer.optimization.preparation import choose_sizes, fit_memory, prepare
from style_transfer.pictures import images
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings


def finish(happening):
    """Run a generator to its end; return (events, what it returns)."""
    happened = []
    while True:
        try:
            happened.append(next(happening))
        except StopIteration as end:
            return happened, end.value


@pytest.fixture
def sizes(tmp_path):
    """A function from the sizes of pictures, and settings, to those that are chosen."""

    def choose(inputs, **settings):
        places = iter(range(100))
        paths = inputs.map(lambda size: paint(tmp_path / f"{next(places)}.png", 1, size))
        return choose_sizes(paths.map(images.load), Settings(**settings))

    return choose


PAIR = Inputs((400, 300), ((200, 320),))


@pytest.mark.parametrize(
    ("settings", "content", "style"),
    [
        ({"size": 200}, (200, 150), (125, 200)),
        ({"size": 200, "style_scale": 0.5}, (200, 150), (62, 100)),
        ({"size": 200, "style_scale": 1.5}, (200, 150), (188, 300)),
        ({"size": 200, "style_scale": 3.0}, (200, 150), (200, 320)),
        ({"size": 800}, (400, 300), (200, 320)),
        ({"size": 800, "enlarge": True}, (800, 600), (500, 800)),
        ({"size": 800, "enlarge": True, "style_scale": 2.0}, (800, 600), (1000, 1600)),
    ],
)
def test_the_sizes_of_content_and_style(sizes, settings, content, style):
    chosen = sizes(PAIR, **settings)
    assert chosen.content == content
    assert chosen.styles[0] == pytest.approx(style, abs=1)
    assert max(chosen.styles[0]) == max(style)
    assert (chosen.content_mask, chosen.style_masks, chosen.init) == (None, (), None)


def test_a_mask_is_as_large_as_its_picture_and_a_start_as_the_content(sizes):
    styles = ((200, 320), (320, 320))
    chosen = sizes(Inputs((400, 300), styles, (400, 300), styles, (64, 64)), size=200)
    assert chosen.content == chosen.content_mask == chosen.init == (200, 150)
    assert chosen.styles == chosen.style_masks == ((125, 200), (200, 200))


def test_a_mask_of_another_size_is_named(sizes, tmp_path):
    """In the same proportion, too."""
    with pytest.raises(files.FileError) as caught:
        sizes(Inputs((400, 300), ((200, 320),), (200, 150), ((200, 320),)), size=200)
    message = str(caught.value)
    assert message == (
        f"{tmp_path / '2.png'}: is a mask of 200×150 px; "
        f"make it as large as {tmp_path / '0.png'}: 400×300 px"
    )
    styles = ((200, 320), (320, 320))
    with pytest.raises(files.FileError, match="4.png: is a mask of 320×200 px; .*2.png: 320×320"):
        sizes(Inputs((400, 300), styles, None, ((200, 320), (320, 200))), size=200)


@pytest.mark.parametrize(
    ("inputs", "name"),
    [(Inputs((400, 20), ((99, 99),)), "0.png"), (Inputs((99, 99), ((400, 20),)), "1.png")],
)
def test_a_picture_that_would_be_too_narrow_is_named(sizes, inputs, name):
    with pytest.raises(files.FileError, match=name):
        sizes(inputs, size=400)


@pytest.fixture
def given(content, style, small_weights):
    """A job that can be prepared."""
    settings = Settings(size=48, weights=str(small_weights))
    return Job(Inputs(str(content), (str(style),)), settings, None)


def test_what_is_prepared(given, content):
    happened, prepared = finish(prepare(given))
    assert happened == []
    assert prepared.pictures.content.path == str(content)
    assert prepared.sizes == Inputs((48, 36), ((48, 40),))
    assert prepared.network.name.startswith("VGG19 (small")
    assert prepared.settings == given.settings


def test_memory_that_this_process_has_already_need_not_be_free(given, monkeypatch):
    sizes = Inputs((48, 36), ((48, 40),))
    needed = room.least(sizes, SMALL_VGG19, given.settings)
    for held, is_enough in ((10e6, True), (8e6, False)):
        monkeypatch.setattr(memory, "available", lambda: (needed - 9e6) / (1 - room.MARGIN))
        monkeypatch.setattr(memory, "resident", lambda held=held: held)
        with contextlib.nullcontext() if is_enough else pytest.raises(SettingsError, match="free"):
            finish(prepare(given))


def test_where_l_bfgs_does_not_fit_and_adam_does_it_is_said(monkeypatch):
    sizes = Inputs((1024, 1024), ((200, 200),))
    network = SimpleNamespace(architecture=SMALL_VGG19)
    with_adam = room.least(sizes, SMALL_VGG19, Settings(optimizer="adam"))
    for more, said in ((1e6, "or --optimizer adam"), (-1e6, "would fit$")):
        monkeypatch.setattr(room, "find_budget", lambda _, more=more: with_adam + more)
        with pytest.raises(SettingsError, match=said):
            fit_memory(sizes, network, Settings(), is_fixed=False)


def test_what_auto_stands_for_is_settled(given):
    settings = dataclasses.replace(given.settings, weights="auto")
    _, prepared = finish(prepare(dataclasses.replace(given, settings=settings)))
    assert prepared.settings == dataclasses.replace(settings, weights="compact")


def test_a_picture_with_something_odd_is_told_of(given, content):
    frames = [images.load(content).pixels, images.load(given.inputs.styles[0]).pixels]
    path = content.with_suffix(".gif")
    frames[0].save(path, save_all=True, append_images=[frames[1].resize(frames[0].size)])
    inputs = dataclasses.replace(given.inputs, content=str(path))
    happened, _ = finish(prepare(dataclasses.replace(given, inputs=inputs)))
    (notice,) = happened
    assert isinstance(notice, events.Notice)
    assert "photo.gif" in notice.text and "first frame" in notice.text


def with_record(given):
    """Return a job with the record of a run of it."""
    _, prepared = finish(prepare(given))
    record = records.make_record(
        prepared.settings, prepared.pictures, prepared.network, prepared.sizes.content
    )
    return dataclasses.replace(given, record=record)


def test_inputs_that_are_as_they_were(given):
    finish(prepare(with_record(given)))


@pytest.mark.parametrize("name", ["photo.png", "painting.png"])
def test_a_picture_that_has_changed_is_refused(given, content, name):
    given = with_record(given)
    paint(content.with_name(name), 9)
    with pytest.raises(files.FileError, match=f"{name}: has changed since the run began; restore"):
        finish(prepare(given))


def test_weights_that_have_changed_are_refused(given):
    given = dataclasses.replace(with_record(given), weights="compact")
    with pytest.raises(files.FileError, match="compact: are other weights than the run began with"):
        finish(prepare(given))


def test_decoders_that_have_changed_are_refused(given):
    given = with_record(given)
    for start in (None, instant.identify("monge").sha256):
        finish(prepare(dataclasses.replace(given, record=given.record | {"start": start})))
    given = dataclasses.replace(given, record=given.record | {"start": "another"})
    with pytest.raises(
        files.FileError, match="are other weights than those that painted the start"
    ):
        finish(prepare(given))


@pytest.mark.parametrize("source", ["compact", "auto"])
def test_there_is_no_compact_vgg16(given, source):
    settings = Settings(size=48, network="vgg16", weights=source)
    with pytest.raises(SettingsError, match="^--weights: there is no compact VGG16; "):
        finish(prepare(dataclasses.replace(given, settings=settings)))


def test_weights_that_are_missing(given):
    settings = dataclasses.replace(given.settings, weights="nowhere.h5")
    with pytest.raises(files.FileError, match="^nowhere.h5: no such file; "):
        finish(prepare(dataclasses.replace(given, settings=settings)))


def test_the_weights_of_the_job_go_before_those_of_the_settings(given):
    job = dataclasses.replace(given, weights="random")
    _, prepared = finish(prepare(job))
    assert prepared.network.source == "random"
    assert prepared.network.sha256 == weights.load("random").sha256
    assert prepared.settings == given.settings
