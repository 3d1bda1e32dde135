"""A run's folder: where it lies, what may not be overwritten, what is in it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_WIDTHS
from PIL import Image

from style_transfer import files
from style_transfer.networks import weights
from style_transfer.optimization.transfer import Iterate
from style_transfer.pictures import images
from style_transfer.runs import folder as runs
from style_transfer.settings import Settings


def test_the_default_folder_is_named_after_the_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = []
    for _ in range(3):
        folder = runs.choose_folder(None, "in/cat.jpg", "in/waves.png")
        folder.mkdir(parents=True)
        chosen.append(str(folder))
    assert chosen == [f"data/output/cat-waves{number}" for number in ("", "-2", "-3")]
    assert runs.choose_folder("here", "cat.jpg", "waves.png") == Path("here")


def test_a_folder_that_holds_a_run_is_kept(tmp_path):
    (tmp_path / "result.png").touch()
    with pytest.raises(files.FileError, match="holds a run; .*--overwrite"):
        runs.check_folder(tmp_path, [], overwrite=False)
    runs.check_folder(tmp_path, [], overwrite=True)


def test_a_folder_with_other_files_may_be_used(tmp_path):
    (tmp_path / "notes.txt").touch()
    runs.check_folder(tmp_path, [], overwrite=False)
    runs.check_folder(tmp_path / "a" / "b", [], overwrite=False)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["result.png", "frames/epoch_0003.png"])
def test_an_input_is_never_overwritten(tmp_path, name):
    (tmp_path / "frames").mkdir()
    (tmp_path / name).touch()
    with pytest.raises(files.FileError, match="would be"):
        runs.check_folder(tmp_path, [str(tmp_path / name)], overwrite=True)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(files.FileError, match="file"):
            runs.check_folder(folder, [], overwrite=False)


class Job:
    """What a run asks of a `transfer.Transfer`."""

    def save(self):
        return {"image": np.zeros(3)}, {"position": {}}


@pytest.fixture
def finished(tmp_path, content, style):
    """A run of two epochs of two steps, with invented losses and gray images."""
    settings = Settings(epochs=2, steps=2)
    pictures = {"content": images.load(content), "style": images.load(style)}
    network = weights.draw(0, SMALL_WIDTHS)
    record = runs.describe(settings, pictures, network, (8, 6))
    run = runs.Run.create(tmp_path / "run", record)
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    for epoch, known in enumerate((rows[:0], rows[:2], rows[2:])):
        image = np.full((1, 6, 8, 3), epoch / 4, np.float32)
        run.add(Iterate(epoch, 2 * epoch, known, image, 0.5 * epoch or None), Job())
    run.save_result(finished=True)
    run.close(finished=True)
    return run


def test_frames_and_result(finished):
    names = [path.name for path in sorted(finished.folder.glob("frames/*"))]
    assert names == ["epoch_0000.png", "epoch_0001.png", "epoch_0002.png"]
    levels = [np.unique(np.asarray(Image.open(path))) for path in sorted(finished.frames)]
    assert [list(level) for level in levels] == [[0], [64], [128]]
    assert list(np.unique(np.asarray(Image.open(finished.path("result.png"))))) == [128]


def test_losses(finished):
    rows = list(csv.reader(finished.path("losses.csv").open()))
    assert rows[0] == ["epoch", "step", "content", "style", "total_variation", "total"]
    assert [row[:2] for row in rows[1:]] == [list(pair) for pair in ("00", "11", "12", "23", "24")]
    assert rows[1][2:] == ["0", "1", "2", "3"]


def test_the_record_holds_what_is_needed_to_run_again(finished, content):
    record = json.loads(finished.path("run.json").read_text())
    settings = record["settings"]
    as_tuples = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    assert Settings(**as_tuples) == Settings(epochs=2, steps=2)
    assert record["inputs"]["content"]["sha256"] == files.sha256(content.read_bytes())
    assert record["weights"]["name"] == "VGG19 (random, seed 0)"
    assert record["steps_done"] == 4
    assert record["seconds_per_step"] == 0.75
    assert record["final_losses"]["total"] == 19
    assert {"python", "tensorflow", "keras", "style-transfer"} <= set(record["versions"])


def test_the_text_in_the_result_has_no_time_and_no_host(finished):
    text = Image.open(finished.path("result.png")).text
    assert set(text) == {"Software", "Settings"}
    assert set(json.loads(text["Settings"])) == {
        "settings",
        "inputs",
        "weights",
        "size",
        "versions",
    }


def test_overwriting_removes_the_earlier_run_and_nothing_else(finished):
    finished.path("notes.txt").touch()
    finished.path("frames").joinpath("mine.png").touch()
    runs.Run.create(finished.folder, finished.record)
    left = {str(each.relative_to(finished.folder)) for each in finished.folder.rglob("*")}
    assert left == {"frames", "frames/mine.png", "notes.txt", "run.json", ".lock"}
