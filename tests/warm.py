"""Processes that begin with the program's modules imported, most of what a short one costs.

    python warm.py SOCKET MODULE...

imports modules and forks a process for each order that comes: a program with its arguments, folder,
environment and streams. It is a process like any other: it gets signals, and ends by a status or a
signal as if it had been started on its own. Two things it shares with all others of its server: the
environment in which libraries were imported, and the seed by which Python hashes strings.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys

NUMBER = 8  # bytes of what is told of a process: its id and, when it has ended, its wait status


class Server:
    """A process that forks others, and ends when they have ended.

    Args:
        modules: names of what they begin with.
        environment: variables by name, in which it is imported.
    """

    def __init__(self, modules, environment):
        self.orders, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno()), *modules]
            keywords = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            keywords |= {"pass_fds": [theirs.fileno()], "env": environment}
            self.process = subprocess.Popen(command, **keywords)

    def fork(self, order, streams):
        """Begin a process; return the socket from which what is told of it comes."""
        answers, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.orders, [b"."], [theirs.fileno(), *streams])
        answers.sendall(json.dumps(order).encode() + b"\n")
        return answers

    def end(self):
        self.orders.close()
        self.process.wait()


class Popen(subprocess.Popen):
    """`subprocess.Popen` of a program in Python, but that the process is forked by a server.

    That has methods of its own to begin a process, to wait for it and to look whether it has ended,
    as private as those of Python 3.11 to 3.13, which have the same names.
    """

    def __init__(self, server, command, **keywords):
        self.server, self.answers = server, None
        super().__init__(command, **keywords)

    def _execute_child(self, args, _executable, _preexec, _close, _pass, cwd, env, *rest):
        pipes = rest[3:9]  # for each stream an end to read from and one to write to, or -1
        given = (pipes[0], pipes[3], pipes[5])
        streams = [own if each == -1 else each for own, each in enumerate(given)]
        words = [os.fspath(each) for each in args[1:]]
        order = (words, os.fspath(cwd or os.getcwd()), dict(os.environ if env is None else env))
        try:
            self.answers = self.server.fork(order, streams)
        finally:
            self._close_pipe_fds(*pipes)
        self.pid = self._hear()
        self._child_created = True

    def _hear(self):
        try:
            told = self.answers.recv(NUMBER)
        except ConnectionError:
            told = b""
        if not told:
            self.answers.close()
            raise RuntimeError("the server of processes has died; its output says why")
        return int.from_bytes(told)

    def _try_wait(self, flags):
        waiting = 0 if flags & os.WNOHANG else None
        ready, _, _ = select.select([self.answers], [], [], waiting)
        if not ready:
            return 0, 0
        with self.answers:
            return self.pid, self._hear()

    def _internal_poll(self, **_):
        if self.returncode is None and self.answers:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)
        return self.returncode


def serve(orders):
    """Fork a keeper for each order; return in the process that is to do it."""
    while files := socket.recv_fds(orders, 1, 4)[1]:
        if os.fork() == 0:
            orders.close()
            return keep(*files)
        for each in files:
            os.close(each)
        reap(os.WNOHANG)
    reap(0)
    os._exit(0)


def reap(flags):
    """Take notice of keepers that have ended, which adds up the time they took."""
    try:
        while os.waitpid(-1, flags)[0]:
            pass
    except ChildProcessError:
        return


def keep(answers, *streams):
    """Fork the process, wait for it, and tell of it; return the order in that process."""
    answers = socket.socket(fileno=answers)
    with answers.makefile() as file:
        order = json.loads(file.readline())
    if pid := os.fork():
        for each in streams:
            os.close(each)
        answers.sendall(pid.to_bytes(NUMBER))
        answers.sendall(os.waitpid(pid, 0)[1].to_bytes(NUMBER))
        os._exit(0)
    answers.close()
    for own, each in enumerate(streams):
        os.dup2(each, own)
        os.close(each)
    return order


def become(words, folder, environment):
    """Make of this process what Python does at the start of a program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    sys.path[0] = os.path.dirname(words[0])


def main():
    """Import, and fork; in a process, run its program."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    sys.path.insert(1, os.path.dirname(sys.path[0]))  # where the program is
    for name in sys.argv[2:]:
        importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("what was imported started threads, which a fork would lose")
    gc.freeze()  # what was imported need not be looked through when a process ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: it ends with its orders
    become(*serve(orders))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
