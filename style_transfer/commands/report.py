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
    from style_transfer.reports import films, page
    from style_transfer.runs.films import TABLE

    is_film = (Path(folder) / TABLE).exists()
    click.echo((films.write_page if is_film else page.write_report)(Path(folder)))
