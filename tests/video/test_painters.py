"""One pass on each frame of a film, steadied: what is averaged stays sharp."""

import dataclasses

import numpy as np

from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings
from style_transfer.video import flow, painters
from style_transfer.video.transfer import Reference
from tools import clips


class Grain:
    """A network whose every picture has grain of its own, some pixels large as strokes are.

    (One of single pixels would not outlive that it is moved by parts of a pixel.)
    """

    def __init__(self):
        self.generator = np.random.default_rng(0)

    def paint(self, material, _settings):
        grain = self.generator.normal(size=material.content.shape[1:])
        grain = flow.cv2.GaussianBlur(grain, (0, 0), 1.0)
        return np.float32(np.clip(material.content + 0.05 * grain / grain.std(), 0, 1))


def roughness(image):
    """The mean squared difference of neighbors."""
    return np.mean(np.diff(image, axis=1) ** 2) + np.mean(np.diff(image, axis=2) ** 2)


def steady(steadiness, count=12):
    """Paint frames of a camera that moves; return how rough each is, and how far apart they are.

    Returns:
        (roughness, apart): of each frame, as a share of that of its own pass; the mean squared
        difference of a frame and the one before, moved.
    """
    photo, motion = clips.texture(0), {"pan": (1.5, 0.5)}
    matrices = [clips.matrix_at(time, **motion) for time in range(count)]
    shots = [clips.look(photo, matrix)[np.newaxis] for matrix in matrices]
    painter = painters.Pass(Grain(), Settings(), steadiness)
    frames, rough, apart = [painter.network.paint(Material(shots[0], [], None), None)], [], []
    for index in range(1, count):
        there = clips.exact_flow(matrices[index], matrices[index - 1])
        moved = flow.warp(frames[-1][0], there)
        trust = flow.is_inside(there) * 1.0
        before = Reference(shots[index][0], moved, None, trust, trust > 1, 0)
        material = Material(shots[index], [], None)
        *_, (image, _, _) = exhaust(
            painter.paint(painter.go_on(material, [before], "follow"), None)
        )
        single = painter.network.paint(material, None)
        rough.append(roughness(image) / roughness(single))
        apart.append(np.mean((image[0] - moved) ** 2))
        frames.append(image)
    return rough, np.mean(apart)


def test_what_is_steadied_is_steady_and_as_sharp(monkeypatch):
    rough, apart = steady(0.9)
    _, alone = steady(0.0)
    assert all(0.9 < each < 1.1 for each in rough) and apart < 0.2 * alone
    # Without what restores it, the mean of frames that differ is blurred: that can be seen here.
    monkeypatch.setattr(painters, "restore_detail", lambda image, _model: image)
    assert np.mean(steady(0.9)[0]) < 0.75


def reference(image, **changes):
    """A frame that lies where it lies in the other one, and is trusted."""
    whole = np.ones((90, 120))
    return dataclasses.replace(Reference(image, image, image, whole, whole == 1, 0), **changes)


def test_what_rests_and_agrees_is_held():
    image = np.random.default_rng(2).uniform(size=(90, 120, 3)).astype(np.float32)
    assert painters.find_held(image, [reference(image)]).all()
    assert not painters.find_held(image, []).any()
    moves = np.zeros((90, 120), bool)
    moves[:, 60:] = True
    held = painters.find_held(image, [reference(image, rests=~moves)])
    np.testing.assert_array_equal(held, ~moves)
    new = np.ones((90, 120))
    new[40:60, 40:60] = 0  # came into sight: it is painted, with some room around it
    held = painters.find_held(image, [reference(image, trust=new)])
    assert not held[39:61, 39:61].any() and held[:30].all()
    other = image.copy()
    other[:45] = 1 - other[:45]  # from both sides, painted differently
    half = np.full((90, 120), 0.5)
    both = [reference(image, trust=half), reference(other, trust=half)]
    start = (image + other) / 2
    np.testing.assert_array_equal(
        painters.find_held(start, both), np.abs(image - start).max(axis=-1) <= 1 / 255
    )


def test_frames_of_two_sides_have_room_as_one():
    image = np.zeros((1, 90, 120, 3), np.float32)
    total = np.ones((1, 90, 120, 1), np.float32)
    total[:, :, -8:] = 0
    for share in (0.5, 0.25):
        near, far = painters.leave_room([(image, (1 - share) * total), (image, share * total)])
        np.testing.assert_allclose(near[1][0, :, :80], 1 - share, rtol=1e-5)
        np.testing.assert_allclose(far[1][0, :, :80], share, rtol=1e-5)
        assert near[1][0, :, -10:].max() < 0.2


def exhaust(generator):
    """What a generator yields, and what it returns."""
    yield (yield from generator)


def test_detail_is_restored_where_there_is_some():
    generator = np.random.default_rng(1)
    model = np.float32(0.5 + 0.1 * generator.standard_normal((60, 200, 3)))
    weak = 0.5 + 0.7 * (model - 0.5)
    restored = painters.restore_detail(weak, model)
    assert np.abs(restored - model).mean() < 0.25 * np.abs(weak - model).mean()
    flat = np.full((60, 200, 3), 0.5, np.float32)
    np.testing.assert_array_equal(painters.restore_detail(flat, model), flat)


def test_a_spot_does_not_outgrow_what_is_around_it():
    """Frame after frame, where the rest is averaged away, it would get all of the strength."""
    generator = np.random.default_rng(3)
    image = np.full((60, 60, 3), 0.5, np.float32)
    image[28:32, 28:32] = 0.6
    for _ in range(20):
        model = np.float32(0.5 + 0.1 * generator.standard_normal((60, 60, 3)))
        image = painters.restore_detail(0.9 * image + 0.1 * model, model)
    detail = np.abs(image - painters.cv2.GaussianBlur(image, (0, 0), painters.FINE))
    assert detail[26:34, 26:34].max() < 3.0 * 0.1
    assert 0.05 < detail[:20].mean() < 0.15
