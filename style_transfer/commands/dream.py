"""`python main.py dream`: Deep Dream."""

import click

from style_transfer.commands.exploring import explore, exploring_options, picture_option
from style_transfer.commands.options import CONTEXT, Command
from style_transfer.exploration.choices import DreamChoices

HELP = """Let the network dream: a picture that excites what the network sees in it (Deep Dream).

\b
Examples:
  python main.py dream --content photo.jpg
  python main.py dream --content photo.jpg --layer block5_conv1 --steps 20 --size 1024
  python main.py dream --content photo.jpg --layer block4_conv4 --guide flowers.jpg
  python main.py dream --content photo.jpg --zoom 60

With the compact network: spots and strokes in block 3, walls with windows, beads and fur in block
4, eyes in block 5, also where none were. No animals or houses as a whole: it ends where those of
larger networks begin. Some seconds a dream, on two cores; the page moves through its octaves.
"""


@click.command(
    "dream",
    cls=Command,
    help=HELP,
    short_help="Deep Dream: what the network sees in a picture, brought out.",
    context_settings=CONTEXT,
    params=[
        picture_option("-c", "--content", help="The picture to dream of."),
        picture_option("--guide", help="A picture whose features the dream is to have."),
        *exploring_options(DreamChoices),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and dream; the text of the help is `HELP`."""
    explore(context, options, DreamChoices, roles=("content", "guide"))
