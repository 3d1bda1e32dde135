"""What several test modules need: pictures, a small network, the program in several ways.

`run_main` calls the program in this process, where TensorFlow is loaded once for all tests. `call`
and `begin` start it as a process with a stand-in for what computes (`standin`), and `call_real`,
where that matters, as it is. Such a process begins with its modules imported (`warm`); one that has
to import them itself, as a user's does, is had by `fresh=True`.
"""

import style_transfer  # noqa: F401  (what it tells NumPy has to be told before that is loaded)

# isort: split
import contextlib
import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from processes import MAIN, STAND_IN, Servers, open_process

from style_transfer.feedforward import apply
from style_transfer.method.architecture import VGG19
from style_transfer.networks import weights
from style_transfer.optimization import job

ROOT = Path(__file__).resolve().parent.parent
SMALL_WIDTHS = (4, 6, 8, 8, 8)
SMALL_VGG19 = dataclasses.replace(VGG19, widths=SMALL_WIDTHS)
# fmt: off
#: The files that take longest, the longest first, without ".py".
LONGEST = (
    "server/test_studio_page", "commands/test_train", "server/test_studio",
    "feedforward/test_training", "commands/test_video", "test_storage", "commands/test_resume",
    "test_main", "batches/test_cluster", "test_notebooks", "optimization/test_tiling",
    "batches/test_workers", "batches/test_sweep", "feedforward/test_backends",
    "batches/test_shards", "feedforward/test_whole", "commands/test_styles", "video/test_loss",
    "feedforward/test_replicas", "batches/test_threads", "commands/test_faults",
)
# fmt: on
# As the program sets them, before TensorFlow is imported.
os.environ["TF_DETERMINISTIC_OPS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_configure():
    """Hear Ctrl-C and SIGHUP, so that the processes which tests start and signal do.

    Shells ignore the one in what they run in the background, nohup the other, and it is inherited.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that no process is left with one in the end."""
    places = {ROOT / "tests" / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_unconfigure():
    """End the processes that others were forked of."""
    Servers.end()


@pytest.fixture(scope="session", autouse=True)
def no_downloaded_weights(tmp_path_factory):
    """Let no test find, or fetch, what lies in the user's own cache of Keras."""
    os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    Servers.environment = dict(os.environ)


def paint(path, seed, size=(64, 48)):
    """Save a picture of smooth random colors."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def content(tmp_path):
    """A photo, 64×48."""
    return paint(tmp_path / "photo.png", 1)


@pytest.fixture
def style(tmp_path):
    """A painting, 72×60."""
    return paint(tmp_path / "painting.png", 2, (72, 60))


class Watched:
    """A device that knows whether it computes; a function may be watched that must not elsewhere.

    Attributes:
        depth: of the scopes that are open.
        seen: names of the functions that were called.
    """

    name, notice, is_gpu = "CPU of the test", "the GPU of the test cannot compute", False

    def __init__(self, monkeypatch):
        self.patch, self.depth, self.seen = monkeypatch, 0, set()

    @contextlib.contextmanager
    def scope(self):
        self.depth += 1
        yield
        self.depth -= 1

    def watch(self, place, name):
        function = getattr(place, name)

        def call(*arguments, **keywords):
            assert self.depth, f"{name} computes elsewhere"
            self.seen.add(name)
            return function(*arguments, **keywords)

        self.patch.setattr(place, name, call)


@pytest.fixture
def watched(monkeypatch):
    """A `Watched`."""
    return Watched(monkeypatch)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """A weights file of a very narrow network, so that a run takes seconds."""
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    weights.write(path, weights.draw(0, SMALL_VGG19).layers)
    return path


class Engines:
    """The last engines of all runs in this process: to build one takes longer than a run here."""

    kept = []

    def get(self, network, settings, *more, build=None):
        """See `job.Engines.get`."""
        from style_transfer.optimization import engine

        build = build or engine.Engine
        key = build, network.sha256, engine.compiled_part(settings), more
        found = next((each for other, each in self.kept if other == key), None)
        found = found or build(network, settings, *more)
        others = [each for each in self.kept if each[1] is not found]
        self.kept[:] = [(key, found), *others][:4]
        return found


networks = {}  # trained ones that were painted with in this process, by the content of their file


def load_network(settings, model, load=apply.load_network):
    """See `apply.load_network`: what a trained one has compiled serves the next run, too."""
    if model is None:
        return load(settings, model)
    if model.sha256 not in networks:
        networks[model.sha256] = load(settings, model)
    return networks[model.sha256]


def run_here(folder, *arguments, env=None):
    """Run `python main.py` in a folder, in this process; return what a process would."""
    import main

    streams = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["main.py", *map(str, arguments)])
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        patch.setattr(job, "Engines", Engines)
        patch.setattr(apply, "load_network", load_network)
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            try:
                status = main.main()
            except SystemExit as end:
                status = end.code
    output, errors = (stream.getvalue() for stream in streams)
    return SimpleNamespace(returncode=status or 0, stdout=output, stderr=errors)


@pytest.fixture
def run_main(tmp_path):
    """A function that runs `python main.py` in an empty folder, in this process."""
    folder = tmp_path / "cwd"
    folder.mkdir(exist_ok=True)

    def run(*arguments, **keywords):
        return run_here(folder, *arguments, **keywords)

    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; a page that is well-formed may still not move."""
    pytest.importorskip("fcntl", reason="needs a system with pipes")
    import chromium

    executable = chromium.find()
    if executable is None:
        chromium.missing("no Chromium on this machine")
    try:
        tab = chromium.Chromium(executable, tmp_path_factory.mktemp("profile"))
    except (RuntimeError, OSError) as error:
        chromium.missing(f"{executable} does not start: {error}")
    yield tab
    tab.close()


RUN = ("--size", "48", "--epochs", "8", "--steps", "25", "--scales", "40,48", "--patience", "0")


def call(folder, *arguments, program=STAND_IN, input=None, timeout=120, **keywords):
    """Run the program, with its stand-in, in a folder, to its end; see `open_process`."""
    if input is not None:
        keywords["stdin"] = subprocess.PIPE
    process = open_process(folder, *arguments, program=program, **keywords)
    with process:
        try:
            output, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def call_real(folder, *arguments, **keywords):
    """Run the program as it is in a folder, to its end."""
    return call(folder, *arguments, program=MAIN, **keywords)


@pytest.fixture
def begin():
    """`open_process`; no process outlives the test."""
    processes = []

    def start(folder, *arguments, **keywords):
        processes.append(open_process(folder, *arguments, **keywords))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def place(tmp_path_factory, small_weights):
    """A folder with the inputs, the flags that name them, and a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("place")
    paint(folder / "photo.png", 1)
    paint(folder / "painting.png", 2, (72, 60))
    inputs = ("-c", "photo.png", "-s", "painting.png", "--weights", small_weights)
    outcome = call(folder, *inputs, *RUN, "-o", "whole", fresh=True)
    assert outcome.returncode == 0, outcome.stderr
    return folder, inputs


def contents(run):
    """The bytes of all that must not depend on an interruption."""
    names = ("result.png", "losses.csv", *(f"frames/epoch_{epoch:04}.png" for epoch in range(9)))
    return {name: (run / name).read_bytes() for name in names}


def wait_until(process, condition, seconds=60):
    """Wait for a condition, or the end of the process."""
    end = time.monotonic() + seconds
    while process.poll() is None and not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def wait_for_progress(process, run):
    """Wait for a checkpoint that this process wrote, or the end of the process."""

    def written():
        try:
            return (run / "checkpoint.npz").stat().st_mtime_ns
        except FileNotFoundError:  # not yet, or just now replaced
            return 0

    before = written()
    wait_until(process, lambda: written() > before)


def refused(outcome, *words):
    """Check that bad input ended in one line with these words, and exit status 2."""
    assert outcome.returncode == 2, outcome.stderr
    assert outcome.stderr.count("\n") == 1 and "Traceback" not in outcome.stderr
    for word in words:
        assert word in outcome.stderr
    assert outcome.stdout == ""


@contextlib.contextmanager
def within(*, seconds, megabytes):
    """Fail if the block takes longer, or needs more memory, than it may."""

    def memory(name):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def stop(*_):
        raise AssertionError("it hangs")

    measured = os.access("/proc/self/clear_refs", os.W_OK)
    if measured:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = memory("VmRSS")
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    start = time.monotonic()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - start < seconds
    if measured:
        assert memory("VmHWM") - before < megabytes
