"""What stays of a run that is finished: `--keep`."""

import contextlib

ALL, FRAMES, RESULT = "all", "frames", "result"
CHOICES = (RESULT, FRAMES, ALL)
CHECKPOINTS = ("checkpoint.npz", "checkpoint.previous.npz")  # the newest, and the one before
# Not what was asked for by an option of its own: result.tif, progress.webp, progress.mp4.
REST = ("progress.gif", "losses.png", "losses.csv", "report.html", *CHECKPOINTS)


def find(record):
    """Return what is to stay of a run, by its record."""
    return record.get("keep", ALL)


def clear(folder, keep):
    """Remove from the folder of a finished run what is not to stay; all of it may be gone.

    Args:
        folder: a `Path`.
        keep: one of `CHOICES`.
    """
    if keep == ALL:
        return
    for name in REST:
        (folder / name).unlink(missing_ok=True)
    if keep == RESULT:
        for path in folder.glob("frames/epoch_*.png"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # none, or with something else in it
            (folder / "frames").rmdir()
