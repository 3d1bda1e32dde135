"""What a run was made from and with, for reading: summary, command, fingerprints, settings."""

import shlex
from pathlib import Path

from style_transfer import files, film_settings
from style_transfer.runs.inputs import flag
from style_transfer.settings import FIELDS
from style_transfer.validation import NONE

#: What is chosen of a film where nothing is said: its options' defaults.
SELECTION = {"start": 0, "duration": None, "every": 1, "preview": False, "rate": 25}


def name_input(record, role):
    """Return the name, without its folder, of an input's file."""
    return Path(record["inputs"][role]["path"]).name


def entitle(record):
    """Name a run after its pictures."""
    content, style = (Path(name_input(record, role)).stem for role in ("content", "style"))
    return f"{content} in the style of {style}"


def summarize(record):
    """Say in one line how large, how long, and with what."""
    settings, (width, height) = record["settings"], record["size"]
    parts = [
        f"{width} × {height} px",
        f"{settings['epochs']} epochs of {settings['steps']} steps",
        record["weights"]["name"],
    ]
    if record.get("total_seconds") is not None:
        parts.append(f"{record['total_seconds']:,.1f} s")
    return " · ".join(parts)


def list_words(record, choices=()):
    """List the words, quoted, of the command that makes the picture again.

    Options at their default are left out, and settings that this version does not know.

    Args:
        choices: pairs of a field and its value: what a command has besides `Settings`.
    """
    words = ["python", "main.py"]
    names = {"content": "--content"}
    if training := record.get("training"):
        words += ["train", "--photos", files.printable(training["photos"])]
        words += list_training_options(training)
        names = {"content": "--preview"}
    if film := record.get("film"):
        words += ["video", *list_film_options(film)]
    if "choices" in record:
        words.append(record["command"])
    for role, source in record["inputs"].items():
        if role != "init":  # is among the settings
            words += [names.get(role, flag(role)), files.printable(source["path"])]
    for name, value in record["settings"].items():
        if name in FIELDS and (is_changed(name, value) or (film and name == "size")):
            words += list_option(FIELDS[name], value)
    for field, value in choices:
        if differs(value, field.default):
            words += list_option(field, value)
    return [shlex.quote(word) for word in words]


def list_training_options(training):
    """List the words of what is trained, and by what; what it began with is no path."""
    words = []
    if training.get("arch", "johnson") != "johnson":
        words += ["--arch", training["arch"]]
    if training.get("batch", 4) != 4:  # the default
        words += ["--batch", str(training["batch"])]
    if training.get("critic"):
        words += ["--critic", f"{training['critic']:g}"]
    if "backend" in training:
        words += ["--backend", training["backend"]]
    return words


def list_film_options(film):
    """List the words of what makes a film besides its pictures."""
    words = []
    for name, value in film["settings"].items():
        if find_field(name) and is_changed(name, value):
            words += list_option(find_field(name), value)
    for name, value in film["selection"].items():
        if value is not None and value != SELECTION.get(name):
            words += [f"--{name}"] if value is True else [f"--{name}", f"{value:g}"]
    return words if film["sound"] else [*words, "--no-sound"]


def find_field(name):
    """Return the declaration of a setting of a picture or of a film, or None."""
    return FIELDS.get(name) or film_settings.FIELDS.get(name)


def list_option(field, value):
    """List the words of a setting; of several values, each has the flag before it."""
    flag = field.metadata["flags"][0]
    if value is True:
        return [flag]
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values and field.metadata["optional"]:
        values = [NONE]
    return [word for each in values for word in (flag, str(each))]


def list_facts(record):
    """List what a run was made from and with: (name, text, SHA-256 or nothing)."""
    facts = [(role, each["path"], each["sha256"]) for role, each in record["inputs"].items()]
    facts.append(("weights", record["weights"]["name"], record["weights"]["sha256"]))
    computed = [record[name] for name in ("device", "precision") if record.get(name)]
    if record.get("seconds_per_step"):
        computed.append(f"{record['steps_done']} steps of {record['seconds_per_step']:.2g} s")
    versions = (f"{name} {version}" for name, version in record["versions"].items())
    return [*facts, ("computed", ", ".join(computed), ""), ("versions", ", ".join(versions), "")]


def explain(name, value):
    """Return a row of the table of settings; one that this version does not know has no default."""
    field = find_field(name)
    return {
        "name": name.replace("_", " "),
        "value": show(value),
        "default": show(field.default) if field else "",
        "meaning": field.metadata["meaning"] if field else "",
        "changed": is_changed(name, value),
    }


def is_changed(name, value):
    """Tell whether a setting, as `run.json` has it, differs from its default."""
    field = find_field(name)
    return field is None or differs(value, field.default)


def differs(value, default):
    """Tell whether a value, as JSON has it, is another than the default."""
    return (tuple(value) if isinstance(value, list) else value) != default


def show(value):
    """Write a setting's value for reading."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or NONE if isinstance(value, (list, tuple)) else str(value)
