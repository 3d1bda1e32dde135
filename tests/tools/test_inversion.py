"""The training of the decoders and the fit of the heads: their parts, on narrow networks."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate2d

from style_transfer.method.architecture import VGG19
from style_transfer.networks import decoders, weights
from tools import heads, inversion, teachers

NARROW = dataclasses.replace(VGG19, widths=(3, 4, 5, 5, 5))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file of published encoders and decoders, narrow and random."""
    random, arrays = np.random.default_rng(0), {}

    def draw(key, out, inside, side=3):
        deviation = (2 / (inside * side**2)) ** 0.5
        values = random.normal(0, deviation, (out, inside, side, side))
        arrays[f"{key}.weight"] = values.astype(np.float32)
        arrays[f"{key}.bias"] = np.full(out, 0.1, np.float32)

    for level in decoders.LEVELS:
        block, channels = level[5], 3
        draw(f"e{block}.conv0", 3, 3, 1)
        for name in NARROW.up_to([level]):
            draw(f"e{block}.{teachers.short_name(name)}", NARROW.width(name), channels)
            channels = NARROW.width(name)
        for name, width in NARROW.mirrored(level):
            draw(f"d{block}.{teachers.short_name(name)}", width, channels)
            channels = width
    path = tmp_path_factory.mktemp("published") / "published.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def run(published, tmp_path, monkeypatch):
    """An `Inversion` of a narrow random encoder, with small crops."""
    monkeypatch.setattr(inversion, "SIZE", 64)
    monkeypatch.setattr(inversion, "STYLE_SIZE", 64)
    monkeypatch.setattr(inversion, "CROPS", dict.fromkeys(range(1, 6), 4))
    coarse = np.random.default_rng(1).integers(0, 256, (4, 8, 9, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(each).resize((90, 80), 3)) for each in coarse]
    photos, paintings = (large[2:], large[:1]), (large[:2], large[3:])
    return inversion.Inversion(
        photos,
        paintings,
        weights.draw(0, NARROW),
        teachers.load_decoders(published),
        seed=0,
        checkpoint=tmp_path / "training.npz",
    )


def test_published_decoder_against_scipy(published):
    _, decoder = teachers.load_decoders(published)["block2_conv1"]
    hidden = np.random.default_rng(2).uniform(size=(6, 7, 4))
    found = decoder(hidden[None].astype(np.float32))
    with np.load(published) as arrays:
        for short, name in (("conv21", "block2_conv1"), ("conv12", "block1_conv2")):
            kernel, bias = (arrays[f"d2.{short}.{part}"] for part in ("weight", "bias"))
            padded = np.pad(hidden, ((1, 1), (1, 1), (0, 0)), mode="reflect")
            maps = [
                sum(correlate2d(padded[..., i], each[i], "valid") for i in range(len(each)))
                for each in kernel
            ]
            hidden = np.maximum(np.stack(maps, axis=-1) + bias, 0)
            np.testing.assert_allclose(found[name][0], hidden, rtol=1e-4, atol=1e-5)
            if name == "block2_conv1":
                hidden = hidden.repeat(2, axis=0).repeat(2, axis=1)


def test_training_goes_on_where_it_was(run):
    options = dict(rounds=1, rate=1.0, layer_steps=2, steps=2, batch=2, size=32, joint_rate=1e-3)
    units = [each for each in inversion.plan(NARROW, **options) if each[1] == "block2_conv1"]
    assert [label for label, _, _ in units] == [
        "block2_conv1 block2_conv1, round 1",
        "block2_conv1 block1_conv2, round 1",
        "block2_conv1 block1_conv1, round 1",
        "block2_conv1, step 2",
    ]
    run.work(units[:3])
    before = {name: [each.copy() for each in arrays] for name, arrays in run.arrays.items()}
    run.arrays, run.done = {}, 0
    run.resume()
    assert run.done == 3 and list(run.arrays) == list(before)
    run.work(units)
    changed = "block2_conv1/block1_conv2"
    assert run.done == 4 and np.abs(run.arrays[changed][0] - before[changed][0]).max() > 1e-5
    assert all(np.isfinite(list(run.measure("block2_conv1", count=2, size=32).values())))


def test_a_checkpoint_of_another_seed_is_refused(run):
    run.save()
    run.seed = 1
    with pytest.raises(ValueError, match="another seed"):
        run.resume()


def test_transformed_features_are_another_pictures(run):
    features = run.encode(run.draw("photos", size=64, batch=2, number=0), "block2_conv1")
    changed = run.transform(features, "block2_conv1", number=0)
    again = run.transform(features, "block2_conv1", number=0)
    assert changed.shape == features.shape and np.abs(changed - features).max() > 0.01
    np.testing.assert_array_equal(changed, again)


def test_features_are_matched_by_least_squares():
    random = np.random.default_rng(3)
    ours, matrix = random.uniform(size=(2, 9, 8, 3)), random.normal(size=(3, 4))
    theirs = np.maximum(ours @ matrix + 2.0, 0)  # nothing is cut off
    matched = inversion.match(ours, theirs)(ours.astype(np.float32))
    np.testing.assert_allclose(matched, theirs, atol=1e-3)


def test_heads_are_found_again():
    random = np.random.default_rng(4)
    head = random.normal(size=(5, 9))
    features = [heads.with_constant(random.uniform(size=(1, 6, 7, 4))) for _ in range(3)]
    found = heads.solve([(each, each @ head) for each in features])
    np.testing.assert_allclose(found, head, atol=1e-3)


def test_a_published_head_has_its_bias_last():
    arrays = {"conv21_aux.weight": np.ones((9, 4, 1, 1)), "conv21_aux.bias": np.full(9, 7.0)}
    head = heads.published_head(arrays, "block2_conv1")
    assert head.shape == (5, 9) and np.all(head[:4] == 1) and np.all(head[4] == 7)
