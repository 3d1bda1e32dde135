"""A job: its events, how it is continued and repeated, and the errors it ends in."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import standin
from conftest import paint
from PIL import Image

from style_transfer import files
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.optimization import events, job, memory, preparation, room
from style_transfer.pictures import images
from style_transfer.runs.folder import LOCK
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """Compute without TensorFlow."""
    monkeypatch.setattr(job, "build", standin.build)


@pytest.fixture
def given(content, style, small_weights, tmp_path):
    """A job of two epochs of two steps."""
    settings = Settings(size=48, epochs=2, steps=2, weights=str(small_weights))
    return job.Job(Inputs(str(content), (str(style),)), settings, tmp_path / "run")


def kinds(happened):
    """The names of the classes of events."""
    return [type(each).__name__ for each in happened]


def after(count):
    """A function that says to stop when asked for the `count`-th time."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= count


def test_the_events_of_a_job(given):
    happened = list(job.perform(given))
    assert kinds(happened) == ["Planned", *["Iterate"] * 5, "Saving", "Saved"]
    planned, saved = happened[0], happened[-1]
    assert planned.size == (48, 36) and planned.steps_done == 0
    assert planned.device == "stand-in" and planned.terms == standin.TERMS
    result = given.folder / "result.png"
    assert saved == events.Saved(given.folder, result, finished=True, steps_done=4)
    assert Image.open(result).size == (48, 36)
    for name in ("losses.png", "progress.gif", "report.html", "run.json", "losses.csv"):
        assert (given.folder / name).stat().st_size
    files.Lock(given.folder / LOCK).release()


def test_a_job_without_a_folder_is_only_planned(given, tmp_path):
    before = sorted(tmp_path.iterdir())
    happened = list(job.perform(dataclasses.replace(given, folder=None)))
    assert kinds(happened) == ["Planned"]
    assert sorted(tmp_path.iterdir()) == before


def test_a_job_that_is_stopped_is_continued_to_the_same_bytes(given, tmp_path):
    whole = dataclasses.replace(given, folder=tmp_path / "whole")
    list(job.perform(whole))
    happened = list(job.perform(given, should_stop=after(2)))
    assert happened[-1].steps_done == 2 and not happened[-1].finished
    assert happened[-3].stopped
    happened = list(job.perform(job.resume(given.folder)))
    assert happened[0].steps_done == 2
    assert happened[-1].finished and happened[-1].steps_done == 4
    for name in ("result.png", "losses.csv"):
        assert (given.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_job_that_is_dropped_lets_others_in(given):
    happening = job.perform(given)
    while not isinstance(next(happening), events.Iterate):
        pass
    with pytest.raises(files.FileError, match="in use"):
        files.Lock(given.folder / LOCK)
    happening.close()
    files.Lock(given.folder / LOCK).release()


def test_a_run_gets_more_epochs(given):
    list(job.perform(given))
    more = job.resume(given.folder, {"epochs": 3})
    assert more.settings == dataclasses.replace(given.settings, epochs=3)
    happening = job.perform(more)
    while not isinstance(next(happening), events.Iterate):
        pass
    # Should it be killed now, the record already says what is planned.
    record = json.loads((given.folder / "run.json").read_text())
    assert record["settings"]["epochs"] == 3 and record["finished"] is False
    happened = list(happening)
    assert happened[-1].steps_done == 6 and happened[-1].finished
    record = json.loads((given.folder / "run.json").read_text())
    assert record["settings"]["epochs"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, r"--resume: --epochs is 2 \(or more\) in that run, not 1"),
        ({"steps": 3}, "--resume: --steps is 2 in that run, not 3"),
        ({"size": 64}, "--resume: --size is 48 in that run, not 64"),
        ({"content_weight": 2.0}, "--resume: --alpha is 1.0 in that run, not 2.0"),
        ({"epochs": 3, "seed": 1}, "--resume: --seed is 0 in that run, not 1"),
    ],
)
def test_a_run_is_continued_with_its_own_settings_only(given, changes, message):
    list(job.perform(given, should_stop=after(2)))
    before = (given.folder / "run.json").read_bytes()
    with pytest.raises(SettingsError, match=f"^{message}$"):
        job.resume(given.folder, changes)
    assert (given.folder / "run.json").read_bytes() == before


def test_settings_that_are_the_same_may_be_given(given):
    list(job.perform(given, should_stop=after(2)))
    assert job.resume(given.folder, {"epochs": 2, "size": 48}).settings == given.settings


def test_a_finished_run_without_a_checkpoint_is_not_done_again(given):
    list(job.perform(given))
    (given.folder / "checkpoint.npz").unlink()
    before = {each: each.read_bytes() for each in given.folder.iterdir() if each.is_file()}
    more = job.resume(given.folder, {"epochs": 3})
    with pytest.raises(files.FileError, match="its checkpoint is gone; .*--overwrite"):
        list(job.perform(more))
    assert {each: each.read_bytes() for each in before} == before
    files.Lock(given.folder / LOCK).release()


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_anew(given):
    list(job.perform(given, should_stop=after(1)))
    for path in given.folder.glob("checkpoint*.npz"):
        path.unlink()
    happened = list(job.perform(job.resume(given.folder)))
    assert happened[0].steps_done == 0 and happened[-1].steps_done == 4


def test_a_run_whose_picture_has_changed_is_not_continued(given, content):
    list(job.perform(given, should_stop=after(2)))
    paint(content, 7)
    with pytest.raises(files.FileError, match="photo.png: has changed since the run began"):
        list(job.perform(job.resume(given.folder)))


def test_another_version_is_told_of(given):
    list(job.perform(given, should_stop=after(2)))
    path = given.folder / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["tensorflow"] = "1.0"
    path.write_text(json.dumps(record))
    happened = list(job.perform(job.resume(given.folder)))
    (notice,) = [each.text for each in happened if isinstance(each, events.Notice)]
    assert notice.startswith("recorded with tensorflow 1.0 (here ")


def test_a_result_is_made_again(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(job.perform(given))
    again = job.repeat(given.folder / "result.png", {"weights": given.settings.weights})
    assert again.settings == given.settings and again.folder is None
    list(job.perform(dataclasses.replace(again, folder=tmp_path / "again")))
    results = [tmp_path / name / "result.png" for name in ("run", "again")]
    assert results[0].read_bytes() == results[1].read_bytes()


def test_a_result_opens_nothing_elsewhere(given, tmp_path, monkeypatch):
    list(job.perform(given))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(elsewhere))
    result = given.folder / "result.png"
    paths = {"content": given.inputs.content, "style": given.inputs.styles[0]}
    for named, option in (
        ({}, "--content"),
        ({"content": paths["content"]}, "--style"),
        (paths, "--weights"),
    ):
        with pytest.raises(files.FileError, match=f"name it yourself with {option}$"):
            job.repeat(result, named)
    assert job.repeat(result, paths | {"weights": "compact"}).weights == "compact"


def failing(error):
    """Return a stand-in for `job.build` that raises."""

    def build(*_):
        yield events.Loading()
        raise error

    return build


def end(given, monkeypatch, error):
    """Return the one-line message that a job ends in when what computes raises."""
    monkeypatch.setattr(job, "build", failing(error))
    with pytest.raises(ComputationError) as caught:
        list(job.perform(given))
    assert caught.value.__cause__ is error
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(("size", "smaller"), [(48, 33), (1024, 724)])
def test_the_memory_of_python_runs_out(given, monkeypatch, size, smaller):
    given = dataclasses.replace(given, settings=dataclasses.replace(given.settings, size=size))
    assert end(given, monkeypatch, MemoryError()) == (
        f"the memory ran out; --size {smaller} takes half"
    )


def test_the_memory_runs_out_in_the_middle(given, monkeypatch):
    def run(self, *, should_stop):
        yield self.iterate(self.start, False)
        raise MemoryError

    monkeypatch.setattr(standin.StandIn, "run", run)
    with pytest.raises(ComputationError, match="--size"):
        list(job.perform(given))
    files.Lock(given.folder / LOCK).release()


def test_the_memory_of_the_device_runs_out(given, monkeypatch):
    import tensorflow

    error = tensorflow.errors.ResourceExhaustedError(None, None, "OOM when allocating\nNode: x")
    assert end(given, monkeypatch, error) == "the memory ran out; --size 33 takes half"


def test_tensorflow_fails(given, monkeypatch):
    import tensorflow

    error = tensorflow.errors.InternalError(None, None, "cuDNN\x1b[2J failed\nNode: x\nmore")
    assert end(given, monkeypatch, error) == "TensorFlow failed: cuDNN\\x1b[2J failed"


def test_without_tensorflow_other_errors_stay(given, monkeypatch):
    monkeypatch.setattr(job, "build", failing(ZeroDivisionError("x")))
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(ZeroDivisionError):
        list(job.perform(given))


def test_the_size_that_is_said_to_fit_fits(given, monkeypatch):
    settings = dataclasses.replace(given.settings, size=1024, enlarge=True)
    large = dataclasses.replace(given, settings=settings, folder=None)
    network = preparation.load_weights(settings.weights, settings, None)
    sizes = preparation.choose_sizes(large.inputs.map(images.load), settings)
    needed = room.least(sizes, network.architecture, settings)
    there = (needed + memory.LIBRARIES) / 2
    monkeypatch.setattr(memory, "available", lambda: (there - 5e6) / (1 - room.MARGIN))
    monkeypatch.setattr(memory, "resident", lambda: 5e6)
    with pytest.raises(SettingsError) as caught:
        list(job.perform(large))
    message = str(caught.value)
    assert message.startswith("--size: 1024×768 px need about ")
    side = int(message.partition("; --size ")[2].removesuffix(" would fit"))
    assert 500 < side < 900
    fitting = dataclasses.replace(settings, size=side)
    notice, planned = job.perform(dataclasses.replace(large, settings=fitting))
    assert notice.text == "L-BFGS remembers 3 steps, for which there is memory"
    assert 0.98 * there < planned.memory <= there


def test_where_no_size_fits(given, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e6)
    monkeypatch.setattr(memory, "resident", lambda: 1e6)
    with pytest.raises(SettingsError, match="^--size: 48×36 px .* no size would fit"):
        list(job.perform(given))
    assert not Path(given.folder).exists()
