"""Every setting of a film, besides those of its pictures, written once; see `settings`."""

import dataclasses
from dataclasses import dataclass

from style_transfer.errors import SettingsError
from style_transfer.validation import check_value, option

SECTION = "Film"
INSTALL = 'python -m pip install "av>=17.1,<19" opencv-python-headless'
SIZE = 480  # the default of --size


def parse_anchors(text):
    """Turn `1,10` into (1, 10): how many frames before; raise ValueError if they do not grow."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text} is not a list of numbers; write 1,10, for example") from None
    if numbers[0] != 1 or list(numbers) != sorted(set(numbers)):
        raise ValueError(f"{text}: the numbers must grow, from 1")
    if numbers[-1] > 100:
        raise ValueError(f"{text}: at most 100 frames before")
    return numbers


@dataclass(frozen=True)
class FilmSettings:
    """What determines a film, besides the `Settings` of its pictures.

    Raises:
        SettingsError: a value is of another type or out of its range; it names the setting.
    """

    temporal_weight: float = option(
        5.0,
        "γ: how strongly what stays in sight keeps its paint from frame to frame.",
        "--temporal",
        section=SECTION,
        minimum=0.0,
        maximum=1e12,
    )
    frame_steps: int = option(
        20,
        "Steps on each frame but the first of a shot.",
        "--frame-steps",
        section=SECTION,
        minimum=1,
        maximum=10_000,
    )
    anchors: str = option(
        "1",
        "Hold on to the frames that many before: 1,10 finds again what was hidden for a while.",
        "--anchors",
        section=SECTION,
        parse=parse_anchors,
    )
    keyframes: int = option(
        0,
        "Paint each N-th frame so; those between are moved from both sides, and repaired by "
        "--repair-steps: faster. 0: paint all.",
        "--keyframes",
        section=SECTION,
        minimum=0,
        maximum=100,
    )
    repair_steps: int = option(
        8, "Steps on a frame between --keyframes.", "--repair-steps", section=SECTION, minimum=0
    )
    passes: int = option(
        1,
        "2 goes through the film again, backwards, 3 forwards again: what comes into sight does "
        "not pop up.",
        "--passes",
        section=SECTION,
        minimum=1,
        maximum=20,
    )
    pass_steps: int = option(
        10, "Steps on a frame in each later pass.", "--pass-steps", section=SECTION, minimum=1
    )
    instant: bool = option(
        False, "One pass on each frame, as apply paints, steadied.", "--instant", section=SECTION
    )
    steadiness: float = option(
        0.9,
        "With --instant: how much of what is in sight is kept from the frame before.",
        "--steadiness",
        section=SECTION,
        minimum=0.0,
        maximum=1.0,
    )

    def __post_init__(self):
        for name, field in FIELDS.items():
            try:
                check_value(getattr(self, name), field)
            except ValueError as error:
                raise SettingsError(f"{name}: {error}") from None
        for name, plain in (("passes", 1), ("instant", False)):
            if self.keyframes > 1 and getattr(self, name) != plain:
                raise SettingsError(f"--keyframes does not go with --{name}; leave one out")
        if self.instant and self.passes > 1:
            raise SettingsError("--passes does not go with --instant; leave one out")

    @property
    def distances(self):
        """How many frames before those lie that a frame holds on to, the nearest first."""
        return parse_anchors(self.anchors)


FIELDS = {each.name: each for each in dataclasses.fields(FilmSettings)}
