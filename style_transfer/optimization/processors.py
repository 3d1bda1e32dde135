"""The cores of this machine that a process may use, how many TensorFlow does, what they can."""

import os
from pathlib import Path

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


def has_bfloat16():
    """Tell whether the processor has instructions for bfloat16, as far as one can know."""
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere float32 is always right
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)
