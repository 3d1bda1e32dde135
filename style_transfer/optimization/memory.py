"""How much memory this process may take now: of the machine, and of the container it runs in."""

import math
from pathlib import Path, PurePosixPath

import psutil


def available(root=Path("/")):
    """Return how much memory this process may take now.

    What a control group (a container, a job of a cluster) leaves counts where it is less than
    what the machine has: its limit less what it uses, save files that were read and can be
    forgotten (`inactive_file`, as Docker and Kubernetes count). Swap does not count.

    Args:
        root: a `Path`, where `proc` and `sys` lie.

    Returns:
        Bytes, at least 0; infinity if nothing says so.
    """
    try:
        machine = psutil.virtual_memory().available
    except (OSError, RuntimeError, NotImplementedError):  # as where /proc is hidden
        machine = math.inf
    return float(min([machine, *map(left_in_group, list_groups(root))]))


def list_groups(root):
    """List the folders of the control groups that may limit this process's memory.

    Those are its own and all above it, where they are visible: a container often sees its own
    group in the place of the topmost, though it is told the path on the host.
    """
    folders = []
    for line in read_lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            tops = (root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified")  # version 2
        elif "memory" in controllers.split(","):
            tops = (root / "sys/fs/cgroup/memory",)  # version 1
        else:
            continue
        below = PurePosixPath(path.lstrip("/"))
        folders += [top / each for top in tops for each in (below, *below.parents)]
    return list(dict.fromkeys(folders))


def left_in_group(folder):
    """Return how many bytes a control group leaves, at least 0; infinity if it sets no limit."""
    limit = read_number(folder / "memory.max", folder / "memory.limit_in_bytes")
    used = read_number(folder / "memory.current", folder / "memory.usage_in_bytes")
    if limit is None:
        return math.inf
    counts = dict(line.partition(" ")[::2] for line in read_lines(folder / "memory.stat"))
    # In version 1, the plain number is without the groups below; the use is with them.
    forgettable = counts.get("total_inactive_file", counts.get("inactive_file", "0"))
    return max(0, limit - max(0, (used or 0) - int(forgettable)))


def read_number(*paths):
    """Return the number in the first of some files that holds one; None if none does ("max")."""
    for path in paths:
        lines = read_lines(path)
        if lines and lines[0].isdecimal():
            return int(lines[0])
    return None


def read_lines(path):
    """Return the lines of a file of the system, stripped; none if it cannot be read."""
    try:
        return [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return []
