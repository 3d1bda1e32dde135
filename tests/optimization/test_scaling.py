"""The gradient through the compact network in float16 against float32, for all published recipes.

Of each the first evaluation of a run, a photo with noise on it, where gradients differ the most.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

import functions
from style_transfer.commands import config
from style_transfer.commands import paint as painting
from style_transfer.networks import weights
from style_transfer.optimization import engine, scaling, targets
from style_transfer.pictures import images
from style_transfer.settings import FIELDS, Settings

KNOWN = {
    flag[2:]: option.name
    for option in painting.command.params
    if option.name in FIELDS
    for flag in option.opts
}
SIDE = 96
NAMES = ("defaults", *config.list_recipes())


def settings_of(name):
    """The settings of a recipe, as far as the compact network reaches."""
    if name == "defaults":
        return Settings()
    settings = Settings(**config.read_recipe(name, KNOWN))
    if name == "tensorflow-tutorial":
        return dataclasses.replace(settings, content_layers=("block5_conv1",))
    return settings


@pytest.fixture(scope="module")
def pictures():
    """The photo, the painting, and the photo with noise, as tensors."""
    tensors = []
    for name in ("cat", "waves"):
        picture = images.load(ROOT / "data" / "input" / f"{name}.jpg")
        tensors.append(images.to_tensor(picture, images.fitted_size(picture.pixels.size, SIDE)))
    noise = np.random.default_rng(0).normal(0, 0.1, tensors[0].shape).astype(np.float32)
    tensors.append(np.clip(tensors[0] + noise, 0, 1))
    return [tf.constant(each) for each in tensors]


@pytest.fixture(scope="module")
def evaluate(pictures):
    """A function that evaluates the noisy photo; what it built for one call serves the next."""
    models, known = weights.load("compact"), {}
    photo, style, noisy = pictures

    def model_of(settings, precision):
        key = settings.layers, settings.pooling, precision
        if key not in known:
            known[key] = engine.build_network(models, settings, precision)
        return known[key]

    def evaluate(settings, precision, build):
        model = model_of(settings, precision)
        goal = targets.compute_targets(model, photo, [targets.Style(style)], settings)
        factors = settings.content_weight, settings.style_weight, settings.tv_weight
        found = build(model, settings)(noisy, goal, tf.constant(factors, tf.float32))
        return {key: value.numpy() for key, value in found.items()}

    return evaluate


def compare(found, exact):
    """Return the cosine between two gradients, and the largest relative error of the losses."""
    vectors = [each["gradient"].ravel().astype(float) for each in (found, exact)]
    cosine = vectors[0] @ vectors[1] / np.prod([np.linalg.norm(each) for each in vectors])
    return cosine, np.max(np.abs(found["losses"] / exact["losses"] - 1))


@pytest.mark.parametrize("name", NAMES)
def test_float16_finds_the_gradient_and_the_losses_of_float32(evaluate, name):
    settings = settings_of(name)
    found = evaluate(settings, "float16", scaling.build_scaled_evaluation)
    exact = evaluate(settings, "float32", functions.build_evaluation)
    assert np.isfinite(found["gradient"]).all()
    cosine, error = compare(found, exact)
    assert cosine > 0.99
    assert error < 0.02
    sizes = [np.linalg.norm(each["gradient"]) for each in (found, exact)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    assert found["total"] == pytest.approx(exact["total"], rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_in_float32_the_scale_changes_nothing(evaluate, name):
    settings = settings_of(name)
    found = evaluate(settings, "float32", scaling.build_scaled_evaluation)
    exact = evaluate(settings, "float32", functions.build_evaluation)
    largest = np.abs(exact["gradient"]).max()
    np.testing.assert_allclose(found["gradient"], exact["gradient"], atol=1e-5 * largest)
    np.testing.assert_allclose(found["losses"], exact["losses"], rtol=1e-5)


@pytest.mark.parametrize("largest", [scaling.LARGEST / 1000, scaling.LARGEST * 1000])
def test_there_is_room_on_both_sides(evaluate, monkeypatch, largest):
    """For networks and pictures through which gradients grow, or fade, more than here."""
    exact = evaluate(Settings(), "float32", functions.build_evaluation)
    monkeypatch.setattr(scaling, "LARGEST", largest)
    found = evaluate(Settings(), "float16", scaling.build_scaled_evaluation)
    assert compare(found, exact)[0] > 0.99


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_without_the_scale_large_and_small_weights_lose_the_gradient(evaluate, factor):
    """It overflows, or vanishes. (With its own weights and this network the recipe would do.)"""
    settings = settings_of("gatys2016")
    changes = {
        name: factor * getattr(settings, name) for name in ("content_weight", "style_weight")
    }
    settings = dataclasses.replace(settings, **changes)
    exact = evaluate(settings, "float32", functions.build_evaluation)
    unscaled = evaluate(settings, "float16", functions.build_evaluation)
    found = evaluate(settings, "float16", scaling.build_scaled_evaluation)
    if factor > 1:
        assert not np.isfinite(unscaled["gradient"]).all()
    else:
        assert compare(unscaled, exact)[0] < 0.95  # some processors keep small numbers longer
    assert compare(found, exact)[0] > 0.99


def test_nothing_to_improve_gives_a_gradient_of_nothing(evaluate):
    """The largest value that enters is 0: by that no scale can be chosen."""
    settings = Settings(content_weight=0.0, style_weight=0.0, tv_weight=0.0)
    found = evaluate(settings, "float16", scaling.build_scaled_evaluation)
    assert not found["gradient"].any() and found["total"] == 0
