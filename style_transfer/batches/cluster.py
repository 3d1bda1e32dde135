"""Workers on several machines, by Ray: actors, each of which keeps its compiled engine.

An actor says and hears what a process says and hears over its pipe, see `desk`; so `dispatch` has
one loop for both. Actors rather than tasks: Ray would start a process for each core, and each would
come to hold TensorFlow; those with a GPU would be started anew for every picture.
"""

import os
import queue
import re
import threading
import time
import traceback
from pathlib import Path

import style_transfer
from style_transfer import files
from style_transfer.batches import worker
from style_transfer.batches.processes import Gone
from style_transfer.batches.staff import Staff
from style_transfer.errors import SettingsError
from style_transfer.optimization import processors, room
from style_transfer.optimization.events import Iterate, Planned

INSTALL = "python -m pip install 'ray>=2.60'"
COLOR = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal, in Ray's messages
LONGEST = 200  # characters of one
LOCAL = "local"  # in place of an address: Ray is started on this machine, for this run
STORE = 100_000_000  # bytes of shared memory then: all that is sent are messages
SECONDS = 5.0  # that iterates wait for more to be said
ROOT = Path(style_transfer.__file__).resolve().parent.parent
LEFT_OUT = [".git", ".venv", "__pycache__", *("/data/input/", "/data/output/", "/docs/", "/tests/")]
OPEN = "RAY_AUTH_MODE is not token: whoever reaches that cluster can run programs on it"
KEPT = ("KERAS_BACKEND", "TF_DETERMINISTIC_OPS")  # variables that the bytes depend on


class Painter:
    """What an actor is: a thread that paints, and two queues in the place of a pipe.

    Args:
        craft: of `worker.serve`.
        folder: where paths begin, if it is there on this machine, too.
        threads: to compute with.
        memory: the setting, of which it gets its share.
        variables: of the environment, by name.
    """

    def __init__(self, craft, folder, threads, memory, variables):
        if os.path.isdir(folder):  # else all paths have to be addresses
            os.chdir(folder)
        share = room.find_budget(memory) * min(1.0, threads / processors.count())
        own = {processors.THREADS: str(threads), room.SHARE: str(share)}
        os.environ.update(variables | own)
        self.craft = craft
        self.inbox, self.outbox = queue.SimpleQueue(), queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        """Paint what comes; what goes wrong beyond a picture ends the actor."""
        try:
            worker.serve(self, self.craft)
        except BaseException:  # of a thread: nobody else would notice
            traceback.print_exc()
            os._exit(1)

    def recv(self):
        """Wait for a message from the driver."""
        return self.inbox.get()

    def send(self, message):
        """Say something to the driver."""
        self.outbox.put(message)

    def tell(self, message):
        """Take in a message from the driver."""
        self.inbox.put(message)

    def hear(self, *messages):
        """Take in messages; wait until something is said, and return all of it.

        What only tells how far a picture is waits for more: a call costs the driver a millisecond,
        and a thousand actors would say an iterate a second.
        """
        for message in messages:
            self.tell(message)
        said, end = [self.outbox.get()], time.monotonic() + SECONDS
        while isinstance(said[-1][1], Planned | Iterate):
            try:
                said.append(self.outbox.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                break
        return said


class Remote:
    """The driver's handle of an actor; `ray` is the module."""

    def __init__(self, actor, ray):
        self.actor, self.ray = actor, ray
        self.heard = None  # what it will have said, once it is listened to

    def send(self, message):
        """Send a message; that the actor is gone is noticed when it is listened to."""
        if self.heard is None:  # one call for both
            self.heard = self.actor.hear.remote(message)
        else:
            self.actor.tell.remote(message)

    def listen(self):
        """Return Ray's reference to what it says next."""
        if self.heard is None:
            self.heard = self.actor.hear.remote()
        return self.heard

    def receive(self):
        """Return the messages that are there, as a list, or `Gone` as the last."""
        heard, self.heard = self.heard, None
        try:
            return self.ray.get(heard)
        except self.ray.exceptions.RayError as error:
            self.kill()
            return [Gone(f"its worker is gone ({explain(error)})")]

    def kill(self):
        """End the actor at once. What lies on the disk is whole."""
        self.ray.kill(self.actor)


class Crew:
    """Workers that are actors of a cluster, see `dispatch`.

    Args:
        address: of the cluster, see `connect`.
        craft: of `worker.serve`.
        wanted: how many workers; None or `auto`: one a GPU, or one for so many cores as
            TF_NUM_INTRAOP_THREADS says, else for each.
        tasks: how many there are to do.
        settings: `memory`, of a machine.
        is_verbose: whether what the actors print is shown.

    Raises:
        SettingsError: Ray is missing, or the cluster does not answer, or has no core.
    """

    def __init__(self, address, craft, wanted, tasks, settings, *, is_verbose=False):
        self.ray = connect(address, is_verbose=is_verbose)
        self.craft, self.memory = craft, settings.memory
        staff = self.staff = choose(self.ray.nodes(), wanted, tasks)
        self.count, self.lines = staff.count, (f"{address}: {staff.text}",)
        # Ray itself does so for what it starts here. It has to be the same on all sides.
        if address != LOCAL and os.environ.get("RAY_AUTH_MODE") != "token":
            self.lines += (OPEN,)
        kind = self.ray.remote(Painter)
        # Two calls at once: while it is heard it has to be told things.
        self.actor = kind.options(
            num_cpus=staff.threads, num_gpus=len(staff.gpus), max_concurrency=2, max_restarts=0
        )

    def hire(self):
        """Start an actor; where there is no room for it yet, it is as one that loads."""
        variables = {name: os.environ[name] for name in KEPT if name in os.environ}
        arguments = self.craft, os.getcwd(), self.staff.threads, self.memory, variables
        return Remote(self.actor.remote(*arguments), self.ray)

    def listen(self, workers, seconds):
        """Wait until workers say something; see `dispatch`."""
        by = {each.listen(): each for each in workers}
        if not self.ray.wait(list(by), timeout=seconds)[0]:
            return []
        ready, _ = self.ray.wait(list(by), num_returns=len(by), timeout=0)
        return [(by[each], message) for each in ready for message in by[each].receive()]


def connect(address, *, is_verbose):
    """Connect to a cluster; return the module `ray`.

    Args:
        address: `HOST:PORT` of its head, `auto` for that of this machine, `local` to start one.

    Raises:
        SettingsError: see `Crew`.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError:
        raise SettingsError(f"--cluster needs Ray; install it with: {INSTALL}") from None
    options = {"include_dashboard": False, "object_store_memory": STORE}
    try:
        ray.init(
            address,
            log_to_driver=is_verbose,
            logging_level="ERROR",
            runtime_env=ship(),
            **(options if address == LOCAL else {}),
        )
    except (ConnectionError, TimeoutError, ValueError, RuntimeError, OSError) as error:
        reason = explain(error)
        remedy = "start it with: ray start --head, or name its HOST:PORT"
        raise SettingsError(f"--cluster: {address} does not answer ({reason}); {remedy}") from None
    return ray


def ship():
    """Return Ray's words for the code that the machines need: this checkout, without its data.

    Where the program is installed as a package, it has to be so everywhere.
    """
    is_checkout = (ROOT / "pyproject.toml").exists()
    return {"working_dir": str(ROOT), "excludes": LEFT_OUT} if is_checkout else {}


def choose(nodes, wanted, tasks):
    """Choose how many workers there are to be.

    Args:
        nodes: as `ray.nodes` lists them.
        wanted, tasks: see `Crew`.

    Raises:
        SettingsError: there is no core, and no number is wanted.
    """
    there = [each["Resources"] for each in nodes if each["Alive"]]
    cores = [int(each["CPU"]) for each in there if each.get("CPU", 0) >= 1]
    gpus = int(sum(each.get("GPU", 0) for each in there))
    if not (cores or isinstance(wanted, int)):  # one that grows begins with none
        raise SettingsError("--cluster: none of its machines has a core yet; add --workers N")
    told = processors.threads() if os.environ.get(processors.THREADS) else None
    count = wanted if isinstance(wanted, int) else gpus or sum(cores) // (told or 1)
    count = max(1, min(count, tasks))
    threads = min([told or max(1, sum(cores) // count), *cores])
    machines = "1 machine" if len(cores) == 1 else f"{len(cores)} machines"
    reason = f"{machines}, {sum(cores)} cores" + (f", {gpus} GPUs" if gpus else "")
    return Staff(count, threads, None, ("any",) if gpus else (), reason)


def explain(error):
    """Return what an error of Ray says, in a line: the first, or of what went wrong, the last."""
    lines = [line.strip() for line in COLOR.sub("", str(error)).splitlines() if line.strip()]
    said = lines or [type(error).__name__]
    return files.printable(said[-1 if "error raised" in said[0] else 0])[:LONGEST].rstrip(".")
