"""Any style in one pass, by the network that the setting `transform` names."""

from style_transfer.feedforward import arbitrary, universal
from style_transfer.networks import instant


def load_network(transform):
    """Return what has a `paint(material, settings)` for a transform; each is built once.

    Raises:
        SettingsError: it is in packages that are not installed.
    """
    return (arbitrary if transform == instant.GOOGLE else universal).load_network()


def painter(settings):
    """Return a function that paints what a `Material` says in one pass."""
    return lambda material: load_network(settings.transform).paint(material, settings)
