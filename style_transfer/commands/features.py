"""`python main.py features`: what the network sees in a picture."""

import click

from style_transfer.commands.exploring import (
    explore,
    exploring_options,
    picture_option,
)
from style_transfer.commands.options import CONTEXT, Command
from style_transfer.exploration.choices import FeatureChoices

HELP = """Show what the network sees in a picture: the maps of its channels.

\b
Examples:
  python main.py features --content photo.jpg
  python main.py features --content photo.jpg --layer block4_conv2 --channels 0-15
  python main.py features --content photo.jpg --beside result.png --style painting.jpg --gram

For each layer the channels that answer most, with their numbers, bright where they answer, and a
frame around what the strongest sees where it answers most. Silent channels answer nowhere in this
picture; dead ones, whose weights are all 0, in none. With --pictures, the patches of other pictures
that excite each most.
"""


@click.command(
    "features",
    cls=Command,
    help=HELP,
    short_help="What the network sees in a picture, channel by channel.",
    context_settings=CONTEXT,
    params=[
        picture_option("-c", "--content", help="The picture to look at."),
        picture_option("--beside", help="Another, such as the result, with the same channels."),
        picture_option("-s", "--style", help="The painting, for --gram."),
        picture_option(
            "--pictures",
            multiple=True,
            help="Pictures, a folder or a pattern, whose most exciting patches are drawn.",
        ),
        *exploring_options(FeatureChoices),
    ],
)
@click.pass_context
def command(context, **options):
    """Parse the options and look; the text of the help is `HELP`."""
    explore(context, options, FeatureChoices, roles=("content", "style", "beside", "pictures"))
