"""What a setting may be: types, ranges, choices, the small languages of layers and of sizes."""

import dataclasses
import math

from style_transfer.errors import SettingsError
from style_transfer.method.architecture import MIN_SIDE, VGG19

NONE = "none"  # on the command line: an empty list, where the default is not
ORIGINAL = 65_536  # as a size: the photo's own; no picture that is read has a longer side
UNITS = {"M": 1e6, "G": 1e9, "T": 1e12}
LEAST_MEMORY = 800e6  # bytes, about what TensorFlow takes for nothing
TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def option(
    default,
    meaning,
    *flags,
    section="Method",
    kind=None,
    minimum=None,
    above=None,
    maximum=None,
    choices=None,
    parse=None,
    compiled=False,
    optional=False,
):
    """Declare one setting.

    Args:
        default: its default; its type is the setting's type.
        meaning: one sentence for `--help`.
        flags: of the command line, the one to show first.
        section: heading in `--help`.
        kind: type of each of several values.
        minimum, above, maximum: the range: inclusive, exclusive, inclusive.
        choices: the values allowed, where they can be listed.
        parse: reads a value that is written in a language of its own, or raises ValueError.
        optional: whether a list that has values by default may be empty.
        compiled: whether the compiled steps depend on it: runs that differ in it share none.
    """
    rule = dict(meaning=meaning, minimum=minimum, above=above, maximum=maximum, choices=choices)
    rule |= dict(kind=kind or type(default), parse=parse)
    rule |= dict(flags=flags, section=section, compiled=compiled, optional=optional)
    return dataclasses.field(default=default, metadata=rule)


def without_none(value, field):
    """Return a setting as a user writes it, who says `none` for no values where there may be none.

    Raises:
        ValueError: there are no values, and not even that.
    """
    if not (field.metadata["optional"] and field.default):
        return value
    if not value:
        raise ValueError(f"at least one is needed, or {NONE}")
    return () if value == (NONE,) else value


def check_value(value, field):
    """Raise ValueError with the reason if a value cannot be that of a field of `Settings`."""
    several = isinstance(field.default, tuple)
    if several and not isinstance(value, tuple):
        raise ValueError(f"{value!r} is not a list")
    if several and field.default and not value and not field.metadata["optional"]:
        raise ValueError("at least one is needed")
    for each in value if several else (value,):
        check_one(each, field.metadata)
    if field.metadata["parse"]:
        field.metadata["parse"](value)


def check_one(value, rule):
    """Raise ValueError unless one value has the type, and is in the range, of a rule."""
    check_type(value, rule["kind"])
    if rule["choices"]:
        check_choice(value, rule["choices"])
    elif rule["kind"] in (int, float):
        check_range(value, rule)


def check_type(value, kind):
    """Raise ValueError unless a value is of a kind; a whole number is a number, too."""
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{value!r} is not {TYPES[kind]}")


def check_choice(value, choices):
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"unknown: {value}; choose from {', '.join(choices)}")


def check_range(value, rule):
    """Raise ValueError unless the number `value` is finite and inside the rule's range."""
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        raise ValueError("the number is too large") from None
    if not is_finite:
        raise ValueError(f"{value} is not a finite number")
    if rule["minimum"] is not None and value < rule["minimum"]:
        raise ValueError(f"{value} is too small; the least is {rule['minimum']}")
    if rule["above"] is not None and value <= rule["above"]:
        raise ValueError(f"{value} is too small; it must be above {rule['above']}")
    if rule["maximum"] is not None and value > rule["maximum"]:
        raise ValueError(f"{value} is too large; the most is {rule['maximum']}")


def parse_style_layers(texts):
    """Turn `NAME` and `NAME:WEIGHT` into {name: weight}.

    Raises:
        ValueError: a name is not a layer of any network, or there twice, or a weight is not a
            number above 0.
    """
    weights = {}
    for text in texts:
        name, weight = parse_style_layer(text)
        if name in weights:
            raise ValueError(f"{name} is given twice")
        weights[name] = weight
    return weights


def parse_style_layer(text):
    """Split `NAME` or `NAME:WEIGHT` into (name, weight)."""
    name, _, weight = text.partition(":")
    check_choice(name, VGG19.layers)
    try:
        number = float(weight) if weight else 1.0
    except ValueError:
        raise ValueError(f"{weight} is not a number; write {name}:0.5, for example") from None
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"the weight of {name} must be a finite number above 0, not {weight}")
    return name, number


def parse_strength(text, levels=5, *, auto=0.7):
    """Turn `0.8`, or a number for each level with commas between, into that many numbers.

    Args:
        text: of the user; `auto` leaves it to what paints.
        levels: how many.
        auto: what is best for that.

    Raises:
        ValueError: they are not one or so many numbers from 0 to 1.
    """
    if text == "auto":
        return (auto,) * levels
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, levels) or not all(0 <= each <= 1 for each in numbers):
        raise ValueError(f"{text} is not a number from 0 to 1, or {levels} with commas between")
    return numbers if len(numbers) == levels else numbers * levels


def parse_scales(text):
    """Turn `128,256,512` into (128, 256, 512); `auto` and `1` into None.

    Raises:
        ValueError: a size is no whole number of at least 32, or they do not grow.
    """
    if text in ("auto", "1"):
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text} is not a list of sizes; write 128,256,512, for example") from None
    if min(sizes) < MIN_SIDE or list(sizes) != sorted(set(sizes)):
        raise ValueError(f"{text}: the sizes must grow, from {MIN_SIDE} at least")
    return sizes


def parse_memory(text):
    """Turn `2GB`, `500MB`, `1.5G` into bytes, of 1000 as on boxes; `auto` into None.

    Raises:
        ValueError: it is none of that, or less than TensorFlow alone takes.
    """
    if text == "auto":
        return None
    number = text.upper().removesuffix("B")
    try:
        size = float(number[:-1]) * UNITS[number[-1:]]
    except (KeyError, ValueError):
        raise ValueError(f"{text} is no amount of memory; write 2GB, for example") from None
    if not LEAST_MEMORY <= size < math.inf:
        raise ValueError(f"{text} is too little; it must be {LEAST_MEMORY / 1e6:.0f} MB at least")
    return size


def check_together(settings):
    """Raise SettingsError if settings do not go with each other."""
    if settings.average and settings.optimizer != "adam":
        raise SettingsError("--average works with --optimizer adam only; add that")
    if settings.enlarge and settings.size == ORIGINAL:
        raise SettingsError("--enlarge does not go with --size original; leave it out")
    if settings.transform == "google" and "," in settings.strength:
        raise SettingsError("--strength takes one number with --transform google")
    if not settings.layers:
        raise SettingsError("--content-layer and --style-layer are both none; name a layer")
    for name in (*settings.content_layers, *settings.style_layer_weights):
        if name not in settings.architecture.layers:
            raise SettingsError(f"{settings.architecture.name} has no layer {name}")
