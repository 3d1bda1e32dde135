"""Several processes paint a list of pictures: the same bytes, deaths, interruptions."""

import dataclasses
import json
import os
import re
import signal
from collections import deque

import psutil
import pytest
from conftest import call, paint, refused, wait_until

from style_transfer.batches import dispatch, staff
from style_transfer.batches.desk import Downloading, Ready, Stop
from style_transfer.batches.processes import Gone
from style_transfer.commands import wording
from style_transfer.errors import ComputationError, SettingsError
from style_transfer.optimization import processors, room
from style_transfer.optimization.events import (
    Iterate,
    JobEnded,
    JobFailed,
    JobSkipped,
    Notice,
    Planned,
    Progressed,
    Saved,
)
from style_transfer.settings import Settings

FAST = ("--size", "48", "--epochs", "2", "--steps", "3", "--keep", "frames")
LONG = ("--size", "48", "--epochs", "8", "--steps", "25", "--patience", "0", "--keep", "frames")


@pytest.fixture(scope="module")
def album(tmp_path_factory, small_weights):
    """A folder with four photos and a painting, and the flags for a batch."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "photos").mkdir()
    for number in range(4):
        paint(folder / "photos" / f"photo{number}.png", number)
    paint(folder / "painting.png", 8)
    return folder, ("-c", "photos", "-s", "painting.png", "--weights", small_weights)


@pytest.fixture(scope="module")
def whole(album):
    """What one process makes of them that nobody disturbs."""
    folder, flags = album
    outcome = call(folder, *flags, *LONG, "-o", "whole")
    assert outcome.returncode == 0, outcome.stderr
    return pictures(folder / "whole")


def pictures(folder):
    """Return the bytes of all pictures below a folder that do not tell of time, by path."""
    paths = [each for each in sorted(folder.rglob("*.png")) if each.name != "losses.png"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def processes(process):
    """Return the workers of a process that are alive."""
    children = psutil.Process(process.pid).children(recursive=True)
    alive = [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in alive if "spawn_main" in " ".join(each.cmdline())]


def painter_of(checkpoint):
    """Return the number of the process that holds the lock of a run."""
    return int((checkpoint.parent / ".lock").read_text().split()[1])


@pytest.mark.parametrize(
    ("command", "more"),
    [("sweep", FAST), ("paint", FAST), ("apply", ("--size", "48"))],
)
def test_workers_make_the_bytes_of_one_process(album, command, more):
    folder, flags = album
    flags = (command, *(flags if command != "apply" else flags[:4]), *more)
    threads = os.environ | {processors.THREADS: "1"}
    alone = call(folder, *flags, "-o", f"{command}-alone", env=threads)
    outcome = call(folder, *flags, "-o", f"{command}-shared", "--workers", "2", env=threads)
    assert outcome.returncode == 0, outcome.stderr
    own = alone.stdout.replace("-alone/", "-shared/").splitlines()
    assert sorted(outcome.stdout.splitlines()) == sorted(own)
    assert pictures(folder / f"{command}-shared") == pictures(folder / f"{command}-alone")
    assert re.search("2 workers of [0-9]+ threads?, .* each", outcome.stderr)
    assert re.findall("\\[([0-9])/4\\] photo", outcome.stderr) == ["1", "2", "3", "4"]
    again = call(folder, *flags, "-o", f"{command}-shared", "--workers", "3")
    assert again.returncode == 0 and again.stderr.count("done before") == 4


def test_settings_are_recorded_as_of_one_process(album):
    folder, flags = album
    outcome = call(folder, *flags, *FAST, "--memory", "6GB", "-o", "own", "--workers", "2")
    assert outcome.returncode == 0, outcome.stderr
    assert "3.0 GB of memory each" in outcome.stderr
    record = json.loads((folder / "own/photo0/run.json").read_text())
    assert record["settings"]["memory"] == "6GB"


def test_a_worker_that_is_killed_is_replaced(album, whole, begin):
    """Its picture goes on from its checkpoint, though all is to be overwritten."""
    folder, flags = album
    assert call(folder, *flags, *FAST, "-o", "killed").returncode == 0
    process = begin(folder, *flags, *LONG, "-o", "killed", "--workers", "2", "--overwrite")
    checkpoints = [folder / f"killed/photo{number}/checkpoint.npz" for number in range(4)]
    wait_until(process, lambda: any(each.exists() for each in checkpoints))
    psutil.Process(painter_of(next(each for each in checkpoints if each.exists()))).kill()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(output.splitlines()) == 4 and "another one goes on with it" in errors
    assert pictures(folder / "killed") == whole
    assert not any(each.exists() for each in checkpoints)


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_an_interruption_stops_all_and_the_same_command_goes_on(album, whole, begin):
    folder, flags = album
    command = (*flags, *LONG, "-o", "stopped", "--workers", "2")
    process = begin(folder, *command)
    checkpoints = [folder / f"stopped/photo{number}/checkpoint.npz" for number in range(2)]
    wait_until(process, lambda: all(each.exists() for each in checkpoints))
    workers = processes(process)
    for each in (process, *workers):  # as a terminal does
        each.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "the same command goes on with them" in errors and "--resume stopped/photo" in errors
    assert not any(each.is_running() for each in workers)
    assert any(each.exists() for each in checkpoints)
    outcome = call(folder, *command)
    assert outcome.returncode == 0, outcome.stderr
    assert pictures(folder / "stopped") == whole


def test_workers_do_not_outlive_who_hired_them(album, begin):
    folder, flags = album
    process = begin(folder, *flags, *LONG, "-o", "orphans", "--workers", "2")
    wait_until(process, lambda: len(processes(process)) == 2)
    workers = processes(process)
    process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1001", "²"])
def test_what_is_no_number_of_workers_is_refused(album, text):
    folder, flags = album
    refused(call(folder, *flags, "--workers", text), "--workers", text)


@pytest.mark.parametrize("command", ["paint", "apply"])
def test_a_single_picture_has_no_workers(album, command):
    folder, _ = album
    flags = ("-c", "photos/photo0.png", "-s", "painting.png", "--workers", "2")
    refused(call(folder, command, *flags), "--workers", "several")


# The loop alone, with workers that do what a test says.


@dataclasses.dataclass(frozen=True)
class Task:
    label: str
    content: str = "photo.png"


class Actor:
    """A worker that answers at once: what it says of a task is a function of the task's number."""

    def __init__(self, script):
        self.script, self.said, self.is_killed = script, deque([(None, Ready())]), False
        self.got = []

    def send(self, message):
        self.got.append(message)
        if isinstance(message, Stop):
            self.said.append((message.id, Saved("folder", "result", False, 1)))
        else:
            self.said.extend(self.script(message))

    def kill(self):
        self.is_killed = True


class Crew:
    lines, count = ("two",), 2

    def __init__(self, script, born=99):
        self.script, self.born, self.hired = script, born, []

    def hire(self):
        self.hired.append(Actor(self.script))
        if len(self.hired) > self.born:
            self.hired[-1].said = deque([Gone("it broke")])
        return self.hired[-1]

    def listen(self, workers, _seconds):
        return [(each, each.said.popleft()) for each in workers if each.said]


def finish(assignment):
    yield assignment.id, Saved("folder", f"result{assignment.id}", True, 3)


def perform(count, script, **keywords):
    """Do tasks; return (crew, events)."""
    crew = Crew(script)
    tasks = [Task(f"photo{number}") for number in range(count)]
    return crew, list(dispatch.Dispatch(tasks, crew).perform(**keywords))


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_each_task_is_done_once_by_workers_that_are_ready():
    crew, events = perform(7, finish)
    assert {event.result for event in of_kind(events, Saved)} == {f"result{n}" for n in range(7)}
    assert [event.number for event in of_kind(events, JobEnded)] == list(range(1, 8))
    assert len(crew.hired) == 2 and all(each.is_killed for each in crew.hired)
    assert not of_kind(events, Notice)


def test_a_poisoned_task_is_given_up_and_the_others_are_done():
    def script(assignment):
        if assignment.id == 1:
            return [Gone("it was killed")]
        return list(finish(assignment))

    crew, events = perform(4, script)
    (failed,) = of_kind(events, JobFailed)
    assert (failed.label, failed.content) == ("photo1", "photo.png")
    assert failed.error == "given up after 3 tries: it was killed"
    assert len(of_kind(events, Saved)) == 3 and len(crew.hired) <= 4
    got = [each.is_retry for actor in crew.hired for each in actor.got if each.id == 1]
    assert got == [False, True, True]


def test_a_crew_that_never_gets_ready_ends_the_run():
    crew = Crew(finish, born=0)
    with pytest.raises(ComputationError, match="no worker gets ready, 3 times.*it broke"):
        list(dispatch.Dispatch([Task("a"), Task("b")], crew).perform())
    assert len(crew.hired) <= 4


def test_the_others_go_on_without_one_that_never_gets_ready():
    """There is one, which paints six pictures, each once the other has died once more."""

    def script(assignment):
        yield assignment.id, Notice(f"photo{assignment.id}")
        yield from finish(assignment)

    crew = Crew(script, born=1)
    events = list(dispatch.Dispatch([Task(f"{n}") for n in range(6)], crew).perform())
    assert len(of_kind(events, Saved)) == 6 and len(crew.hired) == 1 + 3
    assert "it broke, 3 times before it was ready; going on with 1" in [
        event.text for event in of_kind(events, Notice)
    ]


def test_when_asked_to_stop_all_stop_and_nothing_new_begins():
    def stop():
        asked.append(1)
        return len(asked) > 3

    asked = []
    crew, events = perform(5, lambda assignment: [], should_stop=stop)
    assert [type(each).__name__ for actor in crew.hired for each in actor.got] == [
        "Assignment",
        "Stop",
    ] * 2
    assert not of_kind(events, JobEnded)
    assert of_kind(events, Notice)[0].text.startswith("5 pictures are left; the same command")


def test_progress_is_of_all(monkeypatch):
    """Two pictures of ten seconds have begun, two wait: three quarters are done of the first."""
    planned = Planned("", (8, 8), "", "", Settings(epochs=2, steps=2), (), (8,), 10.0, 1.0)

    def script(assignment):
        yield assignment.id, planned
        yield assignment.id, Iterate(2, 3, [], [], None, 2.5, 2.5 + assignment.id)

    steps = iter(range(8))
    _, events = perform(4, script, should_stop=lambda: next(steps) > 4)
    last = of_kind(events, Progressed)[-1]
    assert (last.done, last.count, last.shares) == (0, 4, (("photo0", 0.75), ("photo1", 0.75)))
    assert last.seconds_left == (2.5 + 3.5 + 2 * 3.5) / 2
    assert wording.describe_jobs(last) == "0 of 4 done, 0:06 left, photo0 75%, photo1 75%"
    ended = JobEnded(3, 4, "photo2", 65.0)
    assert wording.describe_ended(ended) == "[3/4] photo2, 1:05 left"


def test_what_was_done_before_says_nothing_about_the_pace():
    _, events = perform(3, lambda each: [(each.id, JobSkipped(f"photo{each.id}"))])
    assert [event.seconds_left for event in of_kind(events, JobEnded)] == [None, None, None]


# How many workers, and with what.


class Craft:
    def __init__(self, *needs):
        self.needs = needs

    def estimate_memory(self, task):
        if isinstance(self.needs[task], Exception):
            raise self.needs[task]
        return self.needs[task]


@pytest.fixture
def machine(monkeypatch):
    """A function that says what there is."""

    def set_up(cores, gigabytes, gpus=()):
        monkeypatch.setattr(processors, "count", lambda: cores)
        monkeypatch.setattr(room, "find_budget", lambda _: gigabytes * 1e9)
        monkeypatch.setattr(staff, "list_gpus", lambda: gpus)
        monkeypatch.delenv(processors.THREADS, raising=False)

    return set_up


@pytest.mark.parametrize(
    ("cores", "gigabytes", "gpus", "wanted", "tasks", "expected"),
    [
        (2, 8, (), 2, 9, (2, 1)),
        (8, 8, (), 3, 9, (3, 2)),
        (2, 8, (), 5, 9, (5, 1)),
        (8, 8, (), 4, 2, (2, 4)),
        (2, 8, (), "auto", 9, (2, 1)),
        (8, 8, (), "auto", 3, (3, 2)),
        (8, 3.5, (), "auto", 9, (3, 2)),
        (8, 0.5, (), "auto", 9, (1, 8)),
        (8, 64, ("0", "1"), "auto", 9, (2, 4)),
    ],
)
def test_cores_and_memory_are_divided(machine, cores, gigabytes, gpus, wanted, tasks, expected):
    machine(cores, gigabytes, gpus)
    chosen = staff.choose(wanted, list(range(tasks)), Craft(*[1e9] * tasks), Settings())
    assert (chosen.count, chosen.threads) == expected
    assert chosen.memory * chosen.count == pytest.approx(gigabytes * 1e9)
    variables = chosen.environment(0)
    assert variables[processors.THREADS] == str(expected[1])
    assert float(variables[room.SHARE]) == chosen.memory
    assert [chosen.environment(n).get(staff.VISIBLE) for n in range(2)] == list(gpus or (None,) * 2)


@pytest.mark.parametrize(
    ("visible", "package", "expected"),
    [
        (None, "tensorflow", ("0", "1")),
        ("1", "tensorflow", ("1",)),
        ("", "tensorflow", ()),
        ("-1", "tensorflow", ()),
        (None, "tensorflow-cpu", ()),
    ],
)
def test_gpus_are_those_that_tensorflow_may_use(monkeypatch, tmp_path, visible, package, expected):
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(staff, "GPUS", tmp_path)
    monkeypatch.setattr(staff.metadata, "distributions", lambda name: [name] * (name == package))
    monkeypatch.delenv(staff.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(staff.VISIBLE, visible)
    assert staff.list_gpus() == expected


def test_what_several_workers_say_is_said_once():
    def script(assignment):
        for event in (Notice("no GPU"), Downloading(0, None), Downloading(5, None)):
            yield assignment.id, event
        yield from finish(assignment)

    _, events = perform(3, script)
    said = [event.text.partition(": ")[2] for event in of_kind(events, Notice)]
    assert said == ["no GPU", "the weights are downloaded"]


def test_a_picture_that_cannot_be_read_does_not_decide(machine):
    machine(4, 2.5)
    broken = SettingsError("too small")
    assert staff.choose("auto", [0, 1, 2], Craft(broken, 1e9, 1e9), Settings()).count == 2
    with pytest.raises(SettingsError, match="too small"):
        staff.choose("auto", [0, 1, 2], Craft(broken, broken, broken), Settings())


def test_the_users_number_of_threads_stays(machine, monkeypatch):
    machine(8, 8)
    monkeypatch.setenv(processors.THREADS, "3")
    chosen = staff.choose(2, [0, 1, 2], Craft(), Settings())
    assert chosen.threads == 3 and "3 threads" in chosen.text
    assert processors.name() == "CPU, 3 threads"


def test_a_worker_takes_its_share_of_the_memory(monkeypatch):
    monkeypatch.setenv(room.SHARE, "1e9")
    assert room.find_budget("4GB") == room.find_budget("auto") == 1e9
    assert room.find_budget("900MB") == 9e8


def test_threads_are_those_that_tensorflow_takes(monkeypatch):
    monkeypatch.setenv(processors.THREADS, "1")
    assert processors.name() == "CPU, 1 thread"
    for text in ("0", "", "many"):
        monkeypatch.setenv(processors.THREADS, text)
        assert processors.threads() == processors.count()
