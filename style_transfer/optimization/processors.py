"""The cores of this machine that a process may use, and how many of them TensorFlow does."""

import os

THREADS = "TF_NUM_INTRAOP_THREADS"  # by which TensorFlow is told, when it is loaded


def count():
    """Return how many cores this process may use, which may be fewer than there are."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def threads():
    """Return how many threads TensorFlow computes with: as many as it is told, or one a core."""
    told = os.environ.get(THREADS, "")
    return int(told) if told.isdecimal() and int(told) else count()


def name():
    """Name what computes, for people: `CPU, 2 threads`."""
    number = threads()
    return "CPU, 1 thread" if number == 1 else f"CPU, {number} threads"
