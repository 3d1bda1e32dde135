"""The loop: what it yields, and that it always yields the same."""

import itertools
import time

import numpy as np
import pytest
from conftest import SMALL_WIDTHS

import functions
from style_transfer.networks import weights
from style_transfer.optimization import engine as training
from style_transfer.optimization import transfer
from style_transfer.settings import Settings

SETTINGS = Settings(epochs=3, steps=4)


@pytest.fixture(scope="module")
def network():
    return transfer.build_network(weights.draw(0, SMALL_WIDTHS), SETTINGS)


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


def transfer_of(network, photo, painting, settings, **keywords):
    return transfer.Transfer(
        training.Training(network, settings),
        photo,
        [functions.Style(painting)],
        photo,
        settings,
        **keywords,
    )


def run(network, settings=SETTINGS):
    photo, painting = pictures((36, 48), (40, 40))
    return list(transfer_of(network, photo, painting, settings).run())


def test_the_first_iterate_is_the_start_image(network):
    first = run(network)[0]
    assert (first.epoch, first.step, len(first.losses)) == (0, 0, 1)
    np.testing.assert_array_equal(first.image, pictures((36, 48))[0])


def test_an_image_comes_after_every_epoch_and_a_loss_for_every_step(network):
    iterates = run(network)
    ends = [(each.epoch, each.step) for each in iterates if each.image is not None]
    assert ends == [(0, 0), (1, 4), (2, 8), (3, 12)]
    losses = np.vstack([each.losses for each in iterates])
    assert losses.shape == (13, 4)
    assert losses[-1, 3] < losses[0, 3]


def test_every_loss_is_that_of_its_image(network):
    photo, painting = pictures((36, 48), (40, 40))
    targets = functions.compute_targets(network, photo, [functions.Style(painting)], SETTINGS)
    for iterate in run(network):
        if iterate.image is not None:
            expected = functions.compute_losses(network, iterate.image, targets, SETTINGS)
            np.testing.assert_allclose(iterate.losses[-1], expected, rtol=1e-4)


def test_images_stay_in_range(network):
    for iterate in run(network, Settings(epochs=1, steps=6, learning_rate=0.5)):
        if iterate.image is not None:
            assert iterate.image.min() >= 0
            assert iterate.image.max() <= 1


def test_the_pace_of_the_reports_changes_no_bit(network, monkeypatch):
    """How many steps run between two reports depends on the clock; the image must not."""
    reference = run(network)
    monkeypatch.setattr(training, "SECONDS_BETWEEN_REPORTS", 0.0)
    one_by_one = run(network)
    assert len(one_by_one) == 1 + 12
    np.testing.assert_array_equal(one_by_one[-1].image, reference[-1].image)
    np.testing.assert_array_equal(
        *(np.vstack([each.losses for each in iterates]) for iterates in (one_by_one, reference))
    )


def test_a_loss_that_is_not_finite_ends_the_run(network):
    settings = Settings(epochs=2, steps=4, style_weight=1e12, loss="gatys")
    photo, painting = (1e12 * each for each in pictures((36, 48), (40, 40)))
    with pytest.raises(transfer.DivergedError, match=r"epoch 1, step 0.*--learning-rate"):
        list(transfer_of(network, photo, painting, settings).run())


def test_weights_that_end_too_early_are_refused():
    layers = weights.draw(0, SMALL_WIDTHS).layers
    short = weights.Weights("short", dict(itertools.islice(layers.items(), 9)), "")
    with pytest.raises(ValueError, match="short has no layer block4_conv2"):
        transfer.build_network(short, SETTINGS)


def test_coarse_to_fine_yields_images_of_the_final_size(network):
    iterates = run(network, Settings(epochs=3, steps=2, scales="46,48", patience=0))
    assert {each.image.shape for each in iterates if each.image is not None} == {(1, 36, 48, 3)}
    assert iterates[-1].step == 6
    assert iterates[-1].seconds_left == 0


def test_measuring_changes_nothing(network):
    photo, painting = pictures((36, 48), (40, 40))
    job = transfer_of(network, photo, painting, SETTINGS)
    assert job.measure() > 0
    np.testing.assert_array_equal(list(job.run())[-1].image, run(network)[-1].image)


def test_a_run_that_is_asked_to_stop_ends_with_an_image(network):
    photo, painting = pictures((36, 48), (40, 40))
    job = transfer_of(network, photo, painting, Settings(epochs=500, steps=500))
    end = time.monotonic() + 3
    iterates = list(job.run(should_stop=lambda: time.monotonic() >= end))
    assert iterates[-1].image is not None and iterates[-1].stopped
    assert 0 < iterates[-1].step < 250_000
    assert sum(len(each.losses) for each in iterates) == iterates[-1].step + 1


@pytest.mark.parametrize(
    ("patience", "totals", "settled"),
    [
        (1, [10.0], False),
        (1, [10.0, 9.98], False),
        (1, [10.0, 9.995], True),
        (1, [10.0, 11.0], True),
        (2, [10.0, 9.995], False),
        (2, [10.0, 9.995, 9.992], True),
        (2, [10.0, 9.995, 9.98], False),
        (0, [10.0, 10.0, 10.0], False),
    ],
)
def test_a_loss_that_has_settled(network, patience, totals, settled):
    photo, painting = pictures((36, 48), (40, 40))
    job = transfer_of(network, photo, painting, Settings(patience=patience))
    assert job.has_settled(totals) == settled


@pytest.mark.parametrize(("warmup", "epochs"), [(0, [0, 1, 2]), (30, [0, 1, 2, 3, 4])])
def test_a_settled_scale_is_left_for_the_next(network, warmup, epochs):
    """After the second epoch there, if the loss may have risen in the first, a warm-up."""
    flat = np.full((1, 36, 48, 3), 0.5, np.float32)
    settings = Settings(epochs=9, steps=2, scales="44,48", warmup=warmup)
    job = transfer_of(network, flat, flat, settings)  # nothing to improve
    iterates = list(job.run())
    assert [each.epoch for each in iterates if each.image is not None] == epochs


def test_start_images():
    photo, painting = pictures((36, 48), (40, 40))
    start = transfer.start_image(photo, painting, Settings(init="content"))
    np.testing.assert_array_equal(start, photo)
    start = transfer.start_image(photo, painting, Settings(init="style"))
    assert start.shape == photo.shape
    assert abs(start.mean() - painting.mean()) < 0.02
    noises = [
        transfer.start_image(photo, painting, Settings(init="noise", seed=seed))
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(noises[0], noises[1])
    assert np.abs(noises[0] - noises[2]).mean() > 0.2
    assert noises[0].min() >= 0 and noises[0].max() <= 1


def test_what_is_saved_goes_on_to_the_same_bits(network):
    """From the middle of an epoch and of the warm-up, at the smaller of two scales."""
    photo, painting = pictures((36, 48), (40, 40))
    settings = Settings(epochs=4, steps=20, scales="44,48", patience=0)
    whole = list(transfer_of(network, photo, painting, settings).run())
    calls = itertools.count()
    job = transfer_of(network, photo, painting, settings)
    job.training.chunk = 3
    part = list(job.run(should_stop=lambda: next(calls) == 2))
    assert 0 < part[-1].step <= 12  # 40 // 3 // 2 steps with each share
    tensors, header = job.save()
    saved = {name: np.asarray(each) for name, each in tensors.items()}, header
    again = transfer_of(network, photo, painting, settings, saved=saved)
    rest = list(again.run())
    np.testing.assert_array_equal(rest[-1].image, whole[-1].image)
    losses = [np.vstack([each.losses for each in iterates]) for iterates in (part + rest, whole)]
    np.testing.assert_array_equal(*losses)
    assert again.is_finished and not job.is_finished


def test_the_warm_up_holds_the_style_back_and_reports_whole_losses(network):
    photo, painting = pictures((36, 48), (40, 40))
    style, photo_lost = {}, {}
    for warmup in (0, 30):
        settings = Settings(epochs=1, steps=30, scales="1", warmup=warmup, style_weight=1e3)
        job = transfer_of(network, photo, painting, settings)
        iterates = list(job.run())
        losses = np.vstack([each.losses for each in iterates])
        assert len(losses) == 1 + 30
        weights = [settings.content_weight, settings.style_weight, settings.tv_weight]
        np.testing.assert_allclose(losses[:, 3], losses[:, :3] @ weights, rtol=1e-5)
        photo_lost[warmup], style[warmup] = losses[5, 0], losses[5, 1]
        assert losses[-1, 3] < 0.5 * losses[0, 3]
        targets = job.compute_targets(photo)
        last = functions.compute_losses(network, iterates[-1].image, targets, settings)
        np.testing.assert_allclose(losses[-1], last, rtol=1e-4)
    assert photo_lost[30] < photo_lost[0] and style[30] > style[0]


def test_a_state_of_another_shape_is_refused(network):
    photo, painting = pictures((36, 48), (40, 40))
    tensors, header = transfer_of(network, photo, painting, SETTINGS).save()
    saved = {name: np.asarray(each) for name, each in tensors.items()}
    saved["image"] = saved["image"][:, :-1]
    with pytest.raises(ValueError, match="not the arrays"):
        transfer_of(network, photo, painting, SETTINGS, saved=(saved, header))
