"""One pass on each frame of a film, steadied: what is averaged stays sharp."""

import numpy as np

from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings
from style_transfer.video import painters


class Grain:
    """A network whose every picture has grain of its own."""

    def __init__(self):
        self.generator = np.random.default_rng(0)

    def paint(self, material, _settings):
        grain = self.generator.normal(scale=0.05, size=material.content.shape)
        return np.float32(np.clip(material.content + grain, 0, 1))


def roughness(image):
    """The mean squared difference of neighbors."""
    return np.mean(np.diff(image, axis=1) ** 2) + np.mean(np.diff(image, axis=2) ** 2)


def test_what_is_steadied_is_steady_and_as_sharp():
    photo = np.full((1, 90, 120, 3), 0.5, np.float32)
    painter = painters.Pass(Grain(), Settings(), 0.9)
    frames = [painter.network.paint(Material(photo, [], photo), None)]
    single = roughness(frames[0])
    trust = np.ones((1, 90, 120, 1), np.float32)
    for _ in range(12):
        work = painter.go_on(Material(photo, [], photo), [(frames[-1], trust)], "follow")
        *_, (image, _, _) = [*exhaust(painter.paint(work, None))]
        frames.append(image)
    assert all(0.9 < roughness(image) / single < 1.1 for image in frames)
    apart = [np.mean((after - before) ** 2) for before, after in zip(frames, frames[1:])]
    assert np.mean(apart) < 0.1 * 2 * 0.05**2  # two frames of grain differ by 2 σ²


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
