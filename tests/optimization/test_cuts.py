"""Where the network is cut: stages, the memory that a cut takes, and its work."""

import dataclasses
import itertools
import math

import pytest

from style_transfer.method.architecture import VGG16, VGG19
from style_transfer.optimization import memory
from style_transfer.optimization.cuts import BLOCKS, Cut, Evaluation, divide
from style_transfer.settings import Settings

LAYERS = Settings().layers
COMPACT = dataclasses.replace(VGG19, widths=(16, 32, 64, 128, 128))
MB = 1e6


@pytest.mark.parametrize("kept", [(), (1,), (2, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("architecture", [VGG16, VGG19])
def test_stages_are_the_network_in_order(architecture, kept):
    stages = divide(architecture, ["block5_conv1"], kept)
    names = itertools.chain.from_iterable(stage.layers for stage in stages)
    assert tuple(names) == architecture.up_to(["block5_conv1"])
    assert [stage.stride for stage in stages] == [1, *(2**block for block in kept)]
    assert [stage.after for stage in stages] == [*(2**block for block in kept), 0]


def test_a_margin_is_what_the_convolutions_of_a_stage_reach():
    first, second, third = divide(VGG19, ["block4_conv1"], (1, 3))
    assert first.margin == 2  # two convolutions of 3×3
    assert second.margin == 24  # 2 · 2 + 4 · 4 = 20, to a multiple of 8
    assert third.margin == 8
    (whole,) = divide(VGG19, ["block4_conv1"])
    assert whole.margin == 2 + 4 + 16 + 8 + 2  # 30, to a multiple of 8


def test_the_memory_of_a_cut_written_out():
    """A look at the first stage, or the last; of 1024² pixels with two blocks on a side."""
    evaluation = Evaluation((1024, 1024), VGG19, ("block2_conv1",))
    cut = Cut(divide(VGG19, ("block2_conv1",), (1,)), (512, math.inf))
    pooled = 512**2 * 64
    first = memory.COPIES * (512 + 4) ** 2 * 2 * 64 + pooled
    last = memory.COPIES * 512**2 * 128 + 2 * pooled
    assert evaluation.needed(cut) == pytest.approx(4 * max(first, last))
    look = dataclasses.replace(evaluation, is_look=True)
    assert look.needed(cut) < evaluation.needed(cut) / 2


def test_the_work_of_a_cut_written_out():
    """A stage in blocks is computed three times, forward twice; the last one, if whole, twice."""
    evaluation = Evaluation((1024, 1024), VGG19, ("block1_conv2", "block2_conv1"))
    cut = Cut(divide(VGG19, ("block2_conv1",), (1,)), (512, math.inf))
    first, last = 64 * (27 + 250) + 64 * (9 * 64 + 250), 128 / 4 * (9 * 64 + 250)
    seen = (1024 + 4) ** 2 / 1024**2
    expected = (3 * first * seen + 2 * last) / (2 * (first + last))
    assert evaluation.work(cut) == pytest.approx(expected)
    assert evaluation.work(evaluation.whole) == pytest.approx(1)
    look = dataclasses.replace(evaluation, is_look=True)
    assert look.work(cut) == pytest.approx((first * seen + last) / (first + last))


@pytest.mark.parametrize("architecture", [VGG19, COMPACT])
def test_what_is_chosen_fits_and_no_other_cut_does_with_less_work(architecture):
    evaluation = Evaluation((700, 1000), architecture, LAYERS)
    sides = (math.inf, *BLOCKS[::3])
    for left in (100 * MB, 300 * MB, 900 * MB):
        chosen = evaluation.choose(left)
        assert evaluation.needed(chosen) <= left
        for stages in evaluation.list_stages():
            if len(stages) < 4:
                for each in itertools.product(sides, repeat=len(stages)):
                    other = Cut(stages, each)
                    if evaluation.needed(other) <= left:
                        assert evaluation.work(chosen) <= evaluation.work(other) * (1 + 1e-9)


def test_less_memory_costs_work_until_nothing_fits():
    evaluation = Evaluation((2048, 2048), VGG19, LAYERS)
    works = [evaluation.work(evaluation.choose(left * MB)) for left in (4000, 1000, 400, 200)]
    assert works == sorted(works) and works[-1] < 3.5
    least = evaluation.needed(evaluation.least())
    assert evaluation.choose(least) and evaluation.choose(0.99 * least) is None


@pytest.mark.parametrize("architecture", [VGG19, COMPACT])
def test_at_1024_px_blocks_take_little_more_work_than_the_whole(architecture):
    """In the memory in which the whole network at once goes in blocks of 512 px."""
    evaluation = Evaluation((1024, 1024), architecture, LAYERS)
    plain = Cut(divide(architecture, LAYERS), (512,))
    assert evaluation.work(plain) > 1.9
    assert evaluation.work(evaluation.choose(evaluation.needed(plain))) < 1.3
