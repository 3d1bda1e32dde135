"""The table of a run's losses, `losses.csv`: the one place that knows how it is written."""

from dataclasses import dataclass

import numpy as np

from style_transfer import files

REMEDY = "give the folder of a run that has ended"


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class Losses:
    """The losses after each step of a run; row 0 is the start image.

    Attributes:
        terms: names, such as `("content", "style", "total_variation")`.
        epochs: (n,) int, the epoch that each step belongs to.
        steps: (n,) int, counted from 0.
        values: (n, len(terms)) float, unweighted.
        totals: (n,) float, the weighted total.
    """

    terms: tuple[str, ...]
    epochs: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    totals: np.ndarray

    def to_csv(self):
        """Return the text of `losses.csv`: a header, and a line for each step."""
        lines = [",".join(("epoch", "step", *self.terms, "total"))]
        values = np.column_stack([self.values, self.totals])
        for epoch, step, row in zip(self.epochs, self.steps, values):
            lines.append(",".join([f"{epoch}", f"{step}", *(f"{value:.7g}" for value in row)]))
        return "\n".join(lines) + "\n"


def read(path):
    """Read `losses.csv`; the header says which terms there are.

    Returns:
        `Losses`, of one row at least.

    Raises:
        files.FileError: the file is missing, no table of losses, or holds none.
    """
    data = files.read(path, remedy=REMEDY)
    try:
        header, *lines = data.decode().splitlines()
        names = header.split(",")
        rows = [line.split(",") for line in lines]
        if (*names[:2], names[-1]) != ("epoch", "step", "total") or len(names) < 3:
            raise ValueError("another header")
        if any(len(row) != len(names) for row in rows):
            raise ValueError("lines of unequal length")
        cells = np.array(rows, str).reshape(-1, len(names))
        epochs, steps = cells[:, :2].T.astype(int)
        values = cells[:, 2:].astype(float)
    except (ValueError, OverflowError):
        raise files.FileError(path, "is no table of losses", REMEDY) from None
    if not len(steps):
        raise files.FileError(path, "holds no losses", REMEDY)
    return Losses(tuple(names[2:-1]), epochs, steps, values[:, :-1], values[:, -1])
