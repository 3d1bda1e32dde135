"""`python main.py channels`: what excites single channels of the network most."""

import click

from style_transfer.commands.exploring import explore, exploring_options
from style_transfer.commands.options import CONTEXT, Command
from style_transfer.exploration.choices import ChannelChoices

HELP = """Make pictures that excite single channels of the network most.

\b
Examples:
  python main.py channels
  python main.py channels --layer block5_conv1 --channels 0-63

From nothing but the network, by the method of Lucid (Olah et al., Feature Visualization). With the
compact network: stripes and dots in block 3, patterns of cloth, tiles and fur in block 4, eyes and
whorls in block 5, no animals; its channels are mixtures of VGG19's, which its heads (--space
lifted) take apart again. Half a minute for eight of a layer, on two cores.
"""


@click.command(
    "channels",
    cls=Command,
    help=HELP,
    short_help="What excites single channels of the network most.",
    context_settings=CONTEXT,
    params=exploring_options(
        ChannelChoices,
        used=("seed", "network", "weights", "pooling", "preprocessing"),
        folder="data/output/channels",
    ),
)
@click.pass_context
def command(context, **options):
    """Parse the options and make the pictures; the text of the help is `HELP`."""
    explore(context, options, ChannelChoices, roles=(), required=())
