"""The benchmark measures what it says: baseline, turns, races, whole processes. Never a time."""

import math
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from conftest import ROOT, SMALL_VGG19

import functions
from style_transfer.method.architecture import VGG19
from style_transfer.networks import weights
from style_transfer.optimization.engine import build_network
from style_transfer.settings import Settings
from tools import benchmark, evaluations, jobs, races, sizes, textbook
from tools.judge import Judge

SHALLOW = dict(content_layers=("block2_conv1",), style_layers=("block1_conv1",), scales="1")
SMALL = weights.draw(0, SMALL_VGG19)


@pytest.fixture(scope="module")
def full():
    """(weights, network): the textbook's VGG19 with random weights."""
    drawn = weights.load("random")
    return drawn, textbook.build_network(drawn)


def picture(seed, height=32, width=48):
    coarse = np.random.default_rng(seed).uniform(size=(1, 4, 6, 3))
    smooth = tf.image.resize(coarse, (height, width), "bicubic").numpy()
    return smooth.clip(0, 1).astype(np.float32)


def test_the_textbook_network_is_the_same_vgg19_as_ours(full):
    drawn, network = full
    model = functions.build_model(textbook.LAYERS)
    drawn.assign(model)
    features = model(picture(1))
    grams, content = textbook.extract(network, tf.constant(picture(1)))
    deepest = features["block5_conv2"]
    np.testing.assert_allclose(content, deepest, atol=1e-4 * np.abs(deepest).max())
    assert len(grams) == 5
    for block, gram in enumerate(grams, start=1):
        ours = functions.gram_matrix(features[f"block{block}_conv1"])
        np.testing.assert_allclose(gram, ours, atol=1e-4 * np.abs(ours).max())


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


def test_the_textbook_step_is_one_of_keras_adam_clipped():
    image, target = picture(1), tf.constant(picture(2))
    image[0, :4] = 0.0
    moved, ours = tf.Variable(image), tf.Variable(image)
    adam = textbook.build_adam()
    step = textbook.build_step(moved, lambda image: tf.reduce_sum((image - target) ** 2), adam)
    theirs = tf.keras.optimizers.Adam(0.02, beta_1=0.99, epsilon=0.1)
    for _ in range(3):
        before = ours.numpy()
        assert float(step()) == pytest.approx(np.sum((before - target) ** 2), rel=1e-5)
        theirs.apply_gradients([(2 * (ours - target), ours)])
        ours.assign(np.clip(ours, 0, 1))
        np.testing.assert_allclose(moved, ours, atol=1e-6)


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


def test_what_is_timed_is_what_the_program_does():
    settings = Settings(warmup=0, precision="float32", init="content", **SHALLOW)
    pair, given = (picture(2), picture(3)), settings.loss_weights
    evaluate, step = evaluations.build_ours(SMALL, *pair, settings)
    before = evaluate() @ given
    judge = Judge(build_network(SMALL, settings, "float32"), *pair, settings)
    assert before == pytest.approx(judge.total(pair[0]), rel=1e-5)
    for _ in range(5):
        (after,) = step()
    assert after @ given < 0.9 * before


def test_each_network_is_measured_against_the_textbook(monkeypatch):
    made = {"full": 4.0, "compact": 0.5}  # what stands for weights is how slow they are

    def take_turns(contestants, effort):
        return {name: [call(), 2 * call()] for name, call in contestants.items()}

    monkeypatch.setattr(evaluations, "take_turns", take_turns)
    monkeypatch.setattr(evaluations, "choose_precision", lambda _: "bfloat16")
    monkeypatch.setattr(evaluations, "build_textbook_step", lambda slow, *_: lambda: slow)
    monkeypatch.setattr(
        evaluations, "build_ours", lambda slow, *_: (lambda: slow / 2, lambda: slow)
    )
    rows = evaluations.measure(made, None, None, benchmark.QUICK)
    assert len(rows) == 1 + 2 * 2 * 2
    assert rows[0] == (evaluations.TEXTBOOK, 6000.0, "4000 to 8000", 1.0)
    assert ("evaluation, compact VGG19, bfloat16", 375.0, "250 to 500", 1 / 16) in rows
    assert ("training step, full VGG19, float32", 6000.0, "4000 to 8000", 1.0) in rows


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
    assert "".join(order) == "abbba"
    np.testing.assert_allclose(records["a"], [[1, 2, 3, 4], [48, 24, 24, 12]])
    assert races.seconds_to(records["a"], 24.0) == 2
    assert races.seconds_to(records["a"], 1.0) == float("inf")


def test_a_race_ends_with_the_losses_of_the_pictures():
    content, style = picture(2), picture(3)
    settings = Settings(epochs=2, steps=4, **SHALLOW)
    judge = Judge(build_network(SMALL, settings, "float32"), content, style, settings)
    pictures = {"ours": [], "textbook": []}

    def watch(name, way):
        for lap in way:
            pictures[name].append(lap.image)
            yield lap

    ways = {
        "ours": races.run_ours(SMALL, content, style, settings),
        "textbook": races.run_textbook(judge.loss, content, steps=30),
    }
    records = races.compete({name: watch(name, way) for name, way in ways.items()}, judge.total)
    for name, (seconds, losses) in records.items():
        assert losses[-1] == pytest.approx(judge.total(pictures[name][-1]), rel=1e-5)
        assert losses[-1] < 0.9 * judge.total(content)
        assert (np.diff(seconds) > 0).all() and len(seconds) == len(losses)
    assert len(records["ours"][0]) == 1 + 2 * 4  # the start, and every step


def test_a_process_is_observed_from_its_start_to_its_end():
    child = "import sys; print('a', file=sys.stderr, flush=True); sys.exit({})"
    seen = jobs.observe([sys.executable, "-c", child.format(0)])
    assert 0 < seen.until("a") <= seen.seconds and math.isnan(seen.until("b"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        jobs.observe([sys.executable, "-c", child.format(3)])
    assert failed.value.returncode == 3 and failed.value.stderr == "a"


def test_memory_is_that_of_the_child():
    child = "(sys.executable, '-c', \"x = b'x' * 200_000_000\")"
    code = f"import sys; from tools import jobs; print(jobs.observe({child}).gigabytes)"
    # From a process of its own: a child is never smaller than who started it, here TensorFlow.
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0.2 < float(result.stdout) < 0.3


def test_the_program_takes_the_command(monkeypatch, content, style):
    from style_transfer.commands import paint

    seen = []
    monkeypatch.setattr(
        paint, "repaint", lambda given, settings, *_: seen.append((given, settings))
    )
    command = jobs.build_command((content, style), "compact", "run", size=64, epochs=2, steps=3)
    result = CliRunner().invoke(paint.command, command[2:], catch_exceptions=False)
    assert result.exit_code == 0
    given, settings, *_ = seen[0]
    assert given.content == (str(content),) and given.style == (str(style),) and given.overwrite
    assert given.output == "run" and settings.enlarge and settings.weights == "compact"
    assert (settings.size, settings.epochs, settings.steps) == (64, 2, 3)


def test_a_size_is_measured_at_once_and_in_the_least_memory_that_blocks_are_good_in(monkeypatch):
    """Each in a process of its own; at once only where there is the memory for it."""
    seen = []

    def observe(command):
        given = dict(zip(command[2::2], command[3::2]))
        seen.append((given["--size"], float(given["--memory"].removesuffix("GB"))))
        pace = 3.0 if len(seen) % 2 else 3.6
        lines = ["epoch 1/1 0:00 left total 16 9 s/step", f"epoch 1/1 … {pace} s/step"]
        return jobs.Observed([(line, 1.0) for line in lines], 9.0, seen[-1][1])

    monkeypatch.setattr(jobs, "observe", observe)
    monkeypatch.setattr(sizes.memory, "available", lambda: 20e9)
    arguments = "full", "random", VGG19, benchmark.PAIRS[0]
    whole, blocks = sizes.measure(*arguments, 1024, "folder")
    assert [side for side, _ in seen] == ["1024", "1024"]
    assert whole == ("full VGG19", 1024, "at once", f"{whole[5]:g}GB", 3.0, whole[5], 1.0)
    assert blocks[4:] == (3.6, seen[1][1], pytest.approx(1.2)) and blocks[5] < 0.6 * whole[5]
    (alone,) = sizes.measure(*arguments, 4096, "folder")
    assert alone[2] == "in blocks" and math.isnan(alone[-1])
    (small,) = sizes.measure("compact", "compact", SMALL_VGG19, benchmark.PAIRS[0], 64, "folder")
    assert small[2] == "at once"


def test_an_unknown_section_is_refused():
    result = CliRunner().invoke(benchmark.main, ["--sections", "runs,nonsense"])
    assert result.exit_code == 2 and "nonsense" in result.output


def test_it_prints_tables_in_an_order_of_its_own(monkeypatch):
    monkeypatch.setattr(jobs, "observe", lambda _: jobs.Observed([("epoch 1/10", 4.0)], 5.0, 0.75))
    row = ("defaults", math.inf, 0.12345, 0.5, 10.0)
    monkeypatch.setattr(races, "compare_with_textbook", lambda *_: [row])
    arguments = ["--quick", "--size", "64", "--sections", "time-to-loss,runs"]
    result = CliRunner().invoke(benchmark.main, arguments, catch_exceptions=False)
    header, runs, races_table = result.stdout.split("###")
    assert "threads" in header and "tensorflow" in header and "not to be quoted" in header
    assert "64 px" in runs and "| compact VGG19 | 4 | 5 | 0.75 |" in runs
    assert "| temple, night_strokes | defaults | never | 0.123 | 0.5 | 10 |" in races_table
