"""A process forked with its modules imported does what one does that imports them itself."""

import signal
import subprocess
import sys

import pytest
import warm
from processes import open_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others are not forked")

TELL = """
import atexit, json, multiprocessing, os, sys, threading, time
def work(): pass
if __name__ == "__main__":
    atexit.register(print, "the end")
    print(json.dumps([sys.argv, sys.path[0], __file__, os.getcwd(), dict(os.environ)]))
    print(repr(sys.stdin.read()), sys.stdout.isatty(), os.read(0, 1), flush=True)
    print("not for the output", file=sys.stderr)
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start(), process.join()
    print(process.exitcode, threading.active_count(), len(os.listdir("/proc/self/fd")))
    threading.Thread(target=lambda: (time.sleep(0.05), print("waited for"))).start()
    print("buffered", end="")
"""
ENDS = {
    "a status": "import sys; sys.exit(3)",
    "a line": "import sys; sys.exit('what is wrong')",
    "at once": "import os; print('lost', end=''); os._exit(4)",
    "an error": "1 / 0",
    "Ctrl-C": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "a closed pipe": "import sys; sys.stdout.close(); print('x')",
}


@pytest.fixture(scope="module")
def server():
    server = warm.Server(["json", "multiprocessing"], None)
    yield server
    server.end()


def both(server, path, *arguments, data=None, **keywords):
    """Run a program in both ways; return (status, output, errors) of each."""
    pipe = subprocess.PIPE
    keywords |= {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True}
    for begin in (subprocess.Popen, lambda *each, **more: warm.Popen(server, *each, **more)):
        with begin([sys.executable, str(path), *arguments], **keywords) as process:
            output, errors = process.communicate(data, timeout=60)
        yield process.returncode, output, errors


def test_it_has_what_it_was_given(server, tmp_path):
    path = tmp_path / "tell.py"
    path.write_text(TELL)
    (tmp_path / "here").mkdir()
    environment = {"NAME": "ö", "LC_ALL": "C.UTF-8"}  # without the second Python adds one
    given = {"cwd": tmp_path / "here", "env": environment, "data": "a\nb"}
    fresh, forked = both(server, path, "ä", "--flag", **given)
    assert forked == fresh
    assert fresh[0] == 0 and fresh[1].endswith("bufferedwaited for\nthe end\n")


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS.keys())
def test_it_ends_alike(server, tmp_path, text):
    path = tmp_path / "end.py"
    path.write_text(text)
    fresh, forked = both(server, path)
    assert forked[:2] == fresh[:2]
    assert forked[2].splitlines()[-3:] == fresh[2].splitlines()[-3:]  # the innermost of a traceback


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_signals_reach_it(server, tmp_path, number):
    path = tmp_path / "wait.py"
    path.write_text("import time; print('begun', flush=True); time.sleep(60)")
    command = [sys.executable, str(path)]
    with warm.Popen(server, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(number)
        assert process.wait(60) == -number


def test_what_starts_threads_when_it_is_imported_is_refused(tmp_path):
    (tmp_path / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    server = warm.Server(["threaded"], {"PYTHONPATH": str(tmp_path)})
    with pytest.raises((RuntimeError, OSError)):
        warm.Popen(server, [sys.executable, "never.py"])
    server.end()
    assert server.process.returncode == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_the_program_is_forked_or_as_a_user_starts_it(tmp_path, fresh):
    with open_process(tmp_path, "--version", fresh=fresh) as process:
        output, errors = process.communicate(timeout=60)
    assert (output.split()[0], errors, process.returncode) == ("style-transfer", "", 0)
    assert isinstance(process, warm.Popen) != fresh
