"""The record of a run: all that determines its result, in `run.json` and inside `result.png`."""

import dataclasses
import json
import os
import platform
from importlib import metadata
from pathlib import Path, PureWindowsPath

from style_transfer import files, storage
from style_transfer.networks import weights
from style_transfer.pictures import images
from style_transfer.runs import keeping
from style_transfer.runs.inputs import OWN_ALPHA, Inputs, flag
from style_transfer.settings import VERSION, Settings

NAME = "run.json"
PARTS = (  # which a record has from the beginning; what was measured comes later
    "settings",
    "inputs",
    "weights",
    "size",
    "versions",
    "working_folder",
    "device",
    "precision",
    "terms",
    "command",
    "training",
    "choices",
    "start",
    "model",
    "film",
    "keep",
)
MASK = "content mask"
TENSORFLOW = ("tensorflow", "tensorflow-cpu")  # the packages that one may come from


def make_record(settings, pictures, network, size, **computed):
    """Collect what determines the result.

    Args:
        pictures: `Inputs` of `images.Picture`.
        network: `weights.Weights`.
        size: (width, height) of the result.
        computed: `device`, `precision`, and `terms`, the names of the losses; `start`,
            `instant.identify` where one pass makes the start; and what else a command records.
    """
    return {
        "settings": dataclasses.asdict(settings),
        "inputs": {
            role: {"path": os.fsdecode(picture.path), "sha256": picture.sha256}
            for role, picture in pictures.items()
        },
        "weights": {"name": network.name, "sha256": network.sha256},
        "size": list(size),
        "versions": versions(),
        "working_folder": os.getcwd(),  # the paths are relative to it
        **computed,
    }


def texts(record):
    """Return the PNG entries by which a picture carries its record.

    There is no time in it, no place, and nothing of what else stays of the run.
    """
    left_out = ("working_folder", "keep")
    what = {name: value for name, value in record.items() if name not in left_out}
    return {"Software": f"style-transfer {VERSION}", "Settings": json.dumps(what)}


def versions(backend="tensorflow"):
    """Return the versions of the tool and of what it computes with.

    Args:
        backend: of Keras: the name of a package.
    """
    return {
        "style-transfer": VERSION,
        "python": platform.python_version(),
        backend: tensorflow_version() if backend == "tensorflow" else metadata.version(backend),
        **{name: metadata.version(name) for name in ("keras", "numpy", "pillow")},
    }


def tensorflow_version():
    """Return the version of TensorFlow, whichever package it comes from."""
    for name in TENSORFLOW:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def fingerprint(record):
    """Fingerprint what determines every step of a run: all but how many epochs there are.

    How much memory it may take changes nothing but the last bits.
    """
    free = ("epochs", "memory")
    settings = {name: each for name, each in record["settings"].items() if name not in free}
    inputs = {role: each["sha256"] for role, each in record["inputs"].items()}
    facts = [settings, inputs, record["weights"]["sha256"], record["size"], record.get("start")]
    facts += [record["film"]] if "film" in record else []
    return files.sha256(json.dumps(facts, sort_keys=True).encode())


def read_folder(folder):
    """Read the record of the run that a folder holds.

    Returns:
        (record, settings): what was recorded when the run began, and the `Settings` in it.

    Raises:
        files.FileError: there is none, or it is damaged or of another version.
    """
    path = Path(folder) / NAME
    if not path.exists():
        raise files.FileError(folder, "holds no run", "name the folder of a run with --resume")
    return parse(path, files.read(path, remedy="start anew with --overwrite"))


def read_image(path):
    """Read the record that a `result.png` carries; return and raise as `read_folder`.

    Its paths are relative to where this process runs, since the picture names no place.
    """
    return parse(path, images.read_text(path, "Settings"), working_folder="")


def read_bytes(name, data):
    """Read the record in the bytes of a `result.png`, whatever it is called; as `read_image`."""
    return parse(name, images.find_text(name, data, "Settings"), working_folder="")


def parse(path, text, **more):
    """Turn the text of a record into (record, settings); every value in it is checked."""
    try:
        record = json.loads(text) | more
        fingerprint(record)
        check_texts(record)
        if "choices" not in record:  # else it is of an exploring command, with inputs of its own
            Inputs.from_items(record["inputs"])
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in record["settings"].items()
        }
        return {name: record[name] for name in PARTS if name in record}, Settings(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"is not the record of a run of version {VERSION} ({error})"
        raise files.FileError(path, reason, "start anew") from None


def check_texts(record):
    """Raise ValueError unless all is text that is used as text."""
    if not isinstance(record["terms"], list):
        raise ValueError(f"{record['terms']!r} is not a list of texts")
    texts = [record["working_folder"], *record["weights"].values()]
    texts += [record.get("model", "")]
    if keeping.find(record) not in keeping.CHOICES:
        raise ValueError(f"{record['keep']!r} is nothing to keep")
    for each in record["inputs"].values():
        texts += [each["path"], each["sha256"]]
    for text in (*texts, *record["terms"], *record["versions"].values()):
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not a text")


def is_finished(folder):
    """Tell whether a folder holds a run that has nothing left to do."""
    path = Path(folder) / NAME
    try:
        return json.loads(files.read(path, remedy=""))["finished"] is True
    except (ValueError, KeyError, TypeError, RecursionError):  # FileError is a ValueError, too
        return False


def locate_inputs(record, given, *, is_trusted):
    """Return the `Inputs`, as paths, of a record, wherever this process runs.

    Args:
        record: from `read_folder` or `read_image`.
        given: paths by role that the user names instead; `alpha` may be the content's mask.
        is_trusted: function from a path in the record to whether it may be opened.

    Raises:
        files.FileError: a path may not be opened; says which option names it.
    """
    own_alpha = uses_own_alpha(record, given)
    paths = {
        role: given[role] if role in given else locate(record, each["path"], role, is_trusted)
        for role, each in record["inputs"].items()
        if not (own_alpha and role == MASK)
    }
    return Inputs.from_items(paths | ({MASK: paths["content"]} if own_alpha else {}))


def uses_own_alpha(record, given):
    """Tell whether the content's own transparency is its mask, which moves with it."""
    then = record["inputs"]
    if MASK in then and MASK not in given:
        return then[MASK]["path"] == then["content"]["path"]
    return given.get(MASK) == OWN_ALPHA


def locate_weights(record, *, is_trusted):
    """Return what `weights.load` takes to load the weights of a record."""
    source = record["settings"]["weights"]
    if source in weights.NAMES:
        return source
    return locate(record, source, "weights", is_trusted)


def locate_model(record, given, *, is_trusted):
    """Return what names the trained network of a picture, see `locate_inputs`.

    What is no path but a name has no suffix.
    """
    name = given.get("model", record["model"])
    is_path = "model" not in given and Path(name).suffix
    return locate(record, name, "model", is_trusted) if is_path else name


def locate(record, path, role, is_trusted):
    """Return a path of a record as this process can use it; raise FileError if it may not."""
    found = path if storage.is_address(path) else os.path.join(record["working_folder"], path)
    if not is_trusted(found):
        reason = "is named in that record, but is not below this folder or your home"
        raise files.FileError(found, reason, f"name it yourself with {flag(role)}")
    return found


def is_below_home(path):
    """Tell whether a path lies below the current folder or the user's home.

    That is what a picture of unknown origin may make this program open. Told from the text alone:
    on Windows the mere look at `\\\\host\\share` makes the system log in at that host, as does one
    at an address anywhere.
    """
    if is_remote(path) or storage.is_address(path):
        return False
    place = Path(os.path.abspath(path))
    return any(place.is_relative_to(each) for each in (Path.cwd(), Path.home()))


def is_local(path):
    """Tell whether a path in a folder's record is on this machine, or where this process works.

    An address counts as well: whoever continues a run has begun it.
    """
    drive = PureWindowsPath(path).drive
    works_there = bool(drive) and drive == PureWindowsPath(Path.cwd()).drive
    return works_there or not is_remote(path)


def is_remote(path):
    """Tell whether Windows would take a path for one on another machine, or for a device."""
    return os.name == "nt" and str(PureWindowsPath(path)).startswith(("\\\\", "\\??\\"))


def differences(then, now):
    """List what computes otherwise in one record than in another: the same bytes are not certain.

    Returns:
        Texts such as `tensorflow 2.20.0 (here 2.21.0)`.
    """
    facts = [each["versions"] | {"precision": each.get("precision")} for each in (then, now)]
    return [
        f"{name} {value} (here {facts[1].get(name)})"
        for name, value in facts[0].items()
        if value != facts[1].get(name)
    ]
