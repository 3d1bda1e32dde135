"""`python main.py video`: films to their end, stopped, killed and continued; what is refused."""

import csv
import errno
import functools
import json
import signal
from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import MAIN, Engines, call_real, paint, refused, run_here, wait_until
from PIL import Image

from style_transfer.feedforward import architectures, style_file, trunk
from style_transfer.pictures import encoding, films, images
from style_transfer.reports import provenance
from style_transfer.video import building
from tools import clips

FLAGS = (
    "-s",
    "painting.png",
    "--size",
    "64",
    "--epochs",
    "1",
    "--steps",
    "3",
    "--frame-steps",
    "3",
)
COUNT = 6


def make_frames(count=COUNT, cut=None):
    """Frames of 64×48 of a camera that moves; from `cut` on it looks elsewhere."""
    first, second = clips.texture(0), clips.texture(7)
    for index in range(count):
        picture = second if cut is not None and index >= cut else first
        seen = clips.look(picture, clips.matrix_at(index, pan=(1.5, 0.5)), (64, 48))
        yield np.rint(255 * seen).astype(np.uint8)


@pytest.fixture(autouse=True)
def shared_engines(monkeypatch):
    """Have the films that are painted in this process share their engine, as pictures do."""
    build = functools.partial(Engines().get, build=building.FrameEngine)
    monkeypatch.setattr(building, "FrameEngine", build)


@pytest.fixture(scope="module")
def studio(tmp_path_factory, small_weights):
    """A folder with a film, its cut before the fifth frame, and a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("studio")
    paint(folder / "painting.png", 2, (72, 60))
    times = (0, 40, 90, 120, 160, 230)
    encoding.write(folder / "clip.mp4", make_frames(cut=4), times, Fraction(1, 1000), crf=4)
    flags = ("video", "-c", "clip.mp4", *FLAGS, "--weights", small_weights)
    outcome = call_real(folder, *flags, "-o", "whole", timeout=600)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "whole/result.mp4\n"
    assert "frame 5 of 6, new shot" in outcome.stderr and "6 frames: " in outcome.stderr
    return folder, flags


def contents(run):
    """The bytes of all that must not depend on an interruption."""
    names = (
        "result.mp4",
        "beside.mp4",
        *(f"frames/{index:06}.png" for index in range(1, COUNT + 1)),
    )
    return {name: (run / name).read_bytes() for name in names}


def table(run):
    return list(csv.DictReader((run / "frames.csv").read_text().splitlines()))


def test_what_lies_there_in_the_end(studio):
    folder, _ = studio
    run = folder / "whole"
    film = films.load(run / "result.mp4")
    assert [time * film.time_base for time in film.times] == [
        Fraction(time, 1000) for time in (0, 40, 90, 120, 160, 230)
    ]
    assert film.size == (64, 48) and films.load(run / "beside.mp4").size == (128, 48)
    rows = table(run)
    assert [int(row["shot"]) for row in rows] == [0, 0, 0, 0, 4, 4]
    assert all(float(row["trust"]) > 0.5 for row in rows if row["frame"] not in ("1", "5"))
    assert not list((run / "state").iterdir())
    record = json.loads((run / "run.json").read_text())
    assert record["finished"] and record["terms"][3] == "temporal"
    words = provenance.list_words(record)
    assert words[2:7] == ["video", "--frame-steps", "3", "--content", "clip.mp4"]
    page = (run / "report.html").read_text()
    assert "6 frames · 2 shots" in page and "error of the film" in page


def test_frames_hold_together(studio):
    folder, _ = studio
    rows = table(folder / "whole")
    errors = [float(row["warping_error"]) for row in rows if float(row["trust"])]
    frames = [
        np.asarray(Image.open(path), float) / 255 for path in sorted(folder.glob("whole/frames/*"))
    ]
    assert max(errors) < 0.5 * np.mean((frames[0] - frames[1]) ** 2)


def test_killed_it_ends_with_the_same_bytes(studio, begin):
    folder, flags = studio
    run = folder / "killed"
    process = begin(folder, *flags, "-o", "killed", program=MAIN)
    wait_until(process, lambda: len(lines(run)) > 2, seconds=300)
    process.send_signal(signal.SIGKILL)
    process.wait()
    outcome = run_here(folder, "video", "--resume", "killed")
    assert outcome.returncode == 0, outcome.stderr
    assert contents(run) == contents(folder / "whole")


def test_a_full_disk_loses_nothing(studio, tmp_path, monkeypatch):
    folder, flags = studio
    save = images.save_png

    def save_some(path, image, **more):
        if path.name == "000004.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, image, **more)

    monkeypatch.setattr(images, "save_png", save_some)
    outcome = run_here(folder, *flags, "-o", tmp_path / "run")
    assert outcome.returncode == 1 and not outcome.stdout
    (line,) = [each for each in outcome.stderr.splitlines() if each.startswith("Error")]
    assert "No space" in line and f"go on with: python main.py video --resume {tmp_path}" in line
    monkeypatch.undo()
    assert run_here(folder, "video", "--resume", tmp_path / "run").returncode == 0
    assert contents(tmp_path / "run") == contents(folder / "whole")


def lines(run):
    path = run / "frames.csv"
    return path.read_text().splitlines() if path.exists() else []


def test_stopped_it_leaves_a_film_of_what_there_is(studio, begin):
    folder, flags = studio
    run = folder / "stopped"
    process = begin(folder, *flags, "-o", "stopped", program=MAIN)
    wait_until(process, lambda: len(lines(run)) > 2, seconds=300)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and output == "stopped/result.mp4\n"
    assert "python main.py video --resume stopped" in errors
    count = len(films.load(run / "result.mp4").times)
    assert 2 <= count < COUNT
    whole = (folder / "whole" / "frames" / "000002.png").read_bytes()
    assert (run / "frames" / "000002.png").read_bytes() == whole


@pytest.mark.parametrize(
    "more",
    [
        ("--anchors", "1,2", "--passes", "2", "--pass-steps", "2"),
        ("--keyframes", "3", "--repair-steps", "2"),
        ("--preserve-color", "luminance", "--every", "2", "--loss", "gatys"),
    ],
    ids=["passes", "keyframes", "luminance"],
)
def test_every_way_paints_every_frame(studio, tmp_path, more):
    folder, flags = studio
    outcome = run_here(folder, *flags, *more, "-o", tmp_path / "run")
    assert outcome.returncode == 0, outcome.stderr
    count = COUNT // 2 if "--every" in more else COUNT
    assert len(list((tmp_path / "run" / "frames").iterdir())) == count
    assert len(films.load(tmp_path / "run" / "result.mp4").times) == count
    turns = 2 if "--passes" in more else 1
    assert len(table(tmp_path / "run")) == turns * count


def test_one_pass_a_frame_is_steadied(studio, tmp_path):
    folder, _ = studio
    errors = {}
    for steadiness in ("0", "0.9"):
        run = tmp_path / steadiness
        flags = ("-c", "clip.mp4", "-s", "painting.png", "--size", "64", "--steadiness", steadiness)
        outcome = run_here(folder, "video", *flags, "--instant", "-o", run)
        assert outcome.returncode == 0, outcome.stderr
        errors[steadiness] = np.mean([float(row["warping_error"]) for row in table(run)])
    assert errors["0.9"] < 0.5 * errors["0"]


def test_a_trained_network_paints_films(studio, tmp_path):
    folder, _ = studio
    model = tmp_path / "two.style"
    pictures = [(name, Image.new("RGB", (80, 60), name)) for name in ("navy", "gold")]
    network = architectures.list_weights(trunk.build_trunk(2))
    style_file.write(model, network, pictures, {"steps": 7})
    film = ("video", "-c", "clip.mp4", "--size", "64", "--instant", "-o", tmp_path / "run")
    shares = ("--blend", "1", "--blend", "0")
    outcome = run_here(folder, *film, "-m", model, *shares, "--duration", "0.1")
    assert outcome.returncode == 0, outcome.stderr
    assert len(table(tmp_path / "run")) == 3
    assert run_here(folder, "video", "--resume", tmp_path / "run").returncode == 0
    refused(run_here(folder, *film, "-m", "any", "--overwrite"), "--style is missing; this --model")
    refused(
        run_here(folder, *film, "-m", model, "--overwrite", *shares[:2]), "1 times for 2 styles"
    )


def test_a_preview_paints_three_frames(studio, tmp_path):
    folder, flags = studio
    outcome = run_here(folder, *flags, "--preview", "-o", tmp_path / "run")
    assert outcome.stdout == f"{tmp_path / 'run' / 'preview.png'}\n", outcome.stderr
    assert Image.open(tmp_path / "run" / "preview.png").size == (3 * 64, 2 * 48)


def test_a_plan_writes_nothing(studio):
    folder, flags = studio
    before = sorted(folder.iterdir())
    outcome = run_here(folder, *flags, "--dry-run", "--duration", "0.1s")
    assert outcome.returncode == 0 and outcome.stdout == ""
    assert "3 frames: " in outcome.stderr and "MB of disk" in outcome.stderr
    outcome = run_here(folder, *flags, "--dry-run", "--time-budget", "1s")
    assert "(3 steps)" in outcome.stderr  # the fewest
    assert sorted(folder.iterdir()) == before


def test_masks_may_move(studio, tmp_path):
    folder, flags = studio
    for index in range(COUNT):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, 10 * index :] = 255
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{index}.png")
    more = (
        "--content-mask",
        tmp_path / "masks",
        "--init",
        "content",
        "--tv",
        "0",
        "--start",
        "0.1",
    )
    outcome = run_here(folder, *flags, *more, "-o", tmp_path / "run")
    assert outcome.returncode == 0, outcome.stderr
    film = films.load(folder / "clip.mp4")
    (_, before), *_ = film.read(film.times[-1:])
    after = Image.open(tmp_path / "run" / "frames" / "000003.png")
    change = np.abs(np.asarray(after, float) - np.asarray(before)).mean(axis=(0, 2))
    assert change[:35].mean() < 0.5 * change[55:].mean()


def test_bad_commands_are_refused(studio, tmp_path):
    folder, flags = studio
    film = ("-c", "clip.mp4")
    refused(run_here(folder, "video", *FLAGS), "--content is missing; name a film")
    refused(run_here(folder, "video", *film), "--style is missing")
    refused(
        run_here(folder, "video", *film, "-s", "painting.png", "-m", "x.style"), "add --instant"
    )
    refused(run_here(folder, "video", "-c", "painting.png", *FLAGS), "is a picture, not a film")
    refused(
        run_here(folder, *film, "-s", "painting.png"), "clip.mp4: is a film; python main.py video"
    )
    refused(run_here(folder, *flags, "-o", "whole"), "holds a run; continue it with --resume")
    refused(run_here(folder, *flags, "--start", "9s"), "choose an earlier --start")
    refused(run_here(folder, *flags, "--start", "soon"), "is no time; write 3s or 2m")
    refused(
        run_here(folder, "video", "--resume", "whole", "--temporal", "3"), "--temporal does not go"
    )
    refused(run_here(folder, "--resume", "whole"), "is of a film; continue it with: main.py video")
    refused(run_here(folder, "video", "--resume", tmp_path), "holds no run")
    with av.open(str(folder / "tone.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        container.mux(stream.encode(None))
    refused(run_here(folder, "video", "-c", "tone.m4a", *FLAGS), "tone.m4a")
    big = ("--size", "8192", "--enlarge")
    refused(run_here(folder, *flags[:5], *big, "--dry-run"), "GB of memory")


def test_another_film_of_that_name_is_refused(studio, tmp_path):
    folder, flags = studio
    encoding.write(tmp_path / "clip.mp4", make_frames(), range(COUNT), Fraction(1, 25))
    paint(tmp_path / "painting.png", 2, (72, 60))
    (tmp_path / "run").mkdir()
    record = json.loads((folder / "whole" / "run.json").read_text())
    record["working_folder"] = str(tmp_path)
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    outcome = run_here(tmp_path, "video", "--resume", "run")
    refused(outcome, "clip.mp4: has changed since the run began")
