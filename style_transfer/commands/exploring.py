"""What the exploring commands have in common: their options, and the way from these to a study."""

import dataclasses
import functools
from pathlib import Path
from types import SimpleNamespace

import click

from style_transfer.commands.console import LOADING, Console
from style_transfer.commands.options import (
    RUN,
    Option,
    field_option,
    file_options,
    make_settings,
    message_options,
    setting_options,
)
from style_transfer.commands.playing import play
from style_transfer.settings import COMMON, FIELDS

#: Of all settings, those that what the network sees depends on.
USED = (
    "size",
    "enlarge",
    "seed",
    "network",
    "weights",
    "pooling",
    "preprocessing",
    "border",
)


FOLDER = "data/output/<picture>-<command>"


def picture_option(*flags, **keywords):
    """Make an option that names a picture."""
    return Option(*flags, section=COMMON, metavar="PICTURE", **keywords)


def exploring_options(kind, *, used=USED, defaults=None, folder=FOLDER):
    """Make the options of an exploring command, but those that name its pictures.

    Args:
        kind: class of its own options, see `exploration.choices`.
        used: names of the settings that it depends on.
        defaults: of those, by name, that have others here.
        folder: where its pictures go by default.
    """
    return [
        Option(
            "-o",
            "--output",
            section=COMMON,
            metavar="DIR",
            help=f"Folder for the pictures.  [default: {folder}]",
        ),
        *(field_option(field) for field in dataclasses.fields(kind)),
        *file_options(recipes=False),
        *setting_options(without=FIELDS.keys() - set(used), defaults=defaults),
        Option("--dry-run", section=RUN, is_flag=True, help="Say what would be done, and stop."),
        Option("--resume", section=RUN, metavar="DIR", help="Continue the one in a folder."),
        Option("--overwrite", section=RUN, is_flag=True, help="Replace what the folder holds."),
        *message_options(),
    ]


def explore(context, options, kind, *, roles, required=("content",), place=None):
    """Make a study of the options of a command, and do it.

    Args:
        context: of the command.
        options: by name.
        kind: class of the command's own options.
        roles: names of the options that name pictures.
        required: those of them that must be there.
        place: a function from the settings to the folder, where none is named.
    """
    given = SimpleNamespace(**options)
    settings = make_settings(options)
    choices = kind(**{each.name: options[each.name] for each in dataclasses.fields(kind)})
    console = Console(quiet=given.quiet, verbose=given.verbose)
    resumed = options.get("resume")
    for name in required:
        if not (options[name] or resumed):
            raise click.UsageError(f"--{name} is missing; name a picture file.")
    console.status(LOADING)
    from style_transfer.batches import local
    from style_transfer.exploration import study

    if resumed:
        refuse_changes(context)
        work = study.resume(Path(resumed), context.command.name, kind)
    else:
        inputs = collect(options, roles)
        name = context.command.name
        folder = choose_folder(given, name, inputs, place and place(settings))
        work = study.Study(context.command.name, inputs, settings, choices, folder)
    failures = play(functools.partial(study.perform, work), console)
    local.check_failures(failures, len(failures))


def collect(options, roles):
    """Return the paths of the pictures by role; of several, `pictures`, `pictures 2`, …"""
    from style_transfer.batches import plan
    from style_transfer.runs.inputs import number

    inputs = {}
    for role in roles:
        value = options[role]
        if isinstance(value, tuple):
            inputs |= dict(number(role, plan.expand(value)))
        elif value:
            inputs[role] = value
    return inputs


def choose_folder(given, name, inputs, place):
    """Return the folder for the pictures, once it is safe to write there; None for a dry run."""
    from style_transfer.exploration import album
    from style_transfer.runs.folder import choose_free

    first = Path(next(iter(inputs.values()))).stem + "-" if inputs else ""
    folder = Path(given.output or place or choose_free(f"{first}{name}"))
    album.check(folder, inputs.values(), overwrite=given.overwrite)
    return None if given.dry_run else folder


def refuse_changes(context):
    """Refuse options beside --resume: what is continued is as it was."""
    there = click.core.ParameterSource.COMMANDLINE
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name) is there
        if is_given and option.name not in ("resume", "quiet", "verbose"):
            raise click.UsageError(f"{option.opts[0]} does not go with --resume: it is as it was")
