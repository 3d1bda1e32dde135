"""Flow and trust, against motion that is known exactly, and the paper's formulas in loops."""

import numpy as np
import pytest

from style_transfer.video import flow
from tools import clips

CENTER = np.s_[8:-8, 8:-8]


@pytest.mark.parametrize(
    "motion",
    [{"pan": (2.4, -1.3)}, {"zoom": 0.97}, {"turn": 2.0}, {"pan": (-6, 2)}],
    ids=lambda motion: next(iter(motion)),
)
def test_the_flow_of_a_moving_camera_is_found(motion):
    picture, matrices = clips.texture(0), [clips.matrix_at(time, **motion) for time in (0, 1)]
    before, after = (clips.look(picture, matrix) for matrix in matrices)
    found, trust = flow.measure(after, before)
    exact = clips.exact_flow(matrices[1], matrices[0])
    error = np.linalg.norm(found - exact, axis=-1)[CENTER]
    assert np.median(error) < 0.1 and error.mean() < 0.3
    assert trust[CENTER].mean() > 0.9
    assert np.abs(flow.warp(before, exact) - after)[CENTER].mean() < 0.005


def test_what_an_object_hides_is_not_trusted():
    ground = clips.look(clips.texture(0), clips.matrix_at(0))
    sprite = clips.texture(1)[:60, :70]
    before, where = clips.paste(ground, sprite, (60, 50))
    after, now = clips.paste(ground, sprite, (66, 50))
    found, trust = flow.measure(after, before)
    assert np.median(np.abs(found[now] - (-6, 0))) < 0.1
    assert np.median(np.abs(found[~now & ~where])) < 0.01
    assert trust[54:106, 61:64].mean() < 0.15  # was hidden before
    assert trust[60:100, 76:126].mean() > 0.8 and trust[:, 160:].mean() > 0.95


def find_trust_in_loops(there, back):
    """The two inequalities of the paper, and the authors' blur, pixel by pixel."""
    height, width = there.shape[:2]
    found = np.empty((height, width))
    for y, x in np.ndindex(height, width):
        u = there[y, x].astype(float)
        found[y, x] = 1
        down = (there[min(y + 1, height - 1), x] - there[max(y - 1, 0), x]) / 2
        right = (there[y, min(x + 1, width - 1)] - there[y, max(x - 1, 0)]) / 2
        if down @ down + right @ right > 0.01 * (u @ u) + 0.002:
            found[y, x] = 0
        px, py = x + u[0], y + u[1]
        left, top = int(np.floor(px)), int(np.floor(py))
        if px < 0 or py < 0 or px > width - 1 or py > height - 1:
            found[y, x] = 0
            continue
        a, b = px - left, py - top
        low, right_of = min(top + 1, height - 1), min(left + 1, width - 1)
        v = (1 - b) * ((1 - a) * back[top, left] + a * back[top, right_of])
        v = v + b * ((1 - a) * back[low, left] + a * back[low, right_of])
        if (u + v) @ (u + v) >= 0.01 * (u @ u + v @ v) + 0.5:
            found[y, x] = -1
    taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(2, 2) if each == axis else (0, 0) for each in (0, 1)]
        wide = np.pad(found, pad, mode="symmetric")
        found = np.apply_along_axis(lambda line: np.convolve(line, taps, "valid"), axis, wide)
    return np.clip(found, 0, 1)


def test_trust_is_the_papers():
    generator = np.random.default_rng(0)
    rough = generator.normal(size=(2, 5, 6, 2)).astype(np.float32)
    there, back = (
        flow.cv2.resize(each, (36, 30), interpolation=flow.cv2.INTER_CUBIC) for each in rough
    )
    there = 0.7 * there + np.float32((2.0, -1.0))
    back = -there + 0.5 * back
    found = flow.find_trust(there, back)
    expected = find_trust_in_loops(there, back)
    # OpenCV looks up between pixels in steps of 1/32: a few points fall to the other side.
    assert np.mean(np.abs(found - expected) > 0.02) < 0.04
    assert 0.1 < expected.mean() < 0.8


def test_flat_areas_of_a_still_camera_rest():
    noise = np.random.default_rng(0).normal(scale=0.01, size=(2, 180, 240, 3))
    before, after = np.clip(0.6 + noise, 0, 1).astype(np.float32)
    before[40:80, 40:80], after[40:80, 46:86] = 0.1, 0.1
    invented = np.linalg.norm(flow.find_flow(after, before)[100:], axis=-1)
    found, trust = flow.measure(after, before)
    moves = np.linalg.norm(found[100:], axis=-1)
    assert np.mean(invented > 0.5) > 0.5 and np.mean(moves > 0.5) < 0.1
    assert trust[100:].mean() > 0.9


def test_the_grain_of_a_film_moves_nothing():
    still = clips.look(clips.texture(0), clips.matrix_at(0))
    generator = np.random.default_rng(0)
    for sigma in (0.02, 0.04):
        grain = generator.normal(scale=sigma, size=(2, *still.shape))
        before, after = np.clip(0.25 + 0.5 * still + grain, 0, 1).astype(np.float32)
        weights = np.array([0.2126, 0.7152, 0.0722])  # of the luminance, which adds up noise
        expected = sigma * np.linalg.norm(weights)
        gray = flow.luminance(after).astype(np.float32)
        assert flow.find_noise(gray) == pytest.approx(expected, rel=0.15)
        found, trust = flow.measure(after, before)
        assert np.mean(np.any(found != 0, axis=-1)) < 0.05 and trust.mean() > 0.95


def test_flat_areas_move_with_what_is_around_them():
    picture = clips.texture(0)
    picture[150:250, 150:250] = 0.5
    before, after = (clips.look(picture, clips.matrix_at(time, pan=(4, 0))) for time in (0, 1))
    found, trust = flow.measure(after, before)
    assert np.median(np.abs(found[60:120, 100:140] - (4, 0))) < 0.3
    assert trust[60:120, 100:140].mean() > 0.8


def test_a_sky_of_few_levels_moves_as_one():
    picture = clips.texture(0)
    picture[:220] = 0.6 + 0.1 * np.linspace(0, 1, picture.shape[1])[:, np.newaxis]
    matrices = [clips.matrix_at(time, pan=(2.4, 0.7)) for time in (0, 1)]
    before, after = (np.rint(255 * clips.look(picture, each)) / 255 for each in matrices)
    found, trust = flow.measure(*np.float32((after, before)))
    error = np.linalg.norm(found - clips.exact_flow(matrices[1], matrices[0]), axis=-1)
    assert trust[8:90, 8:-8].mean() > 0.99 and np.quantile(error[8:90, 8:-8], 0.99) < 0.5


def test_a_cut_is_found_and_a_fast_pan_is_none():
    one, two = clips.texture(0), clips.texture(5)
    first = clips.look(one, clips.matrix_at(0))
    fast = clips.look(one, clips.matrix_at(1, pan=(12, 5)))
    assert flow.is_cut(flow.measure(clips.look(two, clips.matrix_at(0)), first)[1])
    assert not flow.is_cut(flow.measure(fast, first)[1])


def test_a_still_is_moved_by_nothing_and_loses_nothing():
    frame = clips.look(clips.texture(0), clips.matrix_at(0))
    found, trust = flow.measure(frame, frame)
    assert not found.any() and trust.min() == 1
    np.testing.assert_array_equal(flow.warp(frame, found), frame)
    assert flow.is_same(frame, np.clip(frame + 1 / 255, 0, 1))
    assert not flow.is_same(frame, np.clip(frame + 2 / 255, 0, 1))


def test_there_is_room_around_what_is_new_and_not_along_a_boundary():
    trust = np.ones((120, 160), np.float32)
    trust[:, -2:] = 0  # a camera that moves to the right
    trust[40:60, 30:50] = 0  # what an object hid
    trust[90, 20:60] = 0  # the boundary of a motion
    room = flow.leave_room(trust)
    assert room[:, -4:].max() < 0.2 and room[50, 52] < 0.2
    assert room[100, 20:60].min() == 1 and room[:20, :140].min() == 1
    assert flow.leave_room(np.ones((120, 160), np.float32)).min() == 1


def test_the_same_motion_on_any_number_of_threads():
    pair = [clips.look(clips.texture(0), clips.matrix_at(time, pan=(3, 1))) for time in (0, 1)]
    threads = flow.cv2.getNumThreads()
    results = []
    for count in (1, 2):
        flow.cv2.setNumThreads(count)
        results.append(flow.measure(*pair))
    flow.cv2.setNumThreads(threads)
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)
