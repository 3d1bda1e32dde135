"""Affine maps of features against NumPy and SciPy: what they reach, and where nothing can be."""

import numpy as np
import pytest
import scipy.linalg

from style_transfer.feedforward import transforms

every = pytest.mark.parametrize("name", transforms.NAMES)
whole = pytest.mark.parametrize("name", ["wct", "monge"])


def features_of(seed, positions=200, channels=6, spread=4.0):
    """Features (positions, channels), correlated, of variances from 1 down to 1 / spread²."""
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.normal(size=(channels, channels)))
    noise = generator.normal(size=(positions, channels))
    if positions > channels:  # white to the last digit, so that the variances are those
        noise = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(positions)
    return (noise * np.geomspace(1.0, 1.0 / spread, channels)) @ turn + generator.normal(
        size=channels
    )


def describe(features):
    return {"mean": features.mean(axis=0), "covariance": np.cov(features.T, bias=True)}


def mapped(name, content, style):
    """Map every position as the statistics of both say."""
    matrix, offset = transforms.find_map(name, describe(content), describe(style))
    assert np.isfinite(matrix).all() and np.isfinite(offset).all()
    return content @ matrix.T + offset


def root_of(matrix):
    return scipy.linalg.sqrtm(matrix).real


@whole
@pytest.mark.parametrize("spread", [4, 50], ids=str)
def test_mapped_features_have_the_mean_and_covariance_of_the_style(name, spread):
    """Also where the variances differ by a factor of 2500."""
    content, style = (features_of(seed, 90 + seed, spread=spread) for seed in (0, 1))
    found, expected = describe(mapped(name, content, style)), describe(style)
    for part in expected:
        np.testing.assert_allclose(found[part], expected[part], rtol=1e-7, atol=1e-9)


def test_adain_gives_the_mean_and_the_deviations_of_the_style():
    content, style = features_of(0), features_of(1, positions=90)
    found = mapped("adain", content, style)
    np.testing.assert_allclose(found.mean(axis=0), style.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.std(axis=0), style.std(axis=0), rtol=1e-9)
    correlations = [np.corrcoef(each.T) for each in (content, found)]
    np.testing.assert_allclose(*correlations, rtol=1e-9, atol=1e-12)


def test_wct_is_the_formula_with_the_roots_of_scipy():
    content, style = (describe(features_of(seed))["covariance"] for seed in (0, 1))
    expected = root_of(style) @ np.linalg.inv(root_of(content))
    np.testing.assert_allclose(transforms.wct(content, style), expected, rtol=1e-6, atol=1e-9)


def test_monge_is_the_optimal_transport_between_gaussians():
    """The closed formula, its symmetry, and its cost: the Wasserstein distance."""
    content, style = features_of(0), features_of(1)
    first, second = (describe(each)["covariance"] for each in (content, style))
    root = root_of(first)
    cross = root_of(root @ second @ root)
    inverse = np.linalg.inv(root)
    found = transforms.monge(first, second)
    np.testing.assert_allclose(found, inverse @ cross @ inverse, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found, found.T, rtol=1e-9, atol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0
    costs = {
        name: np.mean(np.sum((mapped(name, content, style) - content) ** 2, axis=1))
        for name in ("monge", "wct")
    }
    distance = np.sum((content.mean(axis=0) - style.mean(axis=0)) ** 2)
    distance += np.trace(first + second - 2 * cross)
    np.testing.assert_allclose(costs["monge"], distance, rtol=1e-6)
    assert costs["monge"] < costs["wct"] - 0.02


@every
def test_what_has_the_statistics_already_stays_as_it_is(name):
    content = features_of(0)
    np.testing.assert_allclose(mapped(name, content, content), content, rtol=1e-6, atol=1e-6)


@every
def test_flat_features_become_the_mean_of_the_style(name):
    flat, style = np.full((64, 6), 0.75), features_of(1)
    assert not describe(flat)["covariance"].any()
    found = mapped(name, flat, style)
    np.testing.assert_allclose(found, np.broadcast_to(style.mean(axis=0), found.shape), rtol=1e-9)
    np.testing.assert_allclose(mapped(name, style, flat), np.full_like(style, 0.75), rtol=1e-9)
    np.testing.assert_allclose(mapped(name, flat, flat), flat, rtol=1e-9)
    silent = np.zeros_like(flat)
    assert not mapped(name, silent, silent).any()


@every
@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-5], ids=str)
@pytest.mark.parametrize("dead", ["content", "style", "both"])
def test_dead_channels_are_not_blown_up(name, noise, dead):
    """Some say nothing, or hardly anything: the others get their statistics all the same."""
    content, style = features_of(0), features_of(1)
    for each, kind in ((content, "content"), (style, "style")):
        if dead in (kind, "both"):
            each[:, 4:] = 3.0 + noise * np.random.default_rng(2).normal(size=(len(each), 2))
    found = mapped(name, content, style)
    np.testing.assert_allclose(found.mean(axis=0), style.mean(axis=0), rtol=1e-6)
    assert found.var(axis=0).sum() < 1.001 * style.var(axis=0).sum()
    if name != "wct" or dead != "content":
        np.testing.assert_allclose(found.std(axis=0)[:4], style.std(axis=0)[:4], rtol=1e-2)


@every
@pytest.mark.parametrize("few", ["content", "style", "both"])
def test_fewer_positions_than_channels(name, few):
    content, style = (
        features_of(seed, positions=4 if few in (kind, "both") else 60, channels=12)
        for seed, kind in enumerate(("content", "style"))
    )
    found = mapped(name, content, style)
    np.testing.assert_allclose(found.mean(axis=0), style.mean(axis=0), rtol=1e-6, atol=1e-9)
    assert found.var(axis=0).sum() < 1.001 * style.var(axis=0).sum()
    if few == "style":
        covariance = describe(style)["covariance"]
        found = describe(found)["covariance"]
        if name == "adain":
            found, covariance = np.diag(found), np.diag(covariance)
        np.testing.assert_allclose(found, covariance, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shares", [(0.3, 0.2), (1.0, 0.0), (0.0, 0.0), (0.25, 0.75)])
def test_mixed_maps_are_the_mean_of_what_they_give(shares):
    """What the shares lack to 1 is the features themselves."""
    content = features_of(0)
    styles = [features_of(seed) for seed in (1, 2)]
    maps = [
        transforms.find_map(name, describe(content), describe(style))
        for name, style in zip(("monge", "adain"), styles)
    ]
    each = [content @ matrix.T + offset for matrix, offset in maps]
    matrix, offset = transforms.mix_maps(maps, shares)
    expected = (1 - sum(shares)) * content + shares[0] * each[0] + shares[1] * each[1]
    np.testing.assert_allclose(content @ matrix.T + offset, expected, rtol=1e-9, atol=1e-9)


@whole
def test_float32_statistics_will_do(name):
    content, style = features_of(0), features_of(1)
    given = [
        {part: value.astype(np.float32) for part, value in describe(each).items()}
        for each in (content, style)
    ]
    matrix, offset = transforms.find_map(name, *given)
    assert matrix.dtype == offset.dtype == np.float64
    covariance = describe(content @ matrix.T + offset)["covariance"]
    scale = np.abs(covariance).max()
    np.testing.assert_allclose(covariance, describe(style)["covariance"], atol=1e-3 * scale)
