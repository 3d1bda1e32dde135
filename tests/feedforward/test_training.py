"""Training: its loss is that of painting, it learns, it goes on where it was."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19
from trainers import SETTINGS, build_loss, build_trainer, make_narrow

import functions
from style_transfer.feedforward import architectures, gallery, start, training
from style_transfer.feedforward.loss import GRID, KNEE, measure_grid
from style_transfer.networks import weights
from style_transfer.optimization import targets
from style_transfer.optimization.engine import build_network
from style_transfer.optimization.targets import Style
from style_transfer.runs.checkpoint import CheckpointError


@pytest.fixture
def narrow(monkeypatch):
    """Few channels, so that a step takes little time."""
    make_narrow(monkeypatch.setattr)


def losses_of_painting(photo, image, style, settings=SETTINGS):
    model = build_network(weights.draw(0, SMALL_VGG19), settings, "float32")
    goal = targets.compute_targets(model, photo[None], [Style(style)], settings)
    features = functions.extract_features(model, image[None], border=settings.border)
    return functions.compute_losses(features, image[None], goal, settings)


@pytest.mark.parametrize("kind", ["gram", "mean-std", "wasserstein"])
def test_the_loss_is_that_of_painting(kind):
    settings = dataclasses.replace(SETTINGS, style_loss=kind)
    loss, styles = build_loss(2, settings)
    generator = np.random.default_rng(2)
    photos, images = (generator.random((2, 32, 48, 3), np.float32) for _ in range(2))
    wanted = loss.mix(gallery.pure([1, 0]))
    found, _ = loss(tf.constant(photos), tf.constant(images), wanted)
    for row, photo, image, style in zip(found.numpy(), photos, images, reversed(styles)):
        expected = losses_of_painting(photo, image, style, settings)
        np.testing.assert_allclose(row, expected, rtol=1e-4)


def test_what_is_minimized_written_out():
    loss, _ = build_loss(1)
    losses = np.array([[0.5, 2.0, 0.1], [1.5, 0.01, 0.2]])
    tempered = KNEE * np.log(1 + losses[:, 1] / KNEE)
    alpha, beta, gamma = SETTINGS.loss_weights
    images = np.random.default_rng(0).random((2, 8, 12, 3))
    phases = np.array(
        [[images[:, a::4, b::4].mean(axis=(1, 2)) for a in range(4)] for b in range(4)]
    )  # (4, 4, batch, 3)
    grid = phases.var(axis=(0, 1)).mean(axis=1)
    weighted = alpha * losses[:, 0] + beta * tempered + gamma * losses[:, 2]
    expected = np.mean(weighted + GRID * grid)
    given = (tf.constant(each, tf.float32) for each in (images, losses))
    found = loss.objective(*given, loss.weights).numpy()
    assert found == pytest.approx(expected, rel=1e-5)
    assert tempered[1] == pytest.approx(0.01, rel=0.1)  # near its minimum it counts as it is


def test_a_grid_is_found_and_nothing_else():
    waves = np.sin(np.arange(48) * np.pi / 2)[:, None, None] * np.ones((1, 48, 3))
    slow = np.sin(np.arange(48) * np.pi / 6)[:, None, None] * np.ones((1, 48, 3))
    found = measure_grid(tf.constant(np.stack([waves, slow]), tf.float32)).numpy()
    np.testing.assert_allclose(found, [0.5, 0.0], atol=1e-6)
    turned = np.concatenate(
        [np.tile(waves, (1, 2, 1))[:, :56], -np.tile(waves, (1, 2, 1))[:, :56]], 1
    )
    turned = np.tile(turned, (2, 1, 1))[:56]  # one window each; their mean is 0
    assert measure_grid(tf.constant(turned[None], tf.float32)).numpy() == pytest.approx(
        0.5, rel=1e-4
    )


def test_the_rate_rises_and_falls():
    schedule = training.Schedule(1000, 0.01)
    assert schedule.rate(0) == pytest.approx(0.01 / 50)
    assert schedule.rate(500) == pytest.approx(0.005)
    assert schedule.rate(999) < 1e-6


def learn(precision):
    """Train for 40 steps; return the trainer and the first iterate and all losses."""
    settings = dataclasses.replace(SETTINGS, epochs=1, steps=40, learning_rate=0.01)
    trainer = build_trainer(settings=settings, count=1, precision=precision)
    iterates = list(trainer.run())
    return trainer, iterates[0].losses, np.concatenate([each.losses for each in iterates])[:, -1]


def test_it_learns_and_in_bfloat16_the_same(narrow):
    trainer, first, exact = learn("float32")
    assert exact[0] == pytest.approx(trainer.loss.weights @ first[0, :3], rel=1e-5)
    assert exact[-1] < 0.7 * exact[0]
    assert trainer.best_validation == pytest.approx(exact[-1], rel=1e-6)
    trainer, _, rounded = learn("bfloat16")
    assert {str(each.dtype) for each in trainer.network.weights} == {"float32"}
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded[[0, -1]], exact[[0, -1]], rtol=0.05)


@pytest.fixture(scope="module")
def timed():
    """A training to its end, and what it would have saved before and after a step was timed."""
    with pytest.MonkeyPatch.context() as patch:
        make_narrow(patch.setattr)
        trainer = build_trainer()
    before = trainer.save()
    assert trainer.time_step() > 0
    return trainer, (before, trainer.save()), list(trainer.run())


def test_the_iterates_count_steps_and_epochs(timed):
    trainer, _, iterates = timed
    assert iterates[0].step == iterates[0].epoch == 0
    assert iterates[-1].step == 6 and iterates[-1].epoch == 2 and trainer.is_finished
    assert sum(len(each.losses) for each in iterates) == 7
    shown = [each.epoch for each in iterates if each.image is not None]
    assert shown == [0, 1, 2]
    assert iterates[-1].image.shape == (1, 40, 80, 3)  # two styles side by side
    # The validation changes with the last step of an epoch, however the steps come in.
    validation = np.concatenate([each.losses[:, -1] for each in iterates])
    assert len(set(validation[:3])) == 1 and len(set(validation[3:6])) == 1
    assert len(set(validation)) == 3


@pytest.mark.parametrize(("stop", "weight"), [(2, 0.0), (3, 0.5)])
def test_it_goes_on_as_if_it_had_not_been_stopped(narrow, stop, weight):
    whole = build_trainer(weight=weight)
    batches = whole.lesson.photos.from_batch(0)
    for _ in range(stop):
        whole.next_step(next(batches))
    if stop == 3:
        whole.validate()
    saved = whole.save()
    list(whole.run())
    second = build_trainer(saved=saved, weight=weight)
    assert second.step == stop
    list(second.run())
    for name, each in architectures.list_weights(whole.network).items():
        np.testing.assert_array_equal(architectures.list_weights(second.network)[name], each)
    for name, each in whole.best.items():
        np.testing.assert_array_equal(second.best[name], each)


def test_a_checkpoint_of_another_network_is_refused(narrow):
    arrays, header = build_trainer().save()
    with pytest.raises(CheckpointError):
        build_trainer(saved=(arrays, header), count=1)


def test_timing_a_step_changes_nothing(timed):
    _, ((before, _), (after, header)), _ = timed
    assert header["step"] == 0
    for name, each in before.items():
        np.testing.assert_array_equal(after[name], each)


def test_the_critic_is_a_loss_more(narrow):
    trainer = build_trainer(weight=0.5)
    iterates = list(trainer.run())
    assert iterates[-1].losses.shape[1] == 5  # content, style, tv, critic, validation
    losses = np.concatenate([each.losses for each in iterates])[:, :4]
    totals = np.concatenate([each.totals for each in iterates])
    np.testing.assert_allclose(totals, losses @ [*SETTINGS.loss_weights, 0.5], rtol=1e-5)
    assert np.ptp(losses[:, 3]) > 0


def test_of_a_frozen_network_only_the_rows_of_new_styles_change(narrow):
    trainer = build_trainer(count=3)
    start.freeze(trainer.network)
    loss, lesson = trainer.loss, dataclasses.replace(trainer.lesson, styles=np.eye(3)[1:])
    lesson = dataclasses.replace(lesson, styles=np.float32(lesson.styles), paintings=2)
    before = architectures.list_weights(trainer.network)
    trainer = training.Trainer(trainer.network, loss, lesson, SETTINGS)
    list(trainer.run())
    for name, each in architectures.list_weights(trainer.network).items():
        if name.endswith(start.NORMS):
            np.testing.assert_array_equal(each[0], before[name][0])
            assert (each[1:] != before[name][1:]).any()
        else:
            np.testing.assert_array_equal(each, before[name])
