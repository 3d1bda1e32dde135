"""Steps in blocks: the same as whole ones; in smaller blocks when the memory runs out; left."""

import math

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19
from PIL import Image

from style_transfer.networks import weights
from style_transfer.optimization import room, stepping, tiling, transfer
from style_transfer.optimization.engine import Engine
from style_transfer.optimization.targets import Style
from style_transfer.settings import Settings

SETTINGS = Settings(
    history=3,
    style_layers=("block1_conv1", "block2_conv1"),
    content_layers=("block2_conv2",),
    epochs=2,
    steps=3,
    scales="1",
    init="content",
    precision="float32",
)
SHARES = np.array([1.0, 200.0, 2.0], np.float32)
SMALL_ROOM = room.Room(0.0, SMALL_VGG19, SETTINGS)  # the smallest blocks, whatever the picture


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


@pytest.fixture(scope="module")
def engine():
    return Engine(weights.draw(0, SMALL_VGG19), SETTINGS)


def test_steps_in_blocks_are_those_of_the_whole(engine):
    photo, painting = pictures((70, 101), (64, 48))
    states = []
    for left in (None, SMALL_ROOM):
        goal = engine.compute_targets(photo, [Style(painting)], SETTINGS, None, left)
        engine.descriptions.clear()
        state = engine.optimizer.start(photo)
        states.append(stepping.Stepper(engine, left).take_steps(state, goal, SHARES, 4))
    (whole, losses), (tiled, found) = states
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found, losses, rtol=1e-3)
    np.testing.assert_allclose(tiled["image"], whole["image"], atol=1e-3)
    assert np.abs(tiled["image"] - photo).max() > 0.01


def test_targets_in_blocks_are_those_of_the_whole(engine):
    """The photo's features, and the statistics of a painting in two regions."""
    photo, painting = pictures((70, 101), (97, 64))
    mask = np.zeros((1, 97, 64, 2), np.float32)
    mask[:, :40, :, 0] = 1
    mask[..., 1] = 1 - mask[..., 0]
    style = Style(painting, (1.0, 1.0), mask)
    own = np.full((1, 70, 101, 2), 0.5, np.float32)
    found = []
    for left in (None, SMALL_ROOM):
        engine.descriptions.clear()
        found.append(engine.compute_targets(photo, [style], SETTINGS, own, left))
    whole, tiled = found
    np.testing.assert_allclose(
        tiled.content["block2_conv2"], whole.content["block2_conv2"], rtol=1e-4, atol=1e-3
    )
    for name, regions in whole.style.items():
        for region, other in zip(regions, tiled.style[name], strict=True):
            grams = (each["statistics"]["gram"] for each in (other, region))
            np.testing.assert_allclose(*grams, rtol=1e-4)


class Exhausted:
    """An engine that has memory for blocks of `most` pixels only."""

    def __init__(self, most):
        self.most, self.tried = most, []

    def take_steps(self, *_):
        self.tried.append(None)
        raise MemoryError

    def take_tiled_step(self, state, goal, weights, cut, after_block):
        self.tried.append(cut)
        after_block(1.0)
        if cut.sides[0] > self.most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return state, tf.zeros((1, 3))


def test_when_the_memory_runs_out_the_blocks_shrink():
    engine = Exhausted(128)
    stepper = stepping.Stepper(engine, room.Room(1e15, SMALL_VGG19, SETTINGS))
    state, told = {"image": tf.zeros((1, 300, 200, 3))}, []
    for _ in range(2):
        _, losses = stepper.take_steps(state, None, SHARES, 2, told.append)
        assert losses.shape == (2, 3)
    whole, *smaller, one, two, three, four = engine.tried
    assert whole is None and one == two == three == four and one.sides[0] <= 128
    assert smaller and all(each.sides[0] > 128 for each in smaller)
    notice = "the memory ran out; on in smaller blocks"
    assert stepper.take_notices() == (notice,) * (1 + len(smaller))
    assert stepper.take_notices() == () and told[-2:] == [0.5, 1.0]


@pytest.mark.parametrize("left", [None, room.Room(1e15, SMALL_VGG19, SETTINGS)])
def test_where_no_block_fits_it_is_an_error(left):
    with pytest.raises((MemoryError, tf.errors.ResourceExhaustedError)):
        stepping.Stepper(Exhausted(0), left).take_steps(
            {"image": tf.zeros((1, 300, 200, 3))}, None, SHARES, 1
        )


def test_a_run_is_stopped_after_a_block_and_goes_on(engine):
    """Its step is not taken, and a run that continues it ends where one does that was not."""
    photo, painting = pictures((70, 101), (64, 48))
    material = transfer.Material(photo, [Style(painting)], photo)

    def begin(**keywords):
        return transfer.Transfer(engine, material, SETTINGS, room=SMALL_ROOM, **keywords)

    whole = list(begin().run())
    assert [len(each.losses) for each in whole].count(0) == 0
    stopped, shares = begin(), []
    stopped.progress = shares.append
    iterates = list(stopped.run(should_stop=lambda: len(shares) > 3))
    last = iterates[-1]
    assert last.stopped and len(last.losses) == len(last.totals) == 0 and len(shares) == 4
    assert last.image.shape == photo.shape and last.step < SETTINGS.epochs * SETTINGS.steps
    arrays, header = stopped.save()
    saved = {name: np.asarray(each) for name, each in arrays.items()}, header
    rest = list(begin(saved=saved).run())
    assert rest[-1].step == whole[-1].step
    np.testing.assert_array_equal(rest[-1].image, whole[-1].image)


def test_the_last_size_goes_in_blocks(
    run_main, content, style, small_weights, tmp_path, monkeypatch
):
    """Where a byte is missing for all at once: what comes out is the same picture."""
    flags = ("-c", content, "-s", style, "--weights", small_weights, "--size", "96", "--enlarge")
    flags += ("--scales", "48,96", "--epochs", "2", "--steps", "3", "--precision", "float32")
    flags += ("--init", "content", "--history", "3", "--content-layer", "block2_conv2")
    flags += ("--style-layer", "block1_conv1", "--style-layer", "block2_conv1")
    flags += ("--keep", "result", "-o")
    evaluate, seen, plan = tiling.Tiling.evaluate, [], room.plan

    def watch(self, image, *arguments, **keywords):
        seen.append(image.shape[1:3])
        return evaluate(self, image, *arguments, **keywords)

    def plan_with_less(sizes, architecture, settings, _budget, **keywords):
        whole = room.Room(math.inf, architecture, settings)
        budget = room.estimate(sizes, architecture, settings, whole) - 1
        return plan(sizes, architecture, settings, budget, **keywords)

    monkeypatch.setattr(tiling.Tiling, "evaluate", watch)
    assert run_main(*flags, tmp_path / "whole").returncode == 0 and not seen
    monkeypatch.setattr(room, "GRAPHS", 0.0)  # else more than the whole of so small a picture
    monkeypatch.setattr(room, "plan", plan_with_less)
    outcome = run_main(*flags, tmp_path / "parts")
    assert outcome.returncode == 0, outcome.stderr
    assert set(seen) == {(72, 96)} and len(seen) == 4
    whole, parts = (Image.open(tmp_path / name / "result.png") for name in ("whole", "parts"))
    difference = np.asarray(whole, int) - np.asarray(parts)
    assert np.abs(difference).max() <= 2 and np.std(whole) > 10
