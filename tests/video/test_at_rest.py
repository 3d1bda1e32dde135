"""A film at rest, painted by a network that changes nothing: what stays, and what follows."""

import numpy as np
import pytest

from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings
from style_transfer.video import painters, visits
from style_transfer.video.transfer import FilmTransfer
from tools import clips


class Shoot:
    """Frames of one picture, each brighter by so much than the one before, with some grain."""

    def __init__(self, fade, grain=0.0, count=24):
        still = 0.3 + 0.4 * clips.look(clips.texture(0), clips.matrix_at(0), (120, 90))
        generator = np.random.default_rng(0)
        frames = [still + index * fade for index in range(count)]
        frames = [each + generator.normal(scale=grain, size=each.shape) for each in frames]
        self.pictures = [np.float32(np.rint(255 * each) / 255) for each in frames]
        self.frames, self.count = self, count

    def tensor(self, index):
        return self.pictures[index][np.newaxis]

    def of(self, index, _shot):
        return Material(self.tensor(index), [], None)

    def show(self, image, _index):
        return image


class Copy:
    def paint(self, material, _settings):
        return material.content


def run(shoot, steadiness=0.5):
    """Paint a film in one pass each; return the images."""
    planned, done, images = [visits.Visit(0, 0, ())], {}, []
    planned += [visits.Visit(each, 0, ((each - 1, 0, None),)) for each in range(1, shoot.count)]
    painter = painters.Pass(Copy(), Settings(), steadiness)
    for frame in FilmTransfer(painter, shoot, planned, done.get).run():
        done[frame.visit.name] = frame.image, frame.seen, frame.measures["shot"]
        images.append(frame.image[0])
    return images


def test_what_rests_does_not_change_whatever_the_grain():
    images = run(Shoot(0.0, grain=0.01))
    assert np.mean(np.all(images[-1] == images[0], axis=-1)) > 0.9
    assert abs(images[-1].mean() - images[0].mean()) < 0.2 / 255


@pytest.mark.parametrize("fade", [0.3 / 255, 1 / 255, 2.5 / 255])
def test_paint_follows_a_light_however_slowly_it_fades(fade):
    shoot = Shoot(fade)
    images = run(shoot)
    last = shoot.pictures[-1].mean()
    assert last - shoot.pictures[0].mean() > 5 / 255
    assert abs(images[-1].mean() - last) < 4 / 255
