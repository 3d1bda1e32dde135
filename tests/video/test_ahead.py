"""A film in one pass a frame: the next frame's pass begins before its turn, and changes nothing."""

import threading

import numpy as np

from style_transfer.optimization.transfer import Material
from style_transfer.settings import Settings
from style_transfer.video import painters, visits
from style_transfer.video.transfer import FilmTransfer
from tools import clips

CUT, COUNT = 5, 10
TIMES = (0, 1, 1, 2, 3)  # of the frames of a shot


class Shoot:
    """A camera that moves over one picture, then over another one; in between it rests once."""

    frames = property(lambda self: self)

    def tensor(self, index):
        seed, number = divmod(index, CUT)
        matrix = clips.matrix_at(TIMES[number], pan=(2.0, 1.0))
        return clips.look(clips.texture(seed), matrix)[np.newaxis]

    def of(self, index, shot):
        """The material depends on the shot, as colors do that are those for its first frame."""
        return Material(self.tensor(index) * (1 - 0.1 * shot), [], None)

    def show(self, image, _index):
        return image


class Negative:
    """A network that notes which thread painted."""

    def __init__(self):
        self.threads = []

    def paint(self, material, _settings):
        self.threads.append(threading.current_thread())
        return 1 - material.content


def run(monkeypatch, begins_early):
    """Return the images of the film, and how many passes were made before and in their turn."""
    monkeypatch.setattr(painters.Pass, "begins_early", begins_early)
    network, done, images = Negative(), {}, []
    places = [((index - 1, 0, None),) if index else () for index in range(COUNT)]
    planned = [visits.Visit(index, 0, references) for index, references in enumerate(places)]
    painter = painters.Pass(network, Settings(), 0.9)
    for frame in FilmTransfer(painter, Shoot(), planned, done.get).run():
        done[frame.visit.name] = frame.image, frame.seen, frame.measures["shot"]
        images.append((frame.image, frame.measures["shot"]))
    painter.pool.shutdown()
    is_main = [each is threading.main_thread() for each in network.threads]
    return images, is_main.count(False), is_main.count(True)


def test_a_pass_before_its_turn_changes_nothing(monkeypatch):
    images, early, late = run(monkeypatch, True)
    expected, *counts = run(monkeypatch, False)
    for (image, shot), (wanted, its_shot) in zip(images, expected):
        assert shot == its_shot
        np.testing.assert_array_equal(image, wanted)
    assert [shot for _, shot in images] == [0] * CUT + [CUT] * CUT
    assert counts == [0, 8]  # two frames are at rest
    # Early: the last of each shot, and in vain what comes after the cut. The first two of a shot
    # are not, nor what follows a rest.
    assert (early, late) == (3, 6)


def test_a_large_frame_waits_for_its_turn(monkeypatch):
    monkeypatch.setattr(painters, "SMALL", 99)
    assert run(monkeypatch, True)[1] == 0
