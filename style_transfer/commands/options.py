"""How options are made: from `Settings`, from files, with headings, with checks of their own."""

import functools
import importlib.util
import math
import operator

import click

from style_transfer.commands import config
from style_transfer.settings import FIELDS, check

SECTIONS = ("Common options", "Style", "Method", "Network", "Run")


class Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *arguments, section, **keywords):
        super().__init__(*arguments, **keywords)
        self.section = section


class Command(click.Command):
    """A command whose help groups the options under headings."""

    def format_options(self, context, formatter):
        """Write the options, section by section; click's own `--help` comes last."""
        for section in SECTIONS:
            options = [each for each in self.get_params(context) if section_of(each) == section]
            with formatter.section(section):
                formatter.write_dl([each.get_help_record(context) for each in options])


def section_of(option):
    """Return the heading of an option; those of click itself belong to the last."""
    return getattr(option, "section", SECTIONS[-1])


def setting(section, name, *flags, shown_default=True):
    """Make the option of a setting: type, default, meaning and range come from `Settings`."""
    field = FIELDS[name]
    default, choices = field.default, field.metadata["choices"]
    several = isinstance(default, tuple)
    kind = float if name == "blend" else str if several else type(default)

    def validate(_context, _parameter, value):
        try:
            check(name, value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    return click.option(
        *flags,
        name,
        cls=Option,
        section=section,
        type=click.Choice(choices) if choices and not several else kind,
        is_flag=default is False,
        multiple=several,
        default=default,
        show_default=shown_default,
        callback=validate,
        help=field.metadata["meaning"],
        envvar=[f"STYLE_{flag[2:].upper().replace('-', '_')}" for flag in flags],
    )


def from_file(context, parameter, value):
    """Take settings from a recipe or a TOML file as defaults; the file goes before the recipe."""
    if value is not None:
        flags = {each.name: each.opts for each in context.command.params if each.name in FIELDS}
        known = {flag[2:]: name for name, opts in flags.items() for flag in opts}
        read = config.read_recipe if parameter.name == "recipe" else config.read
        context.meta[parameter.name] = read(value, known)
        found = (context.meta.get(name, {}) for name in ("recipe", "config"))
        context.default_map = functools.reduce(operator.or_, found)
    return value


def plain(section, *flags, **keywords):
    """Make an option that is not a setting: it does not change the picture."""
    return click.option(*flags, cls=Option, section=section, **keywords)


def check_video():
    """Refuse --video where PyAV is missing: long before the run, which would end with it."""
    if importlib.util.find_spec("av") is None:
        raise click.UsageError("--video needs PyAV; install it with: python -m pip install av")
    return True


def parse_duration(text):
    """Turn `90s`, `5m`, `1h` or plain seconds into seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise click.BadParameter(f"{text} is no time; write 90s or 5m, for example")
    return seconds
