"""The command line: `python main.py --content photo.jpg --style painting.jpg`."""

import sys

import click

from style_transfer import files
from style_transfer.commands import (
    apply,
    channels,
    dream,
    features,
    model,
    paint,
    reconstruct,
    report,
    sweep,
    train,
    video,
    web,
)
from style_transfer.commands.console import ERASE_LINE, open_missing_streams
from style_transfer.commands.options import CONTEXT
from style_transfer.errors import BatchError, ComputationError, SettingsError
from style_transfer.settings import VERSION

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """The commands; where none is named, the first one is meant."""

    def parse_args(self, context, arguments):
        """Put the default in front of arguments that begin with none of the commands."""
        own = (*self.commands, *CONTEXT["help_option_names"], "--version")
        if arguments and arguments[0] not in own:
            arguments = [paint.command.name, *arguments]
        return super().parse_args(context, arguments or ["--help"])

    def format_help(self, context, formatter):
        """Write the help of the default, and the list of all."""
        default = click.Context(paint.command, info_name=context.info_name)
        paint.command.format_help(default, formatter)
        self.format_commands(context, formatter)


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(VERSION, message="style-transfer %(version)s")
def commands():
    """Choose a command."""


for each in (
    paint,
    apply,
    video,
    web,
    train,
    sweep,
    features,
    reconstruct,
    dream,
    channels,
    model,
    report,
):
    commands.add_command(each.command)


def main():
    """Run a command; bad input ends in one line on standard error and exit status 2."""
    open_missing_streams()
    try:
        commands.main(prog_name="python main.py", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted", EXIT_INTERRUPTED)
    except (click.UsageError, click.FileError) as error:
        fail(error.format_message(), EXIT_BAD_INPUT)
    except (files.FileError, SettingsError) as error:
        fail(error, EXIT_BAD_INPUT)
    except (ComputationError, BatchError, OSError, ArithmeticError) as error:
        fail(error, EXIT_FAILED)


def fail(message, status):
    """Print the one line that says what went wrong, and end."""
    erase = ERASE_LINE if sys.stderr.isatty() else ""
    click.echo(f"{erase}Error: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
