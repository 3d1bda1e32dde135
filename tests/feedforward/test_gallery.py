"""What is learned from: mixtures and variations of paintings."""

import numpy as np

from style_transfer.feedforward import gallery


def test_a_mixture_written_out():
    stacked = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    choice = gallery.choose([[4, 1], [2, 2]], [[0.25, 0.75], [1.0, 0.0]])
    found = np.asarray(gallery.mix(stacked, choice))
    np.testing.assert_allclose(found[0], 0.25 * stacked[4] + 0.75 * stacked[1], rtol=1e-6)
    np.testing.assert_allclose(found[1], stacked[2], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(gallery.mix(stacked, gallery.pure([3])))[0], stacked[3])


def test_the_statistics_of_a_picture_made_of_two_are_their_mixture():
    """What the mixing stands on: Gram matrices are means over positions."""
    one, two = (np.random.default_rng(seed).random((30, 4)) for seed in (1, 2))
    whole = np.vstack([one, two[:10]])  # 30 and 10 positions
    gram = whole.T @ whole / len(whole)
    parts = np.float32([one.T @ one / 30, two[:10].T @ two[:10] / 10])
    mixed = gallery.mix(parts, gallery.choose([[0, 1]], [[0.75, 0.25]]))
    np.testing.assert_allclose(np.asarray(mixed)[0], gram, rtol=1e-5)


def test_what_is_drawn():
    generator = np.random.default_rng(3)
    choice = gallery.draw(generator, 4000, 3)
    numbers, shares = (np.asarray(each) for each in choice)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-6)
    assert shares.min() >= 0
    assert 0.45 < np.mean(shares[:, 0] == 1) < 0.55
    assert np.all(np.bincount(numbers.ravel()) > 2400)


def test_variations_keep_what_a_painting_is_made_of():
    painting = np.random.default_rng(4).random((1, 200, 300, 3), np.float32)
    painting[..., 0] = 1.0  # which channel it is becomes another one
    generator = np.random.default_rng(5)
    places = set()
    for _ in range(20):
        image = np.asarray(gallery.vary(painting, generator))
        assert image.shape[0] == 1 and image.shape[1] == image.shape[2] >= 192
        assert image.shape[1] % 64 == 0
        assert image.min() >= 0 and image.max() <= 1
        means = image.mean(axis=(0, 1, 2))
        places.add(int(means.argmax()))
        assert sorted(means)[-1] > 0.999 and sorted(means)[1] < 0.6
    assert places == {0, 1, 2}
