"""Which frames of a film are painted."""

import math
from dataclasses import dataclass

from style_transfer.pictures import films


@dataclass(frozen=True)
class Selection:
    """Which frames of a film are painted.

    Attributes:
        start: seconds of the film to leave out.
        duration: seconds, from there; None: all.
        every: of the frames, each N-th; it is shown for as long as those that are left out.
        preview: the first, the middle and the last of these, each as a picture of its own.
        rate: frames a second of a folder of pictures.
    """

    start: float = 0.0
    duration: float | None = None
    every: int = 1
    preview: bool = False
    rate: float = films.RATE

    def choose(self, film):
        """Return the times of the frames, see `films.Film`."""
        duration = math.inf if self.duration is None else self.duration
        chosen = film.select(start=self.start, duration=duration, every=self.every)
        if self.preview:
            places = sorted({0, (len(chosen) - 1) // 2, len(chosen) - 1})
            chosen = tuple(chosen[place] for place in places)
        return chosen

    def end(self, film, chosen):
        """Return the moment, in seconds of the film's clock, at which the chosen frames end."""
        place = film.times.index(chosen[-1]) + self.every
        if place >= len(film.times):
            return math.inf
        return float(film.times[place] * film.time_base)
