"""The temporal loss, against NumPy; the frame's engine, against that of a picture."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19

from style_transfer.networks import weights
from style_transfer.optimization.engine import Engine
from style_transfer.optimization.optimizers import LBFGS, Adam
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings
from style_transfer.video.loss import FrameEngine, FrameTransfer, temporal_loss

SETTINGS = Settings(size=48, steps=3, epochs=1, scales="1", warmup=0, patience=0, init="content")


def draw(seed, channels=3):
    return np.random.default_rng(seed).uniform(size=(1, 36, 48, channels)).astype(np.float32)


@pytest.mark.parametrize("form", ["relative", "gatys", "mean"])
def test_the_temporal_loss_is_the_papers(form):
    image, moved, trust = draw(0), draw(1), draw(2, 1)
    other, less = draw(3), draw(4, 1) ** 2
    expected = 0.0
    for w, c in ((moved, trust), (other, less)):
        term = (c.astype(float) * (image.astype(float) - w) ** 2).sum() / (36 * 48 * 3)
        expected += term / (w[0].reshape(-1, 3).var(axis=0).mean() if form == "relative" else 1)
    found = temporal_loss(image, ((moved, trust), (other, less)), form=form)
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def build(kind, *more):
    return kind(weights.draw(0, SMALL_VGG19), SETTINGS, *more)


@pytest.fixture(scope="module")
def film():
    """An engine of films, compiled once: the weight of the temporal loss is no part of that."""
    return build(FrameEngine, 0.0)


def goal_of(engine, references):
    material = Material(draw(0), [Style(draw(5))], draw(1))
    return FrameTransfer(engine, material, SETTINGS, references, 1).goal


def test_its_gradient_reaches_the_image(film):
    image, moved, trust = draw(6), draw(1), draw(2, 1)
    weights_ = tf.constant([0.0, 0.0, 0.0, 5.0])
    found = film.evaluate(tf.constant(image), goal_of(film, [(moved, trust)]), weights_)
    variance = moved[0].reshape(-1, 3).var(axis=0).mean()
    expected = 5.0 * 2 * trust * (image - moved) / (36 * 48 * 3) / variance
    np.testing.assert_allclose(found["gradient"], expected, rtol=1e-3, atol=1e-9)
    assert found["losses"].shape == (4,) and film.terms[3] == "temporal"


def test_without_trust_a_frame_is_painted_as_a_picture(film):
    picture, film.temporal_weight = build(Engine), 30.0
    material = Material(draw(0), [Style(draw(5))], draw(1))
    from style_transfer.optimization.transfer import Transfer

    images = []
    for transfer in (
        Transfer(picture, material, SETTINGS),
        FrameTransfer(film, material, SETTINGS, (), 2),
    ):
        *_, last = transfer.run()
        images.append(last.image)
    np.testing.assert_allclose(images[0], images[1], atol=1e-4)
    assert last.losses[-1][3] == 0


@pytest.mark.parametrize(
    "optimizer", [LBFGS(terms=tuple("abcd")), Adam(learning_rate=0.1, terms=tuple("abcd"))]
)
def test_a_state_has_as_many_losses_when_their_weights_change(optimizer):
    state = optimizer.start(draw(0))
    assert state["losses"].shape == optimizer.reweighted(state)["losses"].shape == (4,)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_is_held_does_not_change_at_all(film, optimizer):
    material = Material(draw(0), [Style(draw(5))], draw(1))
    free = np.zeros((1, 36, 48, 1), np.float32)
    free[:, :, 24:] = 1
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    if optimizer != SETTINGS.optimizer:
        film = FrameEngine(weights.draw(0, SMALL_VGG19), settings, 5.0)
    film.temporal_weight = 5.0
    transfer = FrameTransfer(film, material, settings, (), 2, free)
    *_, last = transfer.run()
    np.testing.assert_array_equal(last.image[:, :, :24], draw(1)[:, :, :24])
    assert np.abs(last.image - draw(1))[:, :, 24:].mean() > 0.01


def test_what_is_trusted_stays(film):
    material = Material(draw(0), [Style(draw(5))], draw(1))
    settings = dataclasses.replace(SETTINGS, steps=10)
    moved, trust = draw(7), np.zeros((1, 36, 48, 1), np.float32)
    trust[:, :, :24] = 1
    distances = {}
    for weight in (0.0, 1e4):
        film.temporal_weight = weight
        transfer = FrameTransfer(film, material, settings, [(moved, trust)], 2)
        *_, last = transfer.run()
        distances[weight] = np.abs(last.image - moved).mean(axis=(0, 1, 3))
    assert distances[1e4][:24].mean() < 0.3 * distances[0.0][:24].mean()
    assert distances[1e4][30:].mean() > 0.8 * distances[0.0][30:].mean()
