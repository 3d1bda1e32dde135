"""The pictures that a run is made from: their paths, or whatever there is one of for each."""

from dataclasses import dataclass
from typing import Any

OWN_ALPHA = "alpha"  # in place of the path of a content's mask: the content's own transparency


@dataclass(frozen=True)
class Inputs:
    """One value for each input picture: its path, its pixels, its size.

    Attributes:
        content: of the photo.
        styles: of the paintings, at least one.
        content_mask: of the regions of the photo, or None.
        style_masks: of the regions of each style, or ().
        init: of the picture to start from, or None.
    """

    content: Any
    styles: tuple
    content_mask: Any = None
    style_masks: tuple = ()
    init: Any = None

    def items(self):
        """List (role, value) of what is there; the roles are those of a run's record."""
        roles = [("content", self.content), *number("style", self.styles)]
        roles += [("content mask", self.content_mask), *number("style mask", self.style_masks)]
        roles.append(("init", self.init))
        return [(role, value) for role, value in roles if value is not None]

    def map(self, function):
        """Return the same with `function` of each value that is there."""

        def apply(value):
            return None if value is None else function(value)

        return Inputs(
            apply(self.content),
            tuple(map(apply, self.styles)),
            apply(self.content_mask),
            tuple(map(apply, self.style_masks)),
            apply(self.init),
        )

    @classmethod
    def from_items(cls, items):
        """Put together again what `items` listed.

        Raises:
            ValueError: a role is unknown, or there is no content or no style.
        """
        left = dict(items)
        content, mask, init = (left.pop(role, None) for role in ("content", "content mask", "init"))
        styles, style_masks = take(left, "style"), take(left, "style mask")
        if left or content is None or not styles:
            raise ValueError(f"the inputs are not those of a run: {', '.join(dict(items))}")
        return cls(content, styles, mask, style_masks, init)


def number(role, values):
    """Name several values of one role: `style`, `style 2`, …"""
    return [
        (f"{role} {place}" if place > 1 else role, each) for place, each in enumerate(values, 1)
    ]


def take(items, role):
    """Take all values of one role out of a dictionary."""
    found = []
    for name, _ in number(role, list(items)):
        if name not in items:
            break
        found.append(items.pop(name))
    return tuple(found)


def flag(role):
    """Return the option of the command line that names a picture in a role."""
    return "--" + role.rstrip("0123456789 ").replace(" ", "-")
