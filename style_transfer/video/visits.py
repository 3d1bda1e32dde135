"""In which order the frames of a film are painted, and which others each of them holds on to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Visit:
    """One painting of a frame.

    Attributes:
        frame: its index in the film.
        turn: how often it was painted before.
        references: (index, turn, share) of the frames that it holds on to, the nearest first;
            the shares are those of several that are trusted alike, or None: the first has all.
        kind: `follow`, moved from the one before; `between`, from both sides; `again`.
    """

    frame: int
    turn: int
    references: tuple
    kind: str = "follow"

    @property
    def name(self):
        """What the result is kept as."""
        return name_of((self.frame, self.turn))


def name_of(place):
    """Return what the result of (index, turn, …) is kept as."""
    return f"{place[1]}_{place[0] + 1:06}"


def plan(count, settings):
    """List the `Visit`s of a film of so many frames, in their order.

    Args:
        settings: a `FilmSettings`.
    """
    if settings.keyframes > 1:
        return plan_keyframes(count, settings.keyframes)
    visits = [
        Visit(index, 0, list_neighbors(index, settings.distances, -1, count, 0))
        for index in range(count)
    ]
    for turn in range(1, settings.passes):
        step = 1 if turn % 2 else -1  # where the frame lies that was painted just now
        order = range(count)[::-step]
        visits += [
            Visit(index, turn, list_neighbors(index, (1,), step, count, turn), "again")
            for index in order
        ]
    return visits


def list_neighbors(index, distances, step, count, turn):
    """List the references of a frame at some distances in one direction, the nearest first."""
    places = [index + step * distance for distance in distances]
    return tuple((place, turn, None) for place in places if 0 <= place < count)


def plan_keyframes(count, spacing):
    """List the visits where each N-th frame is painted first, then those between."""
    keys = [*range(0, count - 1, spacing), count - 1]
    visits = [Visit(keys[0], 0, ())]
    for before, after in zip(keys, keys[1:]):
        visits.append(Visit(after, 0, ((before, 0, None),)))
        for index in range(before + 1, after):
            share = (index - before) / (after - before)
            both = (before, 0, 1 - share), (after, 0, share)
            visits.append(Visit(index, 0, both, "between"))
    return visits


def last_uses(visits):
    """Tell until which visit the result of each is needed: {name: number of a visit}."""
    uses = {}
    for number, visit in enumerate(visits):
        uses[visit.name] = number
        for frame, turn, _ in visit.references:
            uses[name_of((frame, turn))] = number
        if visit.turn:
            uses[name_of((visit.frame, visit.turn - 1))] = number
    return uses


def reach(settings):
    """Return how far apart two frames are, at most, of which one holds on to the other."""
    return max(settings.keyframes, settings.distances[-1])
