"""What comes from a browser, made into what the program knows: by whitelist, value by value."""

import dataclasses
import json

from style_transfer import files
from style_transfer.errors import SettingsError
from style_transfer.feedforward.used import USED
from style_transfer.runs import record as records
from style_transfer.runs.inputs import Inputs
from style_transfer.server import shop
from style_transfer.server.orders import INSTANT, PICTURE, WAYS
from style_transfer.settings import FIELDS, STARTS, Settings

#: Settings that may be the path of a file: from a page, only what is no path.
NAMED = {"init": STARTS, "weights": ("auto", "compact", "imagenet")}
MOST_STYLES = 8
LONGEST_NAME = 80
SIDES = (64, 4096)  # of what is painted
#: Settings, beside `init`, of what goes on from a picture that has the style already.
GOES_ON = {"warmup": 0, "scales": "1"}
AUTO, STRENGTH, STRENGTHS = "auto", "0.7", {"google": "1"}  # what it stands for, by transform
OWN_STRENGTH = "1"  # what it stands for where a trained network paints


class FormError(ValueError):
    """A request holds what cannot be; says what, and what to do."""


def read_order(values, offers, keep):
    """Make what `Studio.submit` takes from the JSON of a request.

    Args:
        values: `{"way", "content": {"id", "name"}, "styles": [{"id", "name", "share"}],
            "settings": {name: value}, "model": name, "mask": id}`; the last two may be missing.
        offers: the `shop.Offer` that a model may be, by name.
        keep: function from the bytes of a picture to what `styles` has of it.

    Raises:
        FormError: it holds something else.
    """
    offer, way = find_offer(values, offers), values.get("way")
    if way not in WAYS:
        raise FormError("choose instant or painted")
    pair, shares = read_pictures(values, offer, keep)
    given = values.get("settings", {})
    if len(shares) > 1 and isinstance(given, dict):
        given = given | {"blend": shares}
    settings = read_settings(given, way)
    if settings.blend and not any(settings.blend):
        raise FormError("all shares of the paintings are 0; give one of them more")
    if offer:
        settings = fit_offer(settings, offer)
    return {"way": way, "settings": settings, "model": values["model"] if offer else "", **pair}


def read_pictures(values, offer, keep):
    """Return what an `orders.Order` has of its pictures, and the shares of the styles."""
    try:
        content, styles, mask = values["content"], values["styles"], values.get("mask") or ""
        if offer and offer.thumbnail:  # which stands for the painting
            styles = [keep(offer)]
        pictures = [content, *styles]
        ids = [each["id"] for each in pictures]
        names = tuple(clean(each.get("name", "")) for each in pictures)
        shares = tuple(float(each.get("share", 1)) for each in styles)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormError("choose a photo and a painting") from None
    if not all(isinstance(each, str) and PICTURE.fullmatch(each) for each in ids):
        raise FormError("choose a photo and a painting")
    if not 1 <= len(styles) <= MOST_STYLES:
        raise FormError(f"choose one painting, or up to {MOST_STYLES}")
    if not isinstance(mask, str) or (mask and not PICTURE.fullmatch(mask)):
        raise FormError("there is no such mask; paint it again")
    return {"content": ids[0], "styles": tuple(ids[1:]), "names": names, "mask": mask}, shares


def find_offer(values, offers):
    """Return the `shop.Offer` that is to paint, or None; only one pass knows them."""
    name = values.get("model") if values.get("way") == INSTANT else None
    if name and (not isinstance(name, str) or name not in offers):
        raise FormError("there is no such trained network; choose another one")
    return offers[name] if name else None


def fit_offer(settings, offer):
    """Return settings with the style of a trained network that is wanted.

    The strength is what the slider shows: left to a network, it would be another one.
    """
    if settings.strength == AUTO:
        shown = STRENGTHS.get(settings.transform, STRENGTH)
        settings = dataclasses.replace(settings, strength=shown)
    if offer.index is None:
        return settings
    if settings.preserve_color not in ("none", "luminance"):
        raise FormError("a trained network keeps the colors of the photo exactly, or not at all")
    return dataclasses.replace(settings, blend=offer.blend)


def read_settings(given, way):
    """Make `Settings` of values by name; raise FormError for what is no setting of a page."""
    if not isinstance(given, dict):
        raise FormError("the settings are no table")
    kept = FIELDS.keys() & (set(USED) if way == INSTANT else FIELDS.keys())
    values = {}
    for name, value in given.items():
        if name not in FIELDS:
            raise FormError(f"there is no setting {files.printable(name)[:LONGEST_NAME]}")
        if name in kept:
            values[name] = read_setting(name, value)
    if values.get("strength") == STRENGTHS.get(values.get("transform"), STRENGTH):
        values["strength"] = AUTO
    try:
        return Settings(**values)
    except SettingsError as error:
        raise FormError(str(error)) from None


def read_setting(name, value):
    """Give a value of JSON the type of a setting."""
    if name in NAMED and not is_named(name, value):
        raise FormError(f"{name}: on the page, one of {', '.join(NAMED[name])}")
    if name == "size" and (type(value) is not int or not SIDES[0] <= value <= SIDES[1]):
        raise FormError(f"size: choose from {SIDES[0]} to {SIDES[1]} pixels")
    kind = FIELDS[name].metadata["kind"]
    if isinstance(FIELDS[name].default, tuple) and is_list(value):
        return tuple(to_kind(kind, each) for each in value)
    return to_kind(kind, value)


def is_named(name, value):
    """Tell whether a value of a setting that may be a path is none: a picture goes by its id."""
    is_picture = name == "init" and isinstance(value, str) and PICTURE.fullmatch(value)
    return is_picture or value in NAMED[name]


def to_kind(kind, value):
    """Return a number as a float where one is wanted: scripts write 30.0 as 30, records do not."""
    return float(value) if kind is float and type(value) is int else value


def is_list(value):
    """Tell whether a value is a list of plain values."""
    return isinstance(value, (list, tuple)) and all(
        isinstance(each, (str, int, float)) for each in value
    )


def clean(name):
    """Return the name of a picture without its ending, fit to be shown; never used as a path."""
    text = files.printable(str(name))[:LONGEST_NAME].replace("_", " ")
    return text.rpartition(".")[0] or text or "picture"


def read_result(data, store, offers):
    """Return what a `result.png` says of itself, for the form: no path of it is ever opened.

    Args:
        data: the bytes of the file.
        store: the `Store` that may still have its pictures.
        offers: the `shop.Offer` by name, one of which may have painted it.

    Returns:
        `{"way", "settings", "content", "styles", "mask", "model", "notice"}`: ids of the pictures,
        None for one not kept; the name of a trained network; what cannot be had again, or nothing.

    Raises:
        files.FileError: it carries no record, or one of another program.
        FormError: it was made by a command that does not paint a photo.
    """
    record, settings = records.read_bytes("that picture", data)
    way = INSTANT if record.get("command") == "apply" else WAYS[1]
    kept = describe_settings(settings)
    try:
        inputs = Inputs.from_items(record["inputs"])
    except ValueError:
        raise FormError(f"that picture is no painting, but made by {record['command']}") from None
    found = inputs.map(lambda each: store.identify(each["sha256"]))
    kept["init"] = found.init or kept["init"]
    for name in NAMED:
        if not is_named(name, kept[name]):
            del kept[name]
    model, notice = "", ""
    if inputs.style_masks:
        notice = "It had masks of its paintings: only the command line takes those."
    if way == INSTANT:
        model, missing = find_model(record, settings, offers)
        notice = missing or notice
    if model and settings.strength == AUTO:
        kept["strength"] = OWN_STRENGTH
    pictures = {"content": found.content, "styles": list(found.styles)}
    pictures["mask"] = found.content_mask or ""
    return {"way": way, "settings": kept, "model": model, "notice": notice} | pictures


def find_model(record, settings, offers):
    """Return (name of the trained network that painted a picture, what to say where it is gone)."""
    try:
        return shop.recognize(offers, record, settings.blend), ""
    except LookupError as error:
        return "", error.args[0]


def to_json(value):
    """Return a setting's value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def list_settings(settings):
    """Return settings, by name, as JSON has them."""
    return {name: to_json(getattr(settings, name)) for name in FIELDS}


def describe_settings(settings):
    """Return settings, by name, as the form takes them."""
    found = list_settings(settings)
    if found["strength"] == AUTO:  # which a slider cannot show
        found["strength"] = STRENGTHS.get(settings.transform, STRENGTH)
    return found


def parse_json(data):
    """Return the table that a request's JSON is; raise FormError if it is none."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise FormError("the request is no table of JSON")
    return values
