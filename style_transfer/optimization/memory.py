"""The memory that a run takes, and the memory that there is: of the machine, and its container."""

import itertools
import math
from pathlib import Path, PurePosixPath

import psutil

# Fitted to the peaks of whole runs (CPU, float32; compact network at 256, 512 and 1024 px, full
# VGG19 at 512 px): what the libraries take, and how many copies of all features are in memory at
# once. A painting is looked at without a way back: 1.2 to 1.4 copies (3 to 6 times the photo's
# 512 px). Weights are there as they were read, as they are kept, and in the network.
LIBRARIES = 680 * 2**20
COPIES = 4.0
IMAGES = 12  # of the result's size, with what the optimizer works on
BESIDE = 1.2  # images beside those in blocks: the photo as it was read, a snapshot's file
COPIES_OF_A_LOOK = 1.4
COPIES_OF_WEIGHTS = 3
BYTES_OF_A_PASS = 710  # for each pixel: peaks of whole processes at 512² and 1536² pixels
BYTES_OF_A_BLOCK = 1000  # the same of what is seen of a block, of trained networks in many graphs


def estimate_fixed(content, others, architecture, settings):
    """Estimate what a run takes besides the features of an evaluation, in bytes.

    The photo's features at the content layers stay.

    Args:
        content: (width, height) of the final image.
        others: (width, height) of the style pictures.
        architecture: with the widths of the network in use.
        settings: layers, optimizer and its history.
    """
    pixels = math.prod(content)
    images = count_images(settings)
    kept = 3 * sum(map(math.prod, others)) + count_targets(pixels, architecture, settings)
    weights = COPIES_OF_WEIGHTS * count_weights(architecture, settings)
    return LIBRARIES + 4 * (images * 3 * pixels + kept + weights)


def count_images(settings):
    """Count the images of the result's size that steps of the whole at once take.

    L-BFGS remembers two for each pair, and sums up one for each.
    """
    return IMAGES + (3 * settings.history if settings.optimizer == "lbfgs" else 0)


def count_block_images(settings):
    """Count the images of the result's size that steps in blocks take.

    Adam: the image, its gradient, two moments; while it is evaluated, the new image and its
    gradient; then a moment anew, while the image before may still be a snapshot's.
    L-BFGS: the image, g, P g and the pairs; of the next one the same, with one pair.
    """
    count = 7 if settings.optimizer == "adam" else 2 * settings.history + 8
    more = 3 * (settings.average > 0) + 2 * (settings.preserve_color == "luminance")
    return count + more + BESIDE


def estimate(content, others, architecture, settings):
    """Estimate the peak of the memory of what sees whole pictures at once, see `estimate_fixed`."""
    looks = [COPIES * count_features(math.prod(content), architecture, settings)]
    for size in others:
        looks.append(COPIES_OF_A_LOOK * count_features(math.prod(size), architecture, settings))
    return estimate_fixed(content, others, architecture, settings) + 4 * max(looks)


def count_targets(pixels, architecture, settings):
    """Count the numbers in the photo's features at the content layers."""
    return pixels * architecture.numbers(settings.content_layers)


def estimate_pass(sizes):
    """Estimate the peak of the memory that one pass takes, in bytes.

    Args:
        sizes: (width, height) of the photo and of the paintings.
    """
    return LIBRARIES + BYTES_OF_A_PASS * max(map(math.prod, sizes))


def count_features(pixels, architecture, settings):
    """Count the numbers in the features of all layers that a picture of so many pixels has."""
    return pixels * architecture.numbers(architecture.up_to(settings.layers))


def count_weights(architecture, settings):
    """Count the weights of the layers that are needed."""
    widths = [3, *(architecture.width(layer) for layer in architecture.up_to(settings.layers))]
    return sum(9 * before * after for before, after in itertools.pairwise(widths))


def resident():
    """Return how many bytes of memory this process has already; 0 if nothing says so.

    From its second picture on, that is most of what a picture needs: the libraries, the weights.
    """
    try:
        return psutil.Process().memory_info().rss
    except (OSError, RuntimeError, NotImplementedError, psutil.Error):
        return 0


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
