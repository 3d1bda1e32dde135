"""Where the seconds and the memory of whole runs of the program go."""

import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# TensorFlow is imported only where it computes: a child's peak memory, as the system reports
# it, is never below that of the process that started it.

PROGRAM = (sys.executable, str(Path(__file__).resolve().parent.parent / "main.py"))
IMPORT = (sys.executable, "-c", "import tensorflow")
PROBES = 3  # evaluations timed between two iterates of a run


def build_arguments(pair, network, folder, *, size, epochs, steps):
    """Return the command line of a run, without the program.

    Args:
        pair: paths of photo and painting.
        network: what `--weights` takes.
        folder: for the run.
    """
    content, style = pair
    options = dict(content=content, style=style, weights=network, output=folder)
    options |= dict(size=size, epochs=epochs, steps=steps)
    pairs = ((f"--{name}", str(value)) for name, value in options.items())
    return [*(text for pair in pairs for text in pair), "--enlarge", "--overwrite"]


def measure_start(arguments):
    """Run the program, and see when it says what.

    Args:
        arguments: from `build_arguments`.

    Returns:
        (line, seconds since the start of the process) for each line on standard error and, as
        `end`, for the end of the process.
    """
    begin = time.perf_counter()
    command = [*PROGRAM, *arguments]
    pipes = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        moments = [(line.strip(), time.perf_counter() - begin) for line in process.stderr]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=moments)
    return [*moments, ("end", time.perf_counter() - begin)]


def measure_import():
    """Return the seconds that a process takes to import TensorFlow and do nothing else."""
    begin = time.perf_counter()
    subprocess.run(IMPORT, check=True)
    return time.perf_counter() - begin


def measure_memory(command):
    """Return the peak resident memory of a process in GB (10⁹ bytes); on Linux and macOS."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return usage.ru_maxrss * unit / 1e9


class Ledger:
    """Where the seconds of a run go, seen from outside its loop.

    Between two iterates, off the clock, it times the evaluation that the loop uses just then,
    alone. What the loop's steps took beyond that is the optimizer's and the clipping's.
    """

    def __init__(self):
        self.loop = self.saving = self.evaluations = self.optimizer = 0.0
        self.entered = self.left = None  # on the clock of `time.perf_counter`
        self.evaluate = None

    def watch(self, run):
        """Wrap the generator `transfer.Transfer.run`, so that the ledger sees the time pass."""

        def watched(job, **options):
            self.entered = begin = time.perf_counter()
            for iterate in run(job, **options):
                self.loop += time.perf_counter() - begin
                self.book(iterate, job.training)
                begin = time.perf_counter()
                yield iterate
                self.left = time.perf_counter()
                self.saving += self.left - begin
                begin = self.left

        return watched

    def book(self, iterate, training):
        """Book the evaluations that led to an iterate, and what its steps took beyond them."""
        if self.evaluate is None:
            self.evaluate = build_evaluation(training)
            time_evaluation(self.evaluate, training)  # builds the graph
        times = [time_evaluation(self.evaluate, training) for _ in range(PROBES)]
        evaluation = statistics.median(times)
        if iterate.seconds_per_step is not None:
            count = len(iterate.losses)
            self.evaluations += count * evaluation
            self.optimizer += count * (iterate.seconds_per_step - evaluation)


def build_evaluation(training):
    """Compile the evaluation of a training, for pictures of all sizes."""
    import tensorflow as tf

    return tf.function(training.evaluate, reduce_retracing=True)


def time_evaluation(evaluate, training):
    """Return the seconds that one evaluation of a training's image takes."""
    begin = time.perf_counter()
    evaluate(training.state["image"], training.targets)[0].numpy()
    return time.perf_counter() - begin


def measure_shares(arguments):
    """Run the program in this process, with a ledger.

    Returns:
        From what it was spent on to seconds. All but the first and the last are the loop.
    """
    import main
    from style_transfer.optimization import transfer

    ledger, original = Ledger(), transfer.Transfer.run
    transfer.Transfer.run = ledger.watch(original)
    try:
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main.command.main(arguments, standalone_mode=False)
        end = time.perf_counter()
    finally:
        transfer.Transfer.run = original
    steps = ledger.evaluations + ledger.optimizer
    return {
        "before: pictures, network, first steps to plan by": ledger.entered - begin,
        "evaluations": ledger.evaluations,
        "optimizer and clipping": ledger.optimizer,
        "entering sizes and phases: targets, evaluations anew": ledger.loop - steps,
        "snapshots, losses, progress": ledger.saving,
        "after: result, curves, animation": end - ledger.left,
    }


@contextlib.contextmanager
def empty_folder():
    """Yield the path of a folder for a run, which is removed with it."""
    with tempfile.TemporaryDirectory() as parent:
        yield Path(parent) / "run"
