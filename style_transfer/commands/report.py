"""`python main.py report`: the page of a run that lies in a folder, made anew."""

from pathlib import Path

import click

from style_transfer.commands.options import CONTEXT, Command

HELP = """Write report.html again for the run in a folder, from what lies there.

\b
Example:
  python main.py report data/output/photo-painting
"""


@click.command(
    "report",
    cls=Command,
    help=HELP,
    short_help="The page of a run, made anew.",
    context_settings=CONTEXT,
)
@click.argument("folder", metavar="DIR")
def command(folder):
    """Write the page and print its path."""
    from style_transfer.reports import page

    click.echo(page.write_report(Path(folder)))
