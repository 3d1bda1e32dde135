"""A run's folder: where it lies, what may not be overwritten, what is in it."""

import csv
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_VGG19
from PIL import Image

from style_transfer import files
from style_transfer.networks import weights
from style_transfer.optimization.events import Iterate
from style_transfer.pictures import images
from style_transfer.runs import folder as runs
from style_transfer.runs.inputs import Inputs
from style_transfer.runs.record import is_finished, make_record
from style_transfer.settings import Settings


def test_the_default_folder_is_named_after_the_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = []
    for _ in range(3):
        folder = runs.choose_folder(None, "in/cat.jpg", "in/waves.png")
        folder.mkdir(parents=True)
        chosen.append(str(folder))
    assert chosen == [f"data/output/cat-waves{number}" for number in ("", "-2", "-3")]
    (tmp_path / "data/output/cat.v2-waves.v3").mkdir()
    assert runs.choose_folder(None, "cat.v2.jpg", "waves.v3.png").name == "cat.v2-waves.v3-2"
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


def refuse(folder, path):
    """Check that a run in a folder would not touch an input, even with --overwrite."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(files.FileError, match="would be .*; choose another --output") as caught:
        runs.check_folder(folder, [str(path)], overwrite=True)
    assert str(caught.value).startswith(str(path))
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["result.png", "frames/epoch_0003.png"])
def test_a_link_to_what_a_run_replaces_is_no_input(tmp_path, name):
    out = tmp_path / "out"
    (out / "frames").mkdir(parents=True)
    (out / name).touch()
    (tmp_path / "photo.png").symlink_to(out / name)
    refuse(out, tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["result.png", "frames/epoch_0003.png", "frames/mine.png"])
def test_a_link_that_a_run_replaces_is_no_input(tmp_path, name):
    out = tmp_path / "out"
    (out / "frames").mkdir(parents=True)
    (tmp_path / "photo.png").touch()
    (out / name).symlink_to(tmp_path / "photo.png")
    refuse(out, out / name)


def test_an_input_is_found_through_links_to_folders(tmp_path):
    out = tmp_path / "out"
    (out / "frames").mkdir(parents=True)
    for name in ("result.png", "frames/epoch_0003.png"):
        (out / name).touch()
    (tmp_path / "alias").symlink_to(out)
    (tmp_path / "snapshots").symlink_to(out / "frames")
    refuse(out, tmp_path / "alias" / "result.png")
    refuse(out, tmp_path / "snapshots" / "epoch_0003.png")
    refuse(tmp_path / "alias", out / "result.png")


def test_an_input_beside_what_a_run_writes_is_allowed(tmp_path):
    """Also under a name of its own, before there is a run."""
    (tmp_path / "photo.png").touch()
    runs.check_folder(tmp_path, [tmp_path / "photo.png"], overwrite=False)


def test_an_input_that_is_a_link_to_itself_is_left_to_who_reads_it(tmp_path):
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    runs.check_folder(tmp_path / "out", [loop], overwrite=False)
    with pytest.raises(files.FileError, match="loop.png"):
        images.load(loop)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(files.FileError, match="file"):
            runs.check_folder(folder, [], overwrite=False)


class Transfer:
    """What a run asks of a `transfer.Transfer`."""

    def save(self):
        return {"image": np.zeros(3)}, {"position": {}}


@pytest.fixture
def record(content, style):
    """The record of a run of two epochs of two steps."""
    return make_record(
        Settings(epochs=2, steps=2),
        Inputs(images.load(content), (images.load(style),)),
        weights.draw(0, SMALL_VGG19),
        (8, 6),
        device="CPU",
        precision="float32",
        terms=["content", "style", "total_variation"],
    )


def iterates():
    """Invented losses and gray images, for two epochs of two steps."""
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    for epoch, known in enumerate((rows[:1], rows[1:3], rows[3:])):
        image = np.full((1, 6, 8, 3), epoch / 4, np.float32)
        yield Iterate(epoch, 2 * epoch, known[:, :3], known[:, 3], image, 0.5 * epoch or None)


@pytest.fixture
def finished(tmp_path, record):
    """A run, from beginning to end."""
    with runs.Run.create(tmp_path / "run", record) as run:
        for iterate in iterates():
            run.add(iterate, Transfer())
        run.save_result(finished=True)
    return run


def writers():
    """The threads that write for a run."""
    return [each for each in threading.enumerate() if each.name.startswith("writer")]


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
        "device",
        "precision",
        "terms",
    }


def test_overwriting_removes_the_earlier_run_and_nothing_else(finished):
    finished.path("notes.txt").touch()
    finished.path("frames").joinpath("mine.png").touch()
    runs.Run.create(finished.folder, finished.record).close()
    left = {str(each.relative_to(finished.folder)) for each in finished.folder.rglob("*")}
    assert left == {"frames", "frames/mine.png", "notes.txt", "run.json", ".lock"}


def test_a_run_whose_block_raises_lets_others_in(tmp_path, record):
    with pytest.raises(ZeroDivisionError), runs.Run.create(tmp_path / "run", record) as run:
        run.add(next(iterates()), Transfer())
        assert writers()
        with pytest.raises(files.FileError, match="in use"):
            files.Lock(run.path(runs.LOCK))
        1 / 0  # noqa: B018
    files.Lock(run.path(runs.LOCK)).release()
    assert not writers()
    assert run.frame(0).exists() and run.path("checkpoint.npz").exists()
    assert not is_finished(run.folder)


def test_a_run_that_cannot_write_lets_others_in(tmp_path, record):
    """The disk tells so only at the end of the block."""

    def fail():
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match="No space"),
        runs.Run.create(tmp_path / "run", record) as run,
    ):
        run.writer.submit(fail)
    files.Lock(run.path(runs.LOCK)).release()
    assert not writers()


def test_a_run_that_cannot_begin_lets_others_in(tmp_path, record, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "save_record", fail)
        with pytest.raises(OSError, match="No space"):
            runs.Run.create(tmp_path / "run", record)
    files.Lock(tmp_path / "run" / runs.LOCK).release()
    assert not writers()


def test_a_finished_run_is_known_as_such(finished):
    assert is_finished(finished.folder)
    assert not finished.path("checkpoint.previous.npz").exists()
    files.Lock(finished.path(runs.LOCK)).release()
    assert not writers()


def test_what_was_saved_is_found_again(finished):
    with runs.Run(finished.folder, finished.record) as run:
        (arrays, header), notice = run.load_checkpoint()
        assert not notice
        assert list(arrays) == ["image"] and header == {"position": {}}
        assert run.losses.to_csv() == finished.losses.to_csv()
        assert run.steps_done == 4 and len(run.frames) == 3


def test_the_opacity_of_the_result(tmp_path, record):
    alpha = Image.linear_gradient("L").resize((8, 6))
    with runs.Run.create(tmp_path / "run", record) as run:
        run.add(next(iterates()), Transfer())
        run.save_result(finished=False, alpha=alpha)
    result = Image.open(run.path("result.png"))
    assert result.mode == "RGBA"
    assert result.getchannel("A").tobytes() == alpha.tobytes()
