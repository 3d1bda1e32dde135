"""Settings from TOML files: recipes, which are those of published systems, and the user's own."""

import tomllib
from pathlib import Path

from style_transfer import files
from style_transfer.settings import FIELDS, check
from style_transfer.validation import without_none

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def list_recipes():
    """Return the names of the recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(name, known, *, compact=False):
    """Read a recipe by its name; see `read`.

    Args:
        compact: its values for the compact network, which stand in a table of that name: what the
            published ones would be for activations of another size.
    """
    path = RECIPES / f"{name}.toml"
    table = parse(path)
    own = table.pop("compact", {})
    return take(path, own if compact else table, known)


def read(path, known):
    """Read settings from a TOML file.

    Args:
        path: of the file.
        known: from key, such as `style-weight`, to the name of a setting.

    Returns:
        From name of a setting to its value.

    Raises:
        files.FileError: it is no TOML, or a key is unknown, or a value cannot be.
    """
    return take(path, parse(path), known)


def parse(path):
    """Return the table that a TOML file holds."""
    data = files.read(path, remedy="give a TOML file with --config")
    try:
        return tomllib.loads(data.decode())
    except ValueError as error:
        raise files.FileError(path, f"is not TOML ({error})", "correct it") from None


def take(path, table, known):
    """Return the settings in a table of a file, see `read`."""
    values = {}
    for key, value in table.items():
        name = known.get(key.replace("_", "-"))
        if name is None:
            remedy = f"its keys are the long options: {', '.join(sorted(known))}"
            raise files.FileError(path, f"has an unknown key, {key}", remedy)
        if name in values:
            raise files.FileError(path, f"gives {name} twice", "leave one of them out")
        try:
            values[name] = convert(name, value)
        except ValueError as error:
            raise files.FileError(path, f"{key}: {error}", "correct it") from None
    return values


def convert(name, value):
    """Give a value of TOML the type of a setting; raise ValueError if it cannot be that."""
    default = FIELDS[name].default
    if isinstance(default, tuple):
        value = tuple(value if isinstance(value, list) else (value,))
        kind = float if name == "blend" else str
        value = tuple(convert_to(kind, each) for each in value)
    else:
        value = convert_to(type(default), value)
    check(name, without_none(value, FIELDS[name]))
    return value


def convert_to(kind, value):
    """Return `value` if it is of a kind; a whole number is a float as well."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ValueError(f"{value} is not {names[kind]}")
    return value
