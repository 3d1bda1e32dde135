"""The benchmark measures what it says: baseline, arithmetic, races, bookkeeping. Never a time."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from conftest import ROOT, SMALL_WIDTHS

import functions
from style_transfer.networks import weights
from style_transfer.optimization import transfer
from tools import benchmark, evaluations, jobs, races, textbook


@pytest.fixture(scope="module")
def full():
    """(weights, network): the textbook's VGG19 with random weights."""
    drawn = weights.draw(0)
    return drawn, textbook.build_network(drawn.layers)


def picture(seed, height=32, width=48):
    coarse = np.random.default_rng(seed).uniform(size=(1, 4, 6, 3))
    smooth = tf.image.resize(coarse, (height, width), "bicubic").numpy()
    return smooth.clip(0, 1).astype(np.float32)


def test_the_textbook_gram_matrix_is_the_formula():
    features = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    expected = np.zeros((1, 5, 5))
    for row in range(3):
        for column in range(4):
            expected[0] += np.outer(features[0, row, column], features[0, row, column])
    gram = textbook.gram_matrix(tf.constant(features))
    np.testing.assert_allclose(gram, expected / 12, rtol=1e-5)


def test_the_textbook_network_is_the_same_vgg19_as_ours(full):
    drawn, network = full
    names = (*textbook.STYLE_LAYERS, textbook.CONTENT_LAYER)
    model = functions.build_model(names)
    drawn.assign(model)
    features = model(picture(1))
    grams, content = textbook.extract(network, tf.constant(picture(1)))
    largest = np.abs(features[names[-1]]).max()
    np.testing.assert_allclose(content, features[names[-1]], atol=1e-4 * largest)
    for name, gram in zip(names, grams):
        ours = functions.gram_matrix(features[name])
        np.testing.assert_allclose(gram[0], ours, atol=1e-4 * np.abs(ours).max())


def test_the_textbook_loss_is_the_tutorials(full):
    network = full[1]
    image, content, style = map(picture, (1, 2, 3))
    grams, features = textbook.extract(network, tf.constant(image))
    wanted_grams, _ = textbook.extract(network, tf.constant(style))
    _, wanted_features = textbook.extract(network, tf.constant(content))
    errors = [np.mean((gram - want) ** 2) for gram, want in zip(grams, wanted_grams)]
    variation = np.abs(np.diff(image, axis=1)).sum() + np.abs(np.diff(image, axis=2)).sum()
    expected = 1e-2 * np.mean(errors) + 1e4 * np.mean((features - wanted_features) ** 2)
    loss = textbook.build_loss(network, tf.constant(content), tf.constant(style))
    assert float(loss(tf.constant(image))) == pytest.approx(expected + 30 * variation, rel=1e-4)


def test_the_textbook_step_lowers_its_loss_and_stays_in_range(full):
    image = tf.Variable(picture(1))
    loss = textbook.build_loss(full[1], tf.constant(picture(2)), tf.constant(picture(3)))
    step = textbook.build_step(image, loss, textbook.build_adam())
    losses = [float(step()) for _ in range(6)]
    assert losses[-1] < 0.9 * losses[0]
    assert image.numpy().min() >= 0 and image.numpy().max() <= 1


def test_operations_are_counted_as_by_hand():
    # One block of two convolutions, 3 → 4 → 4 channels at 8·12 positions, the second with a
    # Gram matrix of 4²; then one of 4 → 5 channels at half of it, rounded down.
    widths = (4, 5, 6, 7, 8)
    first = 96 * (9 * 3 * 4 + 9 * 4 * 4 + 4 * 4)
    layers = ("block1_conv2",)
    assert textbook.count_operations((8, 12), layers, layers, widths=widths) == 4 * first
    layers = ("block1_conv2", "block2_conv1")
    count = textbook.count_operations((9, 13), layers, layers[:1], widths=widths)
    assert count == 4 * (9 * 13 * (9 * 3 * 4 + 9 * 4 * 4 + 4 * 4) + 4 * 6 * 9 * 4 * 5)


def test_vgg19_takes_as_many_operations_as_published():
    # 19.6 · 10⁹ multiply-adds for 224 × 224, 0.12 · 10⁹ of them in the fully connected layers.
    deepest = ("block5_conv4",)
    assert textbook.count_operations((224, 224), deepest, ()) / 4 == pytest.approx(19.5e9, rel=0.01)


def test_contestants_take_turns():
    calls = []
    contestants = {name: lambda name=name: calls.append(name) for name in "ab"}
    effort = benchmark.Effort(turns=3, least=0.0)
    times = evaluations.take_turns(contestants, effort)
    assert calls == list("ab" * 4)  # once to warm up
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}


def test_ratios_are_taken_turn_by_turn():
    # A machine that is ten times slower for a turn slows both down.
    assert evaluations.median_ratio([1.0, 10.0, 1.2], [2.0, 20.0, 2.0]) == 0.5


def test_a_rate_counts_the_operations_of_the_picture_with_its_border():
    small, effort = weights.draw(0, SMALL_WIDTHS), benchmark.Effort(turns=1, least=0, matrix=64)
    pair = picture(2, height=40), picture(3)
    rows = evaluations.measure_rate({"small": small}, *pair, effort)
    settings = evaluations.Settings()
    arguments = settings.layers, settings.style_layer_weights
    # 40 + 2 · 4 = 48 is a multiple of 16, 48 + 2 · 4 = 56 becomes 64.
    expected = textbook.count_operations((48, 64), *arguments, widths=SMALL_WIDTHS)
    for _, _, work, rate, peak, share in rows:
        assert work == pytest.approx(expected / 1e9)
        assert share == pytest.approx(rate / peak)


def test_growth_in_proportion_to_the_pixels_has_the_exponent_1():
    rows = [(side, side**2, 7.0 * side**2, 7.0) for side in (1, 2, 4)]
    assert evaluations.growth(rows) == pytest.approx(1)


def laps(name, order, shares, losses):
    """Yield a lap of two steps for each share; note who was asked."""
    for index, (share, loss) in enumerate(zip(shares, losses)):
        order.append(name)
        seconds = np.array([2.0 * index + 1, 2.0 * index + 2])
        yield races.Lap(share, seconds, np.array([2 * loss, loss]), np.float32(3 * loss))


def test_the_one_that_is_behind_is_next_and_the_judge_decides():
    order = []
    contestants = {
        "a": laps("a", order, (0.5, 1.0), (8.0, 4.0)),
        "b": laps("b", order, (0.2, 0.4, 1.0), (6.0, 5.0, 1.0)),
    }
    records = races.compete(contestants, judge=float)
    assert order == list("abbab") or order == list("abbba")
    np.testing.assert_allclose(records["a"], [[1, 2, 3, 4], [48, 24, 24, 12]])
    assert races.seconds_to(records["a"], 24.0) == 2
    assert races.seconds_to(records["a"], 1.0) == float("inf")
    assert races.loss_at(records["a"], 3.5) == 24
    assert races.loss_at(records["a"], 0.0) == 48


def test_a_race_ends_with_the_losses_of_the_pictures():
    pair = weights.draw(0, SMALL_WIDTHS), picture(2), picture(3)
    shallow = dict(content_layers=("block2_conv1",), style_layers=("block1_conv1",))
    settings = races.Settings(epochs=2, steps=4, **shallow)
    judge = races.build_judge(*pair, settings)
    pictures = {"ours": [], "textbook": []}

    def watch(name, way):
        for lap in way:
            pictures[name].append(lap.image)
            yield lap

    ways = {
        "ours": races.run_ours(*pair, settings),
        "textbook": races.run_textbook(*pair, settings, steps=30),
    }
    records = races.compete({name: watch(name, way) for name, way in ways.items()}, judge)
    for name, (seconds, losses) in records.items():
        assert losses[-1] == pytest.approx(judge(pictures[name][-1]), rel=1e-5)
        assert losses[-1] < 0.9 * judge(pair[1])
        assert (np.diff(seconds) > 0).all() and len(seconds) == len(losses)
    assert len(records["ours"][0]) == 1 + 2 * 4  # the start, and every step


def test_the_ledger_misses_no_part_of_a_run(content, style, small_weights, tmp_path):
    pair, folder = (content, style), tmp_path / "run"
    arguments = jobs.build_arguments(pair, small_weights, folder, size=64, epochs=2, steps=3)
    arguments += ["--content-layer", "block2_conv1", "--style-layer", "block1_conv1"]
    before = transfer.Transfer.run
    seconds = jobs.measure_shares(arguments)
    assert transfer.Transfer.run is before
    assert (folder / "result.png").exists()
    assert len(seconds) == 6 and seconds["evaluations"] > 0


def test_memory_is_that_of_the_child():
    child = "(sys.executable, '-c', \"x = b'x' * 200_000_000\")"
    code = f"import sys; from tools import jobs; print(jobs.measure_memory({child}))"
    # In a process of its own: a child is never smaller than who started it, here TensorFlow.
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0.2 < float(result.stdout) < 0.3


def test_an_unknown_section_is_refused():
    result = CliRunner().invoke(benchmark.main, ["--sections", "rate,nonsense"])
    assert result.exit_code == 2 and "nonsense" in result.output


def test_it_prints_tables():
    command = [sys.executable, "tools/benchmark.py", "--quick", "--size", "64"]
    command += ["--sections", "optimizers"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    header, table = result.stdout.split("###")
    assert "threads" in header and "tensorflow" in header and "not to be quoted" in header
    assert len([line for line in table.splitlines() if line.startswith("| temple")]) == 3
