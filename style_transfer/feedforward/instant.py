"""Any style in one pass, by the network that the setting `transform` names."""

import functools

from style_transfer.feedforward import arbitrary, universal
from style_transfer.networks import instant


def load_network(transform):
    """Return what has a `paint(material, settings)` for a transform; each is built once.

    Raises:
        SettingsError: it is in packages that are not installed.
    """
    return (arbitrary if transform == instant.GOOGLE else universal).load_network()


@functools.lru_cache(maxsize=2)
def load_compiled(transform, precision):
    """Return what `load_network` does, for many pictures of one size; raises the same.

    Args:
        precision: see `universal.UniversalTransfer.compiled`; Google's network has but one.
    """
    network = load_network(transform)
    return network if transform == instant.GOOGLE else network.compiled(precision)


def painter(settings):
    """Return a function that paints what a `Material` says in one pass."""
    return lambda material: load_network(settings.transform).paint(material, settings)
