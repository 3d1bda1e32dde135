"""The order of the frames, and what each holds on to; how trust is shared."""

import numpy as np
import pytest

from style_transfer.errors import SettingsError
from style_transfer.film_settings import FilmSettings
from style_transfer.video import visits
from style_transfer.video.transfer import share_trust, warping_error


def frames(found):
    return [(each.frame, [place[0] for place in each.references]) for each in found]


def test_each_frame_holds_on_to_those_before():
    found = visits.plan(4, FilmSettings(anchors="1,3"))
    assert frames(found) == [(0, []), (1, [0]), (2, [1]), (3, [2, 0])]


def test_later_passes_go_backwards_and_forwards():
    found = visits.plan(3, FilmSettings(passes=3))
    assert frames(found[3:]) == [(2, []), (1, [2]), (0, [1]), (0, []), (1, [0]), (2, [1])]
    assert [each.turn for each in found] == [0] * 3 + [1] * 3 + [2] * 3
    assert found[4].references == ((2, 1, None),) and found[4].kind == "again"


def test_frames_between_keys_come_after_both():
    found = visits.plan(6, FilmSettings(keyframes=4))
    assert frames(found) == [(0, []), (4, [0]), (1, [0, 4]), (2, [0, 4]), (3, [0, 4]), (5, [4])]
    assert [place[2] for place in found[2].references] == [0.75, 0.25]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    "film", [FilmSettings(passes=2, anchors="1,2"), FilmSettings(keyframes=3)], ids=str
)
def test_nothing_is_let_go_of_before_its_last_use(count, film):
    planned = visits.plan(count, film)
    uses, done = visits.last_uses(planned), set()
    for number, visit in enumerate(planned):
        needed = {visits.name_of(place) for place in visit.references}
        needed |= {visits.name_of((visit.frame, visit.turn - 1))} if visit.turn else set()
        assert needed <= done and all(uses[name] >= number for name in needed)
        done.add(visit.name)
    assert {each.frame for each in planned} == set(range(count))


def test_the_nearest_frame_goes_first():
    near, far = np.array([[1.0, 0.3, 0.0]]), np.array([[1.0, 0.5, 0.8]])
    np.testing.assert_allclose(share_trust([near, far], [None, None])[1], [[0, 0.2, 0.8]])


def test_two_sides_are_mixed_by_distance_where_both_are_trusted():
    one, two = share_trust([np.array([[1.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.5]])], [0.75, 0.25])
    np.testing.assert_allclose(one, [[0.75, 1, 0]], rtol=1e-5)
    np.testing.assert_allclose(two, [[0.25, 0, 0.5]], rtol=1e-5)


def test_the_warping_error_counts_where_it_is_trusted():
    image, moved = (
        np.zeros((1, 3, 3)),
        np.ones((1, 3, 3)) * np.array([1.0, 0.5, 9.0])[None, :, None],
    )
    assert warping_error(image, moved, np.array([[1.0, 0.5, 0.0]])) == pytest.approx(1.125 / 1.5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"anchors": "2,3"}, "must grow, from 1"),
        ({"anchors": "x"}, "1,10, for example"),
        ({"keyframes": 4, "passes": 2}, "--keyframes does not go with --passes"),
        ({"instant": True, "passes": 2}, "--passes does not go with --instant"),
        ({"temporal_weight": -1.0}, "temporal_weight"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, words):
    with pytest.raises(SettingsError, match=words):
        FilmSettings(**given)
