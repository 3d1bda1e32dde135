"""How a run fits into a budget: whole or in blocks, with how much history, how large at most."""

import dataclasses
import math

import pytest

from style_transfer.method.architecture import MIN_SIDE, VGG19
from style_transfer.optimization import memory, processors, room
from style_transfer.runs.inputs import Inputs
from style_transfer.settings import Settings

GB = 10**9
COMPACT = dataclasses.replace(VGG19, widths=(16, 32, 64, 128, 128))
PHOTO, PAINTING = (512, 384), (400, 500)


def estimate(content=PHOTO, styles=(PAINTING,), architecture=VGG19, left=math.inf, **keywords):
    settings = Settings(**keywords)
    there = room.Room(left, architecture, settings)
    return room.estimate(Inputs(content, tuple(styles)), architecture, settings, there)


@pytest.fixture(autouse=True)
def plain_processor(monkeypatch):
    """None that has instructions for bfloat16, unless a test says so."""
    monkeypatch.setattr(processors, "has_bfloat16", lambda: False)


def test_the_whole_takes_less_in_bfloat16(monkeypatch):
    """Where the processor has it, and is not told otherwise."""
    plain = estimate()
    monkeypatch.setattr(processors, "has_bfloat16", lambda: True)
    assert estimate() < 0.9 * plain and estimate(precision="bfloat16") == estimate()
    assert estimate(precision="float32") == plain
    shape, settings = PHOTO[::-1], Settings()
    left = room.Room(math.inf, VGG19, settings)
    needed = left.evaluation(shape).needed(left.evaluation(shape).whole)
    assert room.Room(0.75 * needed, VGG19, settings).choose_cut(shape) is None


def test_memory_grows_with_the_pixels_and_the_network():
    def beyond_nothing(size, architecture=VGG19):
        nothing = estimate((0, 0), [], architecture)
        return estimate(size, [], architecture) - nothing

    assert beyond_nothing((512, 512)) == pytest.approx(4 * beyond_nothing((256, 256)))
    assert beyond_nothing((512, 512), COMPACT) < 0.5 * beyond_nothing((512, 512))
    assert estimate((0, 0), [], COMPACT) < estimate((0, 0), [])


def test_a_large_style_picture_counts():
    """Beside the photo it costs its pixels only, until the look at it is the peak."""
    none, small, large = (
        estimate(PHOTO, others) for others in ([], [PAINTING], [PAINTING, (2048, 2048)])
    )
    assert 0 < small - none < 0.01 * none
    assert large > 2 * none
    both = estimate(PHOTO, [(2048, 2048)] * 2)
    assert 0 < both - large < 0.05 * large  # one after the other


def test_the_history_counts():
    """Each pair is two images in float32, and a step adds up one for each."""
    image = 4 * 3 * PHOTO[0] * PHOTO[1]
    assert estimate(history=30) - estimate(history=20) == pytest.approx(30 * image)
    assert estimate(optimizer="adam") < estimate(history=3)
    assert estimate(optimizer="adam", history=50) == estimate(optimizer="adam")


def test_in_blocks_memory_hardly_grows_with_the_picture():
    """By the photo's features and its own images alone: seven with Adam, and little beside."""
    settings = Settings(optimizer="adam")
    small, large = (
        room.least(Inputs((side, side), ()), COMPACT, settings) for side in (2048, 4096)
    )
    more = 3 * 2048**2
    assert 7 <= memory.count_block_images(settings) <= 9
    grown = 4 * (8 * 3 * more + more / 64 * 128)
    assert 0.8 * grown < large - small < 1.2 * grown


@pytest.mark.parametrize("architecture", [VGG19, COMPACT], ids=["whole", "compact"])
@pytest.mark.parametrize("size", [(300, 200), (1024, 800), (2048, 2048), (4096, 3000)])
@pytest.mark.parametrize("gigabytes", [1.5, 2, 4, 16])
def test_what_is_planned_is_within_the_budget(architecture, size, gigabytes):
    """And as much of the history as can be is kept."""
    sizes = Inputs(size, (PAINTING,))
    found = room.plan(sizes, architecture, Settings(), gigabytes * GB)
    if found is None:
        assert room.least(sizes, architecture, Settings()) > gigabytes * GB
        return
    settings, left = found
    assert room.estimate(sizes, architecture, settings, left) <= gigabytes * GB
    shape = size[::-1]
    if settings.history < Settings().history:
        pair = 3 * 4 * 3 * math.prod(size)
        less = dataclasses.replace(left, bytes=left.bytes - 5 * pair)
        assert not less.fits(shape) or less.work(shape) > room.WORK[0]
    if left.choose_cut(shape):
        evaluation = left.evaluation(shape)
        assert evaluation.needed(evaluation.whole) > left.bytes


def test_whole_where_it_fits_and_less_and_less_when_it_does_not():
    shape = 512, 512
    left = room.Room(4 * GB, VGG19, Settings())
    evaluation, needed, cut = left.evaluation(shape), [], None
    assert left.choose_cut(shape) is None and left.work(shape) == 1
    while left:
        cut = left.choose_cut(shape)
        needed.append(evaluation.needed(cut or evaluation.whole))
        left = left.smaller(cut, shape)
    assert len(needed) > 5 and all(one > 1.4 * more for one, more in zip(needed, needed[1:-1]))
    assert cut == evaluation.least()


def test_a_run_that_goes_on_keeps_its_history():
    sizes = Inputs((2048, 2048), (PAINTING,))
    wanted = Settings(history=20)
    settings, _ = room.plan(sizes, COMPACT, wanted, 2.5 * GB)
    assert settings.history < 20
    found = room.plan(sizes, COMPACT, wanted, 2.5 * GB, is_fixed=True)
    assert found is None or found[0].history == 20


@pytest.mark.parametrize("architecture", [VGG19, COMPACT], ids=["whole", "compact"])
@pytest.mark.parametrize("gigabytes", [1, 1.5])
def test_the_largest_side_fits_and_a_larger_one_does_not(architecture, gigabytes):
    sizes = Inputs((8192, 6144), ((8192, 8000),))
    side = room.largest_side(sizes, architecture, Settings(), gigabytes * GB)
    for each, fits in ((side, True), (math.ceil(1.02 * side), False)):
        scaled = sizes.map(lambda size, each=each: tuple(round(each * one / 8192) for one in size))
        assert bool(room.plan(scaled, architecture, Settings(), gigabytes * GB)) == fits


def test_no_side_fits_into_next_to_nothing():
    libraries = memory.estimate_fixed((0, 0), [], COMPACT, Settings())

    def largest(size, free):
        return room.largest_side(Inputs(size, (PAINTING,)), COMPACT, Settings(), free)

    assert largest(PHOTO, 0) == largest(PHOTO, libraries) == 0
    enough = libraries * 1.5
    assert largest(PHOTO, enough) * PHOTO[1] / PHOTO[0] >= MIN_SIDE
    assert largest((4000, 20), enough) == 0  # its short side would be below the least


def test_the_budget(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10 * GB)
    monkeypatch.setattr(memory, "resident", lambda: 1 * GB)
    assert room.find_budget("auto") == pytest.approx(10 * GB)
    for text, expected in (("2GB", 2e9), ("1.5g", 1.5e9), ("900MB", 9e8), ("0.001T", 1e9)):
        assert room.find_budget(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "2", "GB", "-2GB", "nanGB", "infGB", "100MB", "2 KB", "b"])
def test_what_is_no_budget(text):
    with pytest.raises(ValueError):
        room.find_budget(text)


@pytest.mark.parametrize("gigabytes", [1.2, 2, 3])
@pytest.mark.parametrize("size", [(1000, 800), (4096, 4096), (8192, 8192)])
def test_the_blocks_of_a_pass_fit_and_larger_ones_do_not(size, gigabytes):
    sizes = [size, (2048, 1500)]
    block = room.choose_pass_block(sizes, gigabytes * GB)
    needed = room.estimate_pass(sizes, block)
    if needed > gigabytes * GB:
        assert block == room.BLOCKS[-1] and (size[0], gigabytes) == (8192, 1.2)
    elif block < math.inf:
        larger = [each for each in (math.inf, *room.BLOCKS) if each > block]
        assert all(room.estimate_pass(sizes, each) > gigabytes * GB for each in larger)
    side = room.largest_pass_side(sizes, gigabytes * GB)
    assert side == size[0] if needed <= gigabytes * GB else side < size[0]


def test_a_pass_in_blocks_holds_bytes_where_one_over_arrays_holds_floats():
    sizes = [(8192, 8192)]
    large, arrays = (room.estimate_pass(sizes, 512, is_large=each) for each in (True, False))
    image = 8192**2
    assert large < memory.LIBRARIES + 20 * image < memory.LIBRARIES + 60 * image < arrays
