"""The network that sees, built as the settings ask for it."""

import numpy as np

import functions


def build_network(weights, settings, precision):
    """Build the truncated network that the settings ask for, with these weights."""
    model = functions.build_model(
        settings.layers,
        weights.architecture,
        pooling=settings.pooling,
        preprocessing=settings.preprocessing,
        precision=precision,
    )
    weights.assign(model)
    return model


def choose_lifts(weights, settings):
    """Return the lift of each style layer that is to have one: none where the space is raw.

    Raises:
        ValueError: the settings ask for lifted features, and a layer has no head.
    """
    if settings.style_space == "raw":
        return {}
    lifts = {
        name: lift for name, lift in weights.lifts.items() if name in settings.style_layer_weights
    }
    missing = settings.style_layer_weights.keys() - lifts.keys()
    if settings.style_space == "lifted" and missing:
        raise ValueError(f"{weights.name} has no head for {min(missing)}; add --style-space raw")
    if settings.style_loss == "gram" and settings.loss == "relative":
        return {name: compress(lift) for name, lift in lifts.items()}
    return lifts


def compress(lift):
    """Return the smallest lift under which Gram matrices differ as much as under this one.

    With A = Q R, and Q's columns orthonormal, |A D Aᵀ| = |R D Rᵀ| for every D.
    """
    return np.linalg.qr(lift.astype(np.float64), mode="r").astype(np.float32)
