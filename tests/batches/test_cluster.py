"""A batch on a cluster of Ray: two nodes of one core here, and what goes wrong there."""

import os
import secrets
import signal
import sys
from pathlib import Path

import psutil
import pytest
from conftest import call, paint, refused, wait_until

from style_transfer.batches import cluster
from style_transfer.errors import SettingsError
from style_transfer.optimization import processors
from style_transfer.optimization.events import Iterate, Saved

PROGRAM = (sys.executable, str(Path(__file__).with_name("clustered.py")))
PHOTOS, POISON = 12, "poison"
RUN = ("--size", "64", "--epochs", "4", "--steps", "25", "--patience", "0", "--keep", "result")
SMALL = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def nodes():
    """A running cluster, and its second node."""
    here = Path(__file__).parent
    given = {"RAY_USAGE_STATS_ENABLED": "0", "STAND_IN_POISON": POISON}
    given["RAY_health_check_period_ms"] = "300"  # a node that is gone is missed in a tenth of 15 s
    given |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    given["PYTHONPATH"] = os.pathsep.join(map(str, (here, here.parent)))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        pytest.importorskip("ray")
        from ray.cluster_utils import Cluster

        running = Cluster(initialize_head=True, head_node_args=SMALL | {"include_dashboard": False})
        yield running, running.add_node(**SMALL)
        running.shutdown()


@pytest.fixture(scope="module")
def album(tmp_path_factory, small_weights):
    """A folder with photos, the flags that name them, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("album")
    for place in ("photos", "poisoned"):
        (folder / place).mkdir()
    for number in range(PHOTOS):
        paint(folder / "photos" / f"photo{number:02}.png", number)
    for name in ("one", POISON, "two"):
        paint(folder / "poisoned" / f"{name}.png", 1)
    paint(folder / "painting.png", 88)
    flags = ("-s", "painting.png", "--weights", small_weights, *RUN)
    outcome = call(folder, "-c", "photos", *flags, "-o", "alone")
    assert outcome.returncode == 0, outcome.stderr
    return folder, flags, results(folder / "alone")


def results(folder):
    """Return the bytes of the pictures of the runs in a folder, by name."""
    return {path.parent.name: path.read_bytes() for path in folder.glob("*/result.png")}


def finished(folder):
    """Return when the pictures were written of the runs that left no checkpoint, by name."""
    runs = [path.parent for path in folder.glob("*/result.png")]
    done = [run for run in runs if not (run / "checkpoint.npz").exists()]
    return {run.name: (run / "result.png").stat().st_mtime_ns for run in done}


def begun(folder):
    """Return the numbers of the processes that hold the locks of runs with a checkpoint."""
    runs = [path.parent for path in folder.glob("*/checkpoint.npz")]
    return [int((run / ".lock").read_text().split()[1]) for run in runs]


def actors(nodes):
    """Return the processes of this cluster that paint."""
    raylets = {each.process.pid for node in nodes for each in node.all_processes["raylet"]}
    found = []
    for each in psutil.process_iter():
        try:
            is_own = each.ppid() in raylets
            if is_own and " ".join(each.cmdline()).startswith("ray::Painter"):
                found.append(each)
        except psutil.Error:  # it has just ended
            continue
    return found


def test_deaths_of_a_worker_a_driver_and_a_node_cost_nothing(nodes, album, begin):
    (running, second), (folder, flags, alone) = nodes, album
    out = folder / "out"
    command = ("-c", "photos", *flags, "-o", "out", "--cluster", running.address)
    driver = begin(folder, *command, program=PROGRAM)
    victims = []
    wait_until(driver, lambda: len(finished(out)) >= 2 and (victims.extend(begun(out)) or victims))
    victim = psutil.Process(victims[0])
    assert victim in actors([running.head_node, second])
    victim.kill()
    wait_until(driver, lambda: len(finished(out)) >= 4)
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 128 + signal.SIGINT, errors
    assert "another one goes on with it" in errors and "the same command goes on" in errors
    before = finished(out)
    assert 4 <= len(before) < PHOTOS
    driver = begin(folder, *command, program=PROGRAM)
    wait_until(driver, lambda: len(finished(out)) >= len(before) + 2)
    running.remove_node(second, allow_graceful=False)
    _, errors = driver.communicate(timeout=90)
    assert driver.returncode == 0, errors
    # One more, where the node vanished between the end of a picture and the word of it.
    assert errors.count("done before") in (len(before), len(before) + 1)
    assert results(out) == alone
    assert before.items() <= finished(out).items()


def test_a_poisoned_picture_is_given_up_and_the_others_are_painted(nodes, album):
    folder, flags, _ = album
    command = ("-c", "poisoned", *flags, "-o", "given-up", "--cluster", nodes[0].address)
    outcome = call(folder, *command, program=PROGRAM)
    assert outcome.returncode == 1
    assert f"1 of 3 runs failed ({POISON}: given up after 3 tries" in outcome.stderr
    assert results(folder / "given-up").keys() == {"one", "two"}
    assert not actors([nodes[0].head_node])


def test_without_ray_a_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match="python -m pip install 'ray>="):
        cluster.connect("local", is_verbose=False)


def test_a_cluster_that_is_not_there_is_named(album):
    pytest.importorskip("ray")
    folder, flags, _ = album
    command = ("-c", "photos", *flags, "--cluster", "nowhere")
    refused(call(folder, *command), "--cluster: nowhere", "ray start --head")
    single = ("-c", "photos/photo00.png", *flags, "--cluster", "nowhere")
    refused(call(folder, *single), "--cluster", "several")


def node(cores, gpus=0, alive=True):
    return {"Alive": alive, "Resources": {"CPU": cores, "GPU": gpus} if cores else {}}


@pytest.mark.parametrize(
    ("nodes", "told", "wanted", "tasks", "expected"),
    [
        ([node(4.0), node(4.0)], None, None, 99, (8, 1)),
        ([node(4.0), node(4.0)], "2", "auto", 99, (4, 2)),
        ([node(4.0), node(4.0)], None, 2, 99, (2, 4)),
        ([node(4.0), node(2.0), node(0)], None, 1, 99, (1, 2)),  # what fits on any of them
        ([node(4.0), node(64.0, alive=False)], None, None, 99, (4, 1)),
        ([node(8.0, 2), node(8.0, 2)], None, None, 99, (4, 4)),
        ([node(4.0)], None, None, 3, (3, 1)),
        ([node(0)], None, 8, 99, (8, 1)),  # one that grows
    ],
)
def test_workers_fit_the_machines(monkeypatch, nodes, told, wanted, tasks, expected):
    monkeypatch.delenv(processors.THREADS, raising=False)
    if told:
        monkeypatch.setenv(processors.THREADS, told)
    chosen = cluster.choose(nodes, wanted, tasks)
    assert (chosen.count, chosen.threads) == expected
    assert bool(chosen.gpus) == any(each["Resources"].get("GPU") for each in nodes)


def test_a_cluster_without_cores_is_refused():
    with pytest.raises(SettingsError, match="--workers N"):
        cluster.choose([node(0)], None, 3)


def test_what_is_shipped_leaves_data_out():
    shipped = cluster.ship()
    assert (Path(shipped["working_dir"]) / "functions.py").exists()
    assert {"/data/output/", ".venv"} <= set(shipped["excludes"])


def test_iterates_wait_for_more_to_be_said(monkeypatch):
    """All that was said is heard, in its order, in few calls."""
    iterate, saved = Iterate(1, 1, [], [], None), Saved(Path(), Path(), True, 1)
    said = [(0, iterate), (0, iterate), (0, saved), (1, iterate)]
    monkeypatch.setattr(cluster.worker, "serve", lambda painter, craft: craft(painter))
    monkeypatch.setattr(cluster, "SECONDS", 0.05)
    monkeypatch.setattr(os, "environ", {})

    def speak(painter):
        for each in said:
            painter.send(each)
        painter.recv()

    painter = cluster.Painter(speak, "nowhere", 1, "auto", {})
    assert [painter.hear(), painter.hear()] == [said[:3], said[3:]]
    painter.tell("end")
