"""The loop: what it yields, and that it always yields the same."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import SMALL_VGG19

import functions
from style_transfer.networks import weights
from style_transfer.optimization import divergence, transfer
from style_transfer.optimization.job import Engines
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material
from style_transfer.runs.checkpoint import CheckpointError
from style_transfer.settings import Settings

SETTINGS = Settings(epochs=3, steps=4, init="content")


@pytest.fixture(scope="module")
def engine():
    """One for all settings here, but those of Adam."""
    return Engines().get(weights.draw(0, SMALL_VGG19), SETTINGS)


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


def transfer_of(engine, photo, painting, settings, *, start="content", **keywords):
    start = photo if start == "content" else start
    material = Material(photo, [Style(painting)], start)
    return transfer.Transfer(engine, material, settings, **keywords)


def run(engine, settings=SETTINGS):
    photo, painting = pictures((36, 48), (40, 40))
    return list(transfer_of(engine, photo, painting, settings).run())


def losses_of(engine, image, targets, settings):
    features = functions.extract_features(engine.model, image, border=settings.border)
    return functions.compute_losses(features, image, targets, settings)


def test_the_first_iterate_is_the_start_image(engine):
    first = run(engine)[0]
    assert (first.epoch, first.step, len(first.losses)) == (0, 0, 1)
    np.testing.assert_array_equal(first.image, pictures((36, 48))[0])


def test_an_image_comes_after_every_epoch_and_a_loss_for_every_step(engine):
    iterates = run(engine)
    ends = [(each.epoch, each.step) for each in iterates if each.image is not None]
    assert ends == [(0, 0), (1, 4), (2, 8), (3, 12)]
    losses = np.vstack([each.losses for each in iterates])
    assert losses.shape == (13, len(functions.TERMS))
    assert iterates[-1].totals[-1] < iterates[0].totals[0]


def test_every_loss_is_that_of_its_image(engine):
    photo, painting = pictures((36, 48), (40, 40))
    targets = engine.compute_targets(photo, [Style(painting)], SETTINGS)
    for iterate in run(engine):
        if iterate.image is not None:
            expected = losses_of(engine, iterate.image, targets, SETTINGS)
            np.testing.assert_allclose(iterate.losses[-1], expected, rtol=1e-4)


def test_images_stay_in_range():
    settings = Settings(epochs=1, steps=6, optimizer="adam", learning_rate=0.5)
    engine = Engines().get(weights.draw(0, SMALL_VGG19), settings)
    for iterate in run(engine, settings):
        if iterate.image is not None:
            assert iterate.image.min() >= 0
            assert iterate.image.max() <= 1


def test_the_pace_of_the_reports_changes_no_bit(engine, monkeypatch):
    """How many steps run between two reports depends on the clock; the image must not."""
    reference = run(engine)
    monkeypatch.setattr(transfer, "SECONDS_BETWEEN_ITERATES", 0.0)
    one_by_one = run(engine)
    assert len(one_by_one) == 1 + 12
    np.testing.assert_array_equal(one_by_one[-1].image, reference[-1].image)
    np.testing.assert_array_equal(
        *(np.vstack([each.losses for each in iterates]) for iterates in (one_by_one, reference))
    )


def test_a_loss_that_is_not_finite_ends_the_run(engine):
    photo, painting = (1e30 * each for each in pictures((36, 48), (40, 40)))
    with pytest.raises(divergence.DivergedError, match=r"epoch 1, step 0; lower --alpha"):
        list(transfer_of(engine, photo, painting, SETTINGS).run())


def test_adam_is_told_to_go_slower():
    with pytest.raises(divergence.DivergedError, match=r"epoch 2, step 6; lower --learning-rate"):
        divergence.check_finite(np.array([1.0, np.nan]), 5, Settings(optimizer="adam", steps=4))


def test_coarse_to_fine_yields_images_of_the_final_size(engine):
    iterates = run(engine, Settings(epochs=3, steps=2, scales="46,48", patience=0))
    assert {each.image.shape for each in iterates if each.image is not None} == {(1, 36, 48, 3)}
    assert iterates[-1].step == 6
    assert iterates[-1].seconds_left == 0


def test_timing_a_step_changes_nothing(engine):
    photo, painting = pictures((36, 48), (40, 40))
    job = transfer_of(engine, photo, painting, SETTINGS)
    assert job.time_step() > 0
    np.testing.assert_array_equal(list(job.run())[-1].image, run(engine)[-1].image)


def test_where_the_first_evaluation_took_long_no_step_is_timed(engine, monkeypatch):
    job = transfer_of(engine, *pictures((32, 32), (32, 32)), SETTINGS)
    monkeypatch.setattr(job, "take_steps", None)
    job.first_seconds = 2 * transfer.LONG
    assert job.time_step() == 2 * transfer.LONG


def test_a_run_that_is_asked_to_stop_ends_with_an_image(engine, monkeypatch):
    monkeypatch.setattr(transfer, "SECONDS_BETWEEN_ITERATES", 0.0)
    photo, painting = pictures((36, 48), (40, 40))
    job = transfer_of(engine, photo, painting, Settings(epochs=500, steps=500))
    asked = itertools.count(1)
    iterates = list(job.run(should_stop=lambda: next(asked) == 7))
    assert [each.stopped for each in iterates] == [False] * 7 + [True]
    assert [each.step for each in iterates if each.image is not None] == [0, 7]
    assert not job.is_finished
    assert sum(len(each.losses) for each in iterates) == iterates[-1].step + 1


@pytest.mark.parametrize(("warmup", "epochs"), [(0, [0, 1, 2]), (30, [0, 1, 2, 3, 4])])
def test_a_settled_scale_is_left_for_the_next(engine, warmup, epochs):
    """After the second epoch there, if the loss may have risen in the first, a warm-up."""
    flat = np.full((1, 36, 48, 3), 0.5, np.float32)
    settings = Settings(epochs=9, steps=2, scales="44,48", warmup=warmup, init="content")
    job = transfer_of(engine, flat, flat, settings)  # nothing to improve
    iterates = list(job.run())
    assert [each.epoch for each in iterates if each.image is not None] == epochs


@pytest.mark.parametrize(("scales", "largest"), [("48,96", 96), ("1", 48)])
def test_a_start_is_painted_in_the_first_size_of_the_run(engine, monkeypatch, scales, largest):
    """Or in the largest one that a start may have."""
    monkeypatch.setattr(transfer, "LARGEST_START", largest)
    photo, painting = pictures((72, 96), (80, 80))
    seen = []

    def paint(material):
        seen.append((material.content.shape, material.styles[0].picture.shape))
        return 1.0 - np.asarray(material.content)

    settings = replace(SETTINGS, epochs=2, steps=1, scales=scales, init="instant")
    job = transfer_of(engine, photo, painting, settings, start=paint)
    assert seen == [((1, 36, 48, 3), (1, 40, 40, 3))]
    first = next(iter(job.run()))
    assert first.image.shape == photo.shape
    # Noise, averaged down and turned over.
    assert np.abs(np.mean(first.image) - (1 - photo.mean())) < 0.01


def test_noise_has_its_full_deviation_at_the_first_size(engine):
    """Noise that is made at the final size and averaged down has a part of it left."""
    photo, painting = pictures((72, 96), (80, 80))
    settings = Settings(epochs=2, steps=1, scales="48,96", patience=0)
    starts = []
    for seed in (0, 0, 1):
        job = transfer_of(engine, photo, painting, replace(settings, seed=seed), start=None)
        starts.append(job.state["image"].numpy())
    assert starts[0].shape == (1, 36, 48, 3)
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).mean() > 0.2
    assert abs(starts[0].std() - 12**-0.5) < 0.01  # of a uniform distribution
    first = next(transfer_of(engine, photo, painting, settings, start=None).run())
    assert first.image.shape == (1, 72, 96, 3)


def test_what_is_saved_goes_on_to_the_same_bits(engine):
    """From the middle of an epoch and of the warm-up, at the smaller of two scales."""
    photo, painting = pictures((36, 48), (40, 40))
    settings = replace(SETTINGS, epochs=4, steps=20, scales="44,48", patience=0)
    whole = list(transfer_of(engine, photo, painting, settings).run())
    calls = itertools.count()
    job = transfer_of(engine, photo, painting, settings)
    job.chunk = 3
    part = list(job.run(should_stop=lambda: next(calls) == 2))
    assert 0 < part[-1].step <= 12  # 40 // 3 // 2 steps with each share
    tensors, header = job.save()
    saved = {name: np.asarray(each) for name, each in tensors.items()}, header
    again = transfer_of(engine, photo, painting, settings, saved=saved)
    rest = list(again.run())
    np.testing.assert_array_equal(rest[-1].image, whole[-1].image)
    losses = [np.vstack([each.losses for each in iterates]) for iterates in (part + rest, whole)]
    np.testing.assert_array_equal(*losses)
    assert again.is_finished and not job.is_finished


def test_the_warm_up_holds_the_style_back_and_reports_whole_losses(engine):
    photo, painting = pictures((36, 48), (40, 40))
    style, photo_lost = {}, {}
    for warmup in (0, 30):
        changes = {"epochs": 1, "steps": 30, "scales": "1", "style_weight": 1e3}
        settings = replace(SETTINGS, warmup=warmup, **changes)
        job = transfer_of(engine, photo, painting, settings)
        iterates = list(job.run())
        losses = np.vstack([each.losses for each in iterates])
        assert len(losses) == 1 + 30
        totals = np.concatenate([each.totals for each in iterates])
        whole = [settings.content_weight, settings.style_weight, settings.tv_weight]
        np.testing.assert_allclose(totals, losses @ whole, rtol=1e-5)
        photo_lost[warmup], style[warmup] = losses[5, 0], losses[5, 1]
        assert totals[-1] < 0.5 * totals[0]
        last = losses_of(engine, iterates[-1].image, job.goal, settings)
        np.testing.assert_allclose(losses[-1], last, rtol=1e-4)
    assert photo_lost[30] < photo_lost[0] and style[30] > style[0]


def test_a_state_of_another_shape_is_refused(engine):
    photo, painting = pictures((36, 48), (40, 40))
    tensors, header = transfer_of(engine, photo, painting, SETTINGS).save()
    saved = {name: np.asarray(each) for name, each in tensors.items()}
    saved["image"] = saved["image"][:, :-1]
    with pytest.raises(CheckpointError, match="image"):
        transfer_of(engine, photo, painting, SETTINGS, saved=(saved, header))


def test_two_transfers_at_once_on_one_engine_disturb_each_other_in_nothing(engine):
    photo, painting = pictures((36, 48), (40, 40))
    settings = [Settings(epochs=2, steps=15, patience=0, tv_weight=tv) for tv in (0.0, 9.0)]

    def last(each):
        return list(transfer_of(engine, photo, painting, each).run())[-1].image

    alone = [last(each) for each in settings]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(last, settings))
    np.testing.assert_array_equal(together, alone)
    assert np.abs(alone[0] - alone[1]).max() > 0.01


def test_all_is_computed_where_the_device_says(engine, watched, monkeypatch):
    """Between two iterates nothing is changed for the caller."""
    monkeypatch.setattr(engine, "device", watched)
    places = {transfer: ("resize", "resize_to"), engine.optimizer: ("start", "shown_image")}
    for place, names in places.items():
        for name in names:
            watched.watch(place, name)
    photo, painting = pictures((48, 64), (48, 48))
    settings = replace(SETTINGS, scales="48,64", epochs=2)

    def start(material):
        assert watched.depth
        return material.content

    work = transfer_of(engine, photo, painting, settings, start=start)
    for iterate in work.run():
        assert not watched.depth
        if iterate.epoch == 1:
            tensors, header = work.save()
            saved = {name: np.asarray(each) for name, each in tensors.items()}, header
            again = transfer_of(engine, photo, painting, settings, saved=saved)
            assert again.image.shape == photo.shape
    assert iterate.epoch == 2
    assert watched.seen == {"resize", "resize_to", "start", "shown_image"}
