"""The engine: what pictures may share, that they share it, and what they do not."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from conftest import SMALL_VGG19

import functions
from style_transfer.networks import weights
from style_transfer.optimization import engine as engines
from style_transfer.optimization import optimizers
from style_transfer.optimization.engine import Engine
from style_transfer.optimization.job import Engines
from style_transfer.optimization.targets import Style
from style_transfer.settings import FIELDS, Settings

#: Little history and few layers: a graph that is soon built.
SETTINGS = Settings(
    history=3, style_layers=("block1_conv1", "block2_conv1"), content_layers=("block2_conv2",)
)
SHARES = np.array([1.0, 200.0, 2.0], np.float32)
SIZES = ((32, 40), (36, 32)), ((50, 35), (40, 41))


def pictures(*sizes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.random((1, height, width, 3), np.float32) for height, width in sizes]


@pytest.fixture(scope="module")
def network():
    return weights.draw(0, SMALL_VGG19)


@pytest.fixture(scope="module")
def engine(network):
    return Engine(network, SETTINGS)


def halves(shape):
    """A mask of two regions, left and right."""
    mask = np.zeros((1, *shape, 2), np.float32)
    mask[:, :, : shape[1] // 2, 0] = 1
    mask[..., 1] = 1 - mask[..., 0]
    return mask


def losses_of(engine, image, goal):
    features = functions.extract_features(engine.model, image, border=engine.settings.border)
    return functions.compute_losses(features, image, goal, engine.settings).numpy()


def test_one_graph_serves_pictures_of_all_sizes(network):
    engine = Engine(network, SETTINGS)
    for photo, painting in (pictures(*sizes) for sizes in SIZES):
        goal = engine.compute_targets(photo, [Style(painting)], SETTINGS)
        state = engine.optimizer.start(np.full_like(photo, 0.5))
        state, losses = engine.take_steps(state, goal, SHARES, 3)
        assert losses.shape == (3, len(functions.TERMS))
        np.testing.assert_allclose(losses[-1], losses_of(engine, state["image"], goal), rtol=1e-4)
        totals = losses.numpy() @ SHARES
        assert totals[-1] < totals[0]
    (steps,) = engine.compiled.values()
    assert steps.experimental_get_tracing_count() == 1


def test_the_steps_are_those_of_the_method(engine):
    """Compiled in a loop, and one by one; with weights that change between two calls."""
    photo, painting = pictures(*SIZES[0])
    goal = engine.compute_targets(photo, [Style(painting)], SETTINGS)
    plain, losses = engine.optimizer.start(photo), []
    for shares in [SHARES] * 3 + [SHARES / 2] * 2:
        plain = functions.training_step(
            plain, engine.optimizer, lambda image, w=shares: engine.evaluate(image, goal, w)
        )
        losses.append(plain["losses"])
    state, first = engine.take_steps(engine.optimizer.start(photo), goal, SHARES, 3)
    state, second = engine.take_steps(state, goal, SHARES / 2, 2)
    np.testing.assert_allclose(np.vstack([first, second]), losses, rtol=1e-3)
    np.testing.assert_allclose(state["image"], plain["image"], atol=1e-3)
    assert np.abs(state["image"] - photo).max() > 0.01


def test_what_differs_in_kind_has_a_graph_of_its_own(network):
    """Two regions want other steps than one; two styles in one region do not."""
    engine = Engine(network, SETTINGS)
    photo, *paintings = pictures((32, 40), (36, 32), (32, 36))
    one = [Style(each, (0.5,)) for each in paintings]
    two = [Style(each, tuple(share)) for each, share in zip(paintings, np.eye(2))]
    for styles, mask in (one[:1], None), (one, None), (two, halves((32, 40))):
        goal = engine.compute_targets(photo, styles, SETTINGS, mask)
        state, _ = engine.take_steps(engine.optimizer.start(photo), goal, SHARES, 2)
        assert np.isfinite(state["losses"]).all()
    assert len(engine.compiled) == 2


def test_only_what_the_steps_depend_on_asks_for_another_engine(network):
    """Of each setting one other value, by the table of the settings."""
    others = {
        "style_loss": "mean-std",
        "loss": "gatys",
        "tv_loss": "sum-squared",
        "optimizer": "adam",
        "network": "vgg16",
        "content_layers": ("block4_conv1",),
        "style_layers": ("block1_conv1",),
        "pooling": "avg",
        "preprocessing": "torch",
        "precision": "float16",
        "average": 0.5,
        "preserve_color": "luminance",
        "layer_weights": "gatys",
        "blend": (1.0, 2.0),
        "init": "noise",
        "scales": "1",
        "weights": "random",
        "style_space": "raw",
        "transform": "wct",
        "strength": "0.5",
        "memory": "2GB",
        "bit_depth": "16",
        "profile": "keep",
    }
    plain = Settings(optimizer="adam")
    for name, field in FIELDS.items():
        before = getattr(plain, name)
        value = others.get(name, not before if isinstance(before, bool) else None)
        if value is None:
            value = before / 2 if isinstance(before, float) else before + 1
        changes = {name: "lbfgs" if name == "optimizer" else value}
        other = dataclasses.replace(plain, **changes)
        assert getattr(other, name) != before, name
        is_other = engines.compiled_part(other) != engines.compiled_part(plain)
        assert is_other == field.metadata["compiled"], name


def test_jobs_share_an_engine_while_it_fits(network, monkeypatch):
    built = []

    def build(network, settings):
        built.append((network.sha256, settings))
        return object()

    monkeypatch.setattr(engines, "Engine", build)
    shared = Engines()
    first = shared.get(network, SETTINGS)
    assert shared.get(network, dataclasses.replace(SETTINGS, size=99, style_weight=1.0)) is first
    assert len(built) == 1
    assert shared.get(network, dataclasses.replace(SETTINGS, pooling="avg")) is not first
    assert shared.get(weights.draw(1, SMALL_VGG19), SETTINGS) is not first
    assert len(built) == 3


def test_an_engine_that_cannot_be_built_is_forgotten(network, monkeypatch):
    def fail(*_):
        raise ValueError("short has no layer block2_conv2")

    shared = Engines()
    with monkeypatch.context() as patch:
        patch.setattr(engines, "Engine", fail)
        with pytest.raises(ValueError, match="no layer"):
            shared.get(network, SETTINGS)
    monkeypatch.setattr(engines, "Engine", lambda *_: "built")
    assert shared.get(network, SETTINGS) == "built"


def test_weights_that_end_too_early_are_refused(network):
    layers = dict(itertools.islice(network.layers.items(), 3))
    short = weights.Weights("short", SMALL_VGG19, layers, "")
    with pytest.raises(ValueError, match="short has no layer block2_conv2"):
        Engine(short, SETTINGS)


def with_heads(network, *names):
    """The same network with random heads of 9 channels."""
    generator = np.random.default_rng(0)
    heads = {
        name: (
            generator.normal(size=(network.architecture.width(name), 9)).astype(np.float32),
            generator.normal(size=9).astype(np.float32),
        )
        for name in names
    }
    return dataclasses.replace(network, heads=heads, sha256="")


def test_the_style_space_chooses_the_lifts(network):
    """Of the style layers alone: here block1_conv1 and block2_conv1."""
    raw, auto, lifted = (
        dataclasses.replace(SETTINGS, style_space=space) for space in ("raw", "auto", "lifted")
    )
    whole = with_heads(network, "block1_conv1", "block2_conv1", "block3_conv1")
    part = with_heads(network, "block2_conv1")
    assert engines.choose_lifts(whole, raw) == engines.choose_lifts(network, auto) == {}
    for weights_, settings, names in (
        (whole, auto, {"block1_conv1", "block2_conv1"}),
        (whole, lifted, {"block1_conv1", "block2_conv1"}),
        (part, auto, {"block2_conv1"}),
    ):
        found = engines.choose_lifts(weights_, settings)
        assert found.keys() == names
        for name, lift in found.items():
            whole_lift = np.vstack(weights_.heads[name]).T
            assert lift.shape[0] == lift.shape[1] < whole_lift.shape[0]
            matrix = np.random.default_rng(1).normal(size=(lift.shape[1],) * 2)
            lengths = [np.linalg.norm(each @ matrix @ each.T) for each in (lift, whole_lift)]
            np.testing.assert_allclose(*lengths, rtol=1e-5)
        other = dataclasses.replace(settings, style_loss="mean-std")
        for name, lift in engines.choose_lifts(weights_, other).items():
            np.testing.assert_array_equal(lift, np.vstack(weights_.heads[name]).T)
    for weights_ in (network, part):
        with pytest.raises(ValueError, match="no head for block1_conv1; add --style-space raw"):
            engines.choose_lifts(weights_, lifted)


def test_steps_in_the_lifted_space(network):
    """The loss is that of features which are really lifted, and it falls."""
    lifted = with_heads(network, "block1_conv1", "block2_conv1")
    engine = Engine(lifted, SETTINGS)
    photo, painting = pictures(*SIZES[0])
    goal = engine.compute_targets(photo, [Style(painting)], SETTINGS)
    state, losses = engine.take_steps(engine.optimizer.start(photo), goal, SHARES, 4)
    assert losses[-1, 1] < losses[0, 1]
    expected = 0.0
    border = engine.settings.border
    looks = [
        functions.extract_features(engine.model, each, border=border)
        for each in (state["image"], painting)
    ]
    for name, (kernel, bias) in lifted.heads.items():
        flats = [(each[name].numpy() @ kernel + bias).reshape(-1, 9) for each in looks]
        found, wanted = (flat.T.astype(float) @ flat / len(flat) for flat in flats)
        expected += 0.5 * np.sum((found - wanted) ** 2) / np.sum(wanted**2)
    np.testing.assert_allclose(losses[-1, 1], expected, rtol=1e-3)


@pytest.fixture
def looks(monkeypatch):
    """How many style pictures were looked at."""
    found, describe = [], engines.targets.describe_picture

    def count(model, style, *rest):
        found.append(style)
        return describe(model, style, *rest)

    monkeypatch.setattr(engines.targets, "describe_picture", count)
    return found


def test_a_style_is_looked_at_once(network, looks):
    engine = Engine(network, SETTINGS)
    photo, painting = pictures(*SIZES[0])
    first, again = (
        engine.compute_targets(each, [Style(painting.copy())], SETTINGS)
        for each in (photo, photo[:, ::-1])
    )
    assert len(looks) == 1
    for name, (region,) in first.style.items():
        gram = region["statistics"]["gram"]
        np.testing.assert_array_equal(again.style[name][0]["statistics"]["gram"], gram)


def test_styles_that_differ_are_looked_at_each(network, looks):
    engine = Engine(network, SETTINGS)
    (painting,) = pictures((32, 40))
    mask = halves((32, 40))
    styles = [
        Style(painting, (1.0, 1.0)),
        Style(painting, (1.0, 1.0), mask),
        Style(painting, (1.0, 1.0), mask[:, :, ::-1]),
        Style(painting[:, ::-1], (1.0, 1.0)),
        Style(painting.reshape(1, 40, 32, 3), (1.0, 1.0)),
    ]
    for style in styles * 2:
        engine.describe(style)
    assert len(looks) == len(styles)


def test_the_last_styles_are_kept(network, looks, monkeypatch):
    monkeypatch.setattr(engines, "DESCRIPTIONS", 2)
    engine = Engine(network, SETTINGS)
    styles = [Style(each) for each in pictures(*[(32, 32)] * 3)]
    for index in (0, 1, 2, 2, 1):
        engine.describe(styles[index])
    assert len(looks) == 3 and len(engine.descriptions) == 2
    engine.describe(styles[0])
    assert len(looks) == 4


def test_a_style_in_use_is_kept(network, looks, monkeypatch):
    monkeypatch.setattr(engines, "DESCRIPTIONS", 2)
    engine = Engine(network, SETTINGS)
    styles = [Style(each) for each in pictures(*[(32, 32)] * 3)]
    for index in (0, 1, 0, 2, 0):
        engine.describe(styles[index])
    assert len(looks) == 3


def test_the_optimizer_is_the_one_asked_for():
    assert engines.build_optimizer(Settings(history=7)).history == 7
    given = dict(learning_rate=0.1, decay=0.5, decay_steps=9, average=0.9)
    more = dict(adam_beta1=0.8, adam_epsilon=0.1)
    adam = engines.build_optimizer(Settings(optimizer="adam", **given, **more))
    assert isinstance(adam, optimizers.Adam)
    assert {name: getattr(adam, name) for name in given} == given
    assert (adam.beta_1, adam.epsilon) == (0.8, 0.1)


def test_the_precision_is_that_of_the_convolutions(network):
    for precision in ("float32", "bfloat16", "float16"):
        built = engines.build_network(network, SETTINGS, precision)
        convolution = built.get_layer("block2_conv1")
        assert convolution.compute_dtype == precision
        assert convolution.kernel.dtype == built.output["block2_conv1"].dtype == "float32"
        assert built.get_layer("block1_conv1").compute_dtype == "float32"


def test_float16_has_an_evaluation_of_its_own(network):
    """With weights by which the plain one overflows."""
    engine = Engine(network, dataclasses.replace(SETTINGS, precision="float16"))
    assert engine.precision == "float16"
    photo, painting, image = map(tf.constant, pictures(*SIZES[0], (32, 40)))
    goal = engine.compute_targets(photo, [Style(painting)], SETTINGS)
    shares = tf.constant(1e10 * SHARES)
    plain = functions.build_evaluation(engine.model, engine.settings)
    assert not np.isfinite(plain(image, goal, shares)["gradient"]).all()
    assert np.isfinite(engine.evaluate(image, goal, shares)["gradient"]).all()
