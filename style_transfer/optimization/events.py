"""What a job tells on its way, for whoever shows it: a terminal, a page, a notebook."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Loading:
    """A library is about to be imported, which takes some seconds: what computes."""

    library: str = "TensorFlow"


@dataclass(frozen=True)
class Notice:
    """Something that the user should know: one line."""

    text: str


@dataclass(frozen=True)
class Planned:
    """What will be computed, with what, and what it will cost.

    Attributes:
        network: name of the weights.
        size: (width, height) of the result.
        precision: of the convolutions.
        device: name of what computes.
        settings: of the run; a time budget may have changed the steps.
        terms: names of the losses.
        sides: longer sides of the sizes that the run goes through.
        seconds: estimated, for the steps to come.
        memory: estimated peak, in bytes.
        steps_done: of a run that is continued, else 0.
    """

    network: str
    size: tuple[int, int]
    precision: str
    device: str
    settings: object
    terms: tuple[str, ...]
    sides: tuple[int, ...]
    seconds: float
    memory: float
    steps_done: int = 0


@dataclass(frozen=True)
class Outlined:
    """What an exploring command will do.

    Attributes:
        lines: with what, on what, and what it will cost.
    """

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A picture of several is there: the `number`-th of `count`; the seconds left are estimated."""

    number: int
    count: int
    label: str
    seconds_left: float | None = None


@dataclass(frozen=True)
class Iterate:
    """Where the optimization stands: about one a second, and one at the end of each epoch.

    Attributes:
        epoch: from 1; 0 for the start image.
        step: steps done, over all epochs.
        losses: (n, terms), a row for each step since the last iterate (for the start image, its
            own; none where the run was stopped in the middle of one): the unweighted losses
            after that step, in the order of `functions.TERMS`.
        totals: (n,), their weighted totals.
        image: (1, height, width, 3) in [0, 1], of the final size, at the end of an epoch and
            of the run, else None.
        seconds_per_step: of the steps since the last iterate; None where there were none.
        seconds_left: estimated, for all steps to come.
        taken_back: steps that the optimizer has taken back so far.
        stopped: whether the run ends here because it was asked to.
        notices: lines that the user should know.
    """

    epoch: int
    step: int
    losses: Any
    totals: Any
    image: Any
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    taken_back: int = 0
    stopped: bool = False
    notices: tuple = ()


@dataclass(frozen=True)
class Saving:
    """The steps are over; the result, the curves and the animation are about to be written."""


@dataclass(frozen=True)
class Saved:
    """All is written.

    Attributes:
        folder: of the run.
        result: path of the picture.
        finished: whether nothing is left to do.
        steps_done: in all.
        command: that continues it; painting, where it is not named.
        unit: of what was done.
    """

    folder: Path
    result: Path
    finished: bool
    steps_done: int
    command: str = ""
    unit: str = "steps"


@dataclass(frozen=True)
class Painted:
    """A picture was painted in one pass, and written.

    Attributes:
        content: path of the photo.
        result: path of the picture; None: it was not written.
        size: (width, height).
        seconds: that the pass took, without reading and writing.
        data: the PNG.
    """

    content: str
    result: Path | None
    size: tuple[int, int]
    seconds: float
    data: bytes


@dataclass(frozen=True)
class FilmPlanned:
    """Which frames of a film will be painted, with what, and what that will cost.

    Attributes:
        parts: what computes what: texts for people.
        frames: how many frames there are.
        visits: how many paintings of one.
        done: of these, those of a run that is continued.
        steps: of a frame that is moved from the one before.
        seconds_first: estimated, for the first frame of a shot.
        seconds_each: estimated, for any other visit.
        memory: estimated peak, in bytes.
        disk: estimated, in bytes, for the frames.
    """

    parts: tuple[str, ...]
    frames: int
    visits: int
    done: int
    steps: int
    seconds_first: float
    seconds_each: float
    memory: float
    disk: float

    @property
    def seconds(self):
        """Estimated, for all that is to come, of one shot."""
        left = self.visits - self.done
        return max(0, left - (not self.done)) * self.seconds_each + self.seconds_first * (
            not self.done
        )


@dataclass(frozen=True)
class FrameDone:
    """A frame of a film was painted.

    Attributes:
        number: of the visit, from 1, of `visits`.
        frame: of the film, from 1.
        is_cut: whether it begins a shot.
        seconds: that it took.
        seconds_left: estimated.
    """

    number: int
    visits: int
    frame: int
    is_cut: bool
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class JobStarted:
    """One of several jobs begins: the `number`-th of `count`."""

    number: int
    count: int
    label: str


@dataclass(frozen=True)
class JobEnded:
    """One of several jobs that go on at once has ended, the `number`-th of `count` that did.

    What became of it comes next; the seconds left are estimated, for all of them.
    """

    number: int
    count: int
    label: str
    seconds_left: float | None = None


@dataclass(frozen=True)
class Progressed:
    """Where several jobs that go on at once stand.

    Attributes:
        done: how many have ended, of `count`.
        shares: (label, share that is done) of each that is under way.
        seconds_left: estimated, for all of them; None: nothing is known yet.
    """

    done: int
    count: int
    shares: tuple = ()
    seconds_left: float | None = None


@dataclass(frozen=True)
class JobFailed:
    """One of several jobs failed, the others go on; `content`: the path of its photo."""

    label: str
    error: str
    content: str = ""


@dataclass(frozen=True)
class JobSkipped:
    """A job was done before; where it is one picture, what and where, and its (width, height)."""

    label: str
    result: Path | None = None
    content: str = ""
    size: tuple[int, int] | None = None
