"""How options are made: from `Settings`, from files, with headings, with checks of their own."""

import functools
import importlib.util
import math
import operator

import click

from style_transfer import film_settings
from style_transfer.commands import config
from style_transfer.errors import SettingsError
from style_transfer.method.architecture import ARCHITECTURES
from style_transfer.network_settings import NETWORK
from style_transfer.runs import keeping
from style_transfer.settings import COMMON, FIELDS, STYLE, Settings
from style_transfer.validation import ORIGINAL, check_value, without_none

METHOD, RUN = "Method", "Run"
SECTIONS = (COMMON, film_settings.SECTION, STYLE, METHOD, NETWORK, RUN)
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *flags, section, **keywords):
        super().__init__(flags, **keywords)
        self.section = section


class Command(click.Command):
    """A command whose help groups the options under headings."""

    def format_options(self, context, formatter):
        """Write the options, section by section; click's own `--help` comes last."""
        for section in SECTIONS:
            options = [each for each in self.get_params(context) if section_of(each) == section]
            records = [record for each in options if (record := each.get_help_record(context))]
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)


def section_of(option):
    """Return the heading of an option; those of click itself belong to the last."""
    return getattr(option, "section", SECTIONS[-1])


class Size(click.ParamType):
    """A side in pixels, or `original`."""

    name = "integer"

    def convert(self, value, parameter, context):
        """Return a whole number."""
        return ORIGINAL if value == "original" else click.INT.convert(value, parameter, context)


class Values(click.ParamType):
    """Numbers with commas between them."""

    name = "number,…"

    def __init__(self, kind):
        self.kind = kind

    def convert(self, value, parameter, context):
        """Return a tuple of different numbers."""
        parts = value if isinstance(value, tuple) else str(value).split(",")
        values = tuple(self.kind.convert(part, parameter, context) for part in parts)
        if len(set(values)) < len(values):
            self.fail(f"{value} names a number twice", parameter, context)
        return values


def setting_options(*, several=False, without=(), fields=FIELDS, defaults=None):
    """Make the options of all settings: type, default, meaning and range come from `Settings`.

    Args:
        several: whether a number may be a list of numbers, as in a sweep.
        without: names of settings that get none.
        fields: of the settings.
        defaults: those, by name, that are others than the settings' own.
    """
    defaults = defaults or {}
    return [
        field_option(field, several, defaults.get(name))
        for name, field in fields.items()
        if name not in without
    ]


def field_option(field, several=False, default=None):
    """Make the option of one setting.

    Args:
        field: of a data class, as `validation.option` declares it.
        several: whether a number may be a list of numbers.
        default: where it is another one than the field's.
    """
    default, rule = field.default if default is None else default, field.metadata
    is_list, is_number = isinstance(default, tuple), type(default) in (int, float)

    def validate(_context, _parameter, value):
        try:
            value = without_none(value, field)
            for each in value if several and is_number else (value,):
                check_value(each, field)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    kind = click.Choice(rule["choices"]) if rule["choices"] and not is_list else rule["kind"]
    kind = Size() if field.name == "size" else kind
    if several and is_number:
        kind = Values(click.types.convert_type(kind))
    flags = rule["flags"]
    return Option(
        *flags,
        field.name,
        section=rule["section"],
        type=kind,
        is_flag=default is False,
        multiple=is_list,
        default=default,
        show_default=shown(default),
        callback=validate,
        help=rule["meaning"],
        envvar=[f"STYLE_{flag[2:].upper().replace('-', '_')}" for flag in flags],
    )


def shown(default):
    """Tell how a default is shown: long lists by their ends, none for an empty one."""
    if not isinstance(default, tuple):
        return default != ""
    return f"{default[0]} … {default[-1]}" if len(default) > 2 else bool(default)


def file_options(*, recipes=True):
    """Make the options that take settings from files; `recipes`: those in recipes/, too."""
    options = [
        Option(
            "--recipe",
            section=COMMON,
            type=click.Choice(config.list_recipes()),
            is_eager=True,
            callback=take_file,
            help="The settings of a published system, see recipes/; other options go before.",
        ),
        Option(
            "--config",
            section=COMMON,
            metavar="FILE",
            is_eager=True,
            callback=take_file,
            help="Settings from a TOML file: the long options without their dashes.",
        ),
    ]
    return options if recipes else options[1:]


def take_file(context, parameter, value):
    """Take settings from a recipe or a TOML file as defaults; the file goes before the recipe."""
    if value is not None:
        flags = {each.name: each.opts for each in context.command.params if each.name in FIELDS}
        known = {flag[2:]: name for name, opts in flags.items() for flag in opts}
        if parameter.name == "recipe":
            context.meta["compact"] = config.read_recipe(value, known, compact=True)
            context.meta["recipe"] = config.read_recipe(value, known)
        else:
            context.meta["config"] = config.read(value, known)
        found = (context.meta.get(name, {}) for name in ("recipe", "config"))
        context.default_map = functools.reduce(operator.or_, found)
    return value


def fit_recipe(context, options, console):
    """Return the options with a recipe's values for the compact network, if that is to paint.

    What stands on the command line, in the environment or in a file of the user's stays.
    """
    values = context.meta.get("compact")
    if not values or not paints_with_compact(options):
        return options
    sources = (click.core.ParameterSource.DEFAULT_MAP, click.core.ParameterSource.DEFAULT)
    free = {
        name: value
        for name, value in values.items()
        if context.get_parameter_source(name) in sources
        and name not in context.meta.get("config", {})
    }
    shown = ", ".join(
        f"{FIELDS[name].metadata['flags'][0]} {text(each)}" for name, each in free.items()
    )
    if free:
        console.say(f"Note: this recipe's values for the compact network: {shown}")
    # A sweep has a list where a run has a number.
    is_several = {name: type(options[name]) is tuple for name in free}
    return options | {
        name: (value,) if is_several[name] and type(value) is not tuple else value
        for name, value in free.items()
    }


def paints_with_compact(options):
    """Tell whether the compact network is what the options' weights stand for."""
    from style_transfer.networks import weights

    try:
        return weights.resolve(options["weights"], ARCHITECTURES[options["network"]]) == "compact"
    except ValueError:  # which is told when they are loaded
        return False


def text(value):
    """Write the value of a setting as on a command line."""
    several = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in several)


EXTRAS = ("tiff", "webp", "mp4")
FILMS = EXTRAS[1:]  # of the snapshots


def find_extras(options):
    """Take out of the options what is wanted besides the picture, for `job.Job`: by name.

    Raises:
        click.UsageError: what is wanted does not go together.
    """
    extras = tuple(name for name in EXTRAS if options.pop(name))
    keep = options.pop("keep")
    for name in FILMS:
        if keep == keeping.RESULT and name in extras:
            raise click.UsageError(f"--{name} is made of the snapshots; choose --keep frames")
    return {"extras": extras, "keep": keep}


def extra_options():
    """Make the options that ask for more than a PNG and a GIF, or for less."""
    return [
        Option(
            "--keep",
            section=RUN,
            type=click.Choice(keeping.CHOICES),
            help="What stays once a picture is finished: the result with its record, the snapshots "
            "too, or all.  [default: all]",
        ),
        Option(
            "--tiff",
            section=RUN,
            is_flag=True,
            help="Write result.tif too, of as many bits as result.png.",
        ),
        Option(
            "--webp",
            section=RUN,
            is_flag=True,
            help="Write progress.webp too: full size, full color.",
        ),
        Option(
            "--mp4",
            section=RUN,
            is_flag=True,
            callback=lambda _context, _parameter, wanted: wanted and check_mp4(),
            help="Write progress.mp4 too (H.264); needs PyAV: pip install av.",
        ),
    ]


def message_options():
    """Make the options that say how much is said."""
    return [
        Option(
            "-q",
            "--quiet",
            section=RUN,
            is_flag=True,
            help="Print nothing but errors and the result's path.",
        ),
        Option(
            "-v",
            "--verbose",
            section=RUN,
            is_flag=True,
            help="Print the libraries' messages too.",
        ),
    ]


def check_mp4():
    """Refuse --mp4 where PyAV is missing: long before the run, which would end with it."""
    if importlib.util.find_spec("av") is None:
        raise click.UsageError("--mp4 needs PyAV; install it with: python -m pip install av")
    return True


def parse_duration(_context, _parameter, text):
    """Turn `90s`, `5m`, `1h` or plain seconds into seconds."""
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise click.BadParameter(f"{text} is no time; write 90s or 5m, for example")
    return seconds


def make_settings(options):
    """Make the `Settings` of options whose values were checked one by one; refuse bad pairs."""
    try:
        return Settings(**{name: options[name] for name in FIELDS if name in options})
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def explicit(context):
    """Return the settings, by name, that stand on the command line itself."""
    there = click.core.ParameterSource.COMMANDLINE
    return {
        name: context.params[name] for name in FIELDS if context.get_parameter_source(name) is there
    }
