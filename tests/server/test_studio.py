"""The server as a process, and the one that paints: kills, restarts, the queue, the same bytes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import standin
from conftest import ROOT, call
from served import LONG, QUICK, Server, make_pictures


@pytest.fixture
def server(begin, tmp_path):
    return Server(begin, make_pictures(tmp_path / "place"))


def worker_of(server):
    """Return the process that paints."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    found = (each for each in children if each.status() != psutil.STATUS_ZOMBIE)
    return next((each for each in found if "spawn_main" in " ".join(each.cmdline())), None)


def results(folder):
    """Return the bytes of all that must not depend on what happened on the way."""
    frames = sorted((folder / "frames").glob("*.png"))
    paths = [folder / "result.png", folder / "losses.csv", *frames]
    return {path.name: path.read_bytes() for path in paths}


def check_as_by_hand(server, identity):
    """Check that the command which the page shows makes the same bytes."""
    words = server.words(identity)
    outcome = call(server.place, *words, "-o", "by-hand", "--overwrite")
    assert outcome.returncode == 0, outcome.stderr
    assert results(server.folder(identity)) == results(server.place / "by-hand")


def in_the_middle(order):
    assert order["state"] in ("waiting", "running"), order
    return (order.get("epoch") or 0) >= 3


def test_what_answers_never_loads_tensorflow():
    program = (
        "import sys; import style_transfer.commands.web, style_transfer.server.application;"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_a_painted_picture_is_the_command_lines(server):
    identity = server.order(**QUICK, style_weight=12.5, preserve_color="symmetric")
    order = server.wait_until_ended(identity)
    assert (order["state"], order["frame"], len(order["curve"])) == ("finished", 2, 7)
    assert "--beta 12.5" in " ".join(server.words(identity))
    check_as_by_hand(server, identity)


def test_an_instant_picture_is_the_command_lines(server):
    identity = server.order("instant", size=64, strength="0.3")
    assert server.wait_until_ended(identity)["state"] == "finished"
    outcome = call(server.place, *server.words(identity), "-o", "by-hand.png")
    assert outcome.returncode == 0, outcome.stderr
    result = (server.folder(identity) / "result.png").read_bytes()
    assert result == (server.place / "by-hand.png").read_bytes()
    assert server.ask("GET", f"/jobs/{identity}/result.png")[1] == result


def test_progress_is_told(server):
    identity = server.order(**LONG)
    order = server.wait_for(identity, in_the_middle)
    assert (order["phase"], order["epochs"], order["steps"]) == ("painting", 16, 160)
    assert order["seconds_left"] > 0
    assert order["terms"] == ["content", "style", "total_variation", "total"]
    assert len(order["losses"]) == 4 and order["losses"][3] == pytest.approx(
        sum(order["losses"][:3])
    )
    steps = [step for step, _ in order["curve"]]
    assert steps[0] == 0 and steps == sorted(steps) and steps[-1] == order["step"]


def test_the_worker_is_killed_and_the_run_goes_on(server):
    identity = server.order(**LONG)
    server.wait_for(identity, in_the_middle)
    before = worker_of(server)
    before.kill()
    order = server.wait_until_ended(identity)
    assert order["state"] == "finished", order
    assert worker_of(server).pid != before.pid
    check_as_by_hand(server, identity)


def test_a_worker_that_dies_again_and_again_fails_with_a_reason(server):
    identity = server.order(size=288, enlarge=True, init="content")  # a second for each step
    killed = None
    for _ in range(2):
        while (worker := worker_of(server)) in (None, killed):
            time.sleep(0.05)
        server.wait_for(identity, lambda order: order.get("phase") == "painting")
        worker.kill()
        killed = worker
    order = server.wait_until_ended(identity)
    assert order["state"] == "failed" and "memory runs out" in order["error"]
    second = server.order(**QUICK)
    assert server.wait_until_ended(second)["state"] == "finished"


def test_the_server_is_killed_and_the_next_one_goes_on(server, begin):
    identity, waiting = server.order(**LONG), server.order(**QUICK)
    server.wait_for(identity, in_the_middle)
    worker = worker_of(server)
    server.end(signal.SIGKILL)
    worker.wait(10)  # it does not outlive the server
    again = Server(begin, server.place)
    assert again.headers["Cookie"].partition("=")[2] == server.headers["Cookie"].partition("=")[2]
    states = {each["id"]: each["state"] for each in again.ask("GET", "/jobs")[1]["jobs"]}
    assert states.keys() == {identity, waiting} and states[identity] in ("waiting", "running")
    assert again.wait_until_ended(identity)["state"] == "finished"
    assert again.wait_until_ended(waiting)["state"] == "finished"
    check_as_by_hand(again, identity)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly(server, number):
    out, errors = server.end(number)
    assert "Traceback" not in errors + out
    assert server.process.returncode in (0, 130)


def test_stopped_it_keeps_the_picture_and_can_go_on(server):
    identity = server.order(**LONG)
    server.wait_for(identity, in_the_middle)
    assert server.ask("POST", f"/jobs/{identity}/stop")[0] == 200
    order = server.wait_until_ended(identity)
    assert order["state"] == "stopped" and 3 <= order["frame"] < 16
    status, picture = server.ask("GET", f"/jobs/{identity}/result.png")
    assert status == 200 and picture == (server.folder(identity) / "result.png").read_bytes()
    assert server.ask("POST", f"/jobs/{identity}/resume")[0] == 200
    assert server.wait_until_ended(identity)["state"] == "finished"
    check_as_by_hand(server, identity)


def test_more_epochs_are_as_if_they_had_been_asked_for_at_once(server):
    identity = server.order(**QUICK | {"patience": 0})
    server.wait_until_ended(identity)
    assert server.ask("POST", f"/jobs/{identity}/resume", {"epochs": 1})[0] == 400
    assert server.ask("POST", f"/jobs/{identity}/resume", {"epochs": 5})[0] == 200
    order = server.wait_for(identity, lambda order: order["frame"] == 5)
    order = server.wait_until_ended(identity)
    assert (order["state"], order["frame"]) == ("finished", 5)
    assert "--epochs 5" in " ".join(server.words(identity))
    frames = [f"frames/epoch_{epoch:04}.png" for epoch in range(6)]
    outcome = call(server.place, *server.words(identity), "-o", "by-hand")
    assert outcome.returncode == 0, outcome.stderr
    for name in frames:
        whole = (server.place / "by-hand" / name).read_bytes()
        assert (server.folder(identity) / name).read_bytes() == whole


def test_a_pause_puts_back_what_is_under_way(server, begin):
    first, second = server.order(**LONG), server.order(**QUICK)
    server.wait_for(first, in_the_middle)
    assert server.ask("POST", "/queue/pause") == (200, {"paused": True})
    order = server.wait_for(first, lambda order: order["state"] != "running")
    assert (order["state"], order["place"]) == ("waiting", 1)
    server.end(signal.SIGKILL)
    again = Server(begin, server.place)  # a restart does not end the pause
    time.sleep(0.5)
    assert [again.look(each)["state"] for each in (first, second)] == ["waiting", "waiting"]
    assert again.ask("POST", "/queue/go") == (200, {"paused": False})
    assert again.wait_until_ended(second)["state"] == "finished"
    assert again.look(first)["state"] == "finished"  # it was before the other
    check_as_by_hand(again, first)


def test_one_pass_goes_between_the_steps_of_a_painting(server):
    long = server.order(**LONG)
    server.wait_for(long, in_the_middle)
    instant = server.order("instant", size=64)
    assert server.wait_until_ended(instant)["state"] == "finished"
    assert server.look(long)["state"] == "running"
    assert server.wait_until_ended(long)["state"] == "finished"
    check_as_by_hand(server, long)


def test_a_worker_that_does_not_stop_is_killed(begin, tmp_path, monkeypatch):
    """A step of a second is no reason; a worker that hangs is."""
    monkeypatch.setenv(standin.PATIENCE, "3")
    server = Server(begin, make_pictures(tmp_path / "place"))
    identity = server.order(size=288, enlarge=True, init="content")
    server.wait_for(identity, lambda order: order.get("phase") == "painting")
    hangs = worker_of(server)
    hangs.suspend()
    server.ask("POST", f"/jobs/{identity}/stop")
    order = server.wait_until_ended(identity)
    assert order["state"] == "stopped"
    assert not hangs.is_running()


def test_a_failure_has_its_reason_and_the_next_order_is_painted(server):
    server.ask("POST", "/queue/pause")
    first, second = server.order(**QUICK), server.order("instant", size=64)
    photo = next(Path(word) for word in server.words(first) if word.endswith(".png"))
    kept = (server.place / photo).read_bytes()
    (server.place / photo).write_bytes(kept[: len(kept) // 2])
    server.ask("POST", "/queue/go")
    for identity in (first, second):
        order = server.wait_until_ended(identity)
        assert order["state"] == "failed" and "damaged" in order["error"]
    (server.place / photo).write_bytes(kept)
    assert server.ask("POST", f"/jobs/{first}/resume")[0] == 200
    assert server.wait_until_ended(first)["state"] == "finished"


def test_clients_that_are_slow_or_vanish_hold_nobody_up(server):
    """More of them than the server has threads: half a request, and an answer never taken."""
    identity = server.order("instant", size=64)
    server.wait_until_ended(identity)
    head = f"Host: 127.0.0.1:{server.port}\r\nCookie: {server.headers['Cookie']}\r\n"
    upload = f"POST /pictures HTTP/1.1\r\n{head}Content-Type: image/png\r\nContent-Length: 9999\r\n"
    begun = [f"GET / HTTP/1.1\r\n{head}", f"{upload}\r\nhalf a picture"]
    begun += [f"GET /jobs/{identity}/result.png HTTP/1.1\r\n{head}\r\n"]
    sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    for each, text in zip(sockets, begun * 10):
        each.sendall(text.encode())
    begin = time.monotonic()
    assert server.ask("GET", "/jobs")[0] == 200
    for each in sockets:
        each.close()
    assert server.ask("GET", "/jobs")[0] == 200
    assert time.monotonic() - begin < 30  # the server gives up on them after 60


@pytest.mark.skipif(os.name == "nt", reason="needs ulimit")
def test_a_disk_that_is_full_while_it_paints_is_said_and_nothing_is_lost(begin, tmp_path):
    """No file may have more than 200 kB: the checkpoint of the stand-in has 1.5 MB."""
    place = make_pictures(tmp_path / "place")

    def begin_limited(folder, *arguments, program):
        limited = ("bash", "-c", 'ulimit -f 200; exec "$0" "$@"', *program)
        return begin(folder, *arguments, program=limited)

    limited = Server(begin_limited, place)
    identity = limited.order(**QUICK)
    order = limited.wait_until_ended(identity)
    assert order["state"] == "failed" and "bytes needed" in order["error"]
    assert "free some space" in order["error"] and "checkpoint" not in order["error"]
    assert limited.ask("GET", f"/jobs/{identity}/easel")[0] == 200
    limited.end(signal.SIGKILL)
    again = Server(begin, place)
    assert again.ask("POST", f"/jobs/{identity}/resume")[0] == 200
    assert again.wait_until_ended(identity)["state"] == "finished"
    check_as_by_hand(again, identity)
