"""How long an evaluation and a training step take, against the textbook's step.

What is compared takes turns, and a ratio is the median of the turns' own ratios, so that a
machine whose speed drifts misleads nobody.
"""

import statistics
import time

import tensorflow as tf

from style_transfer.optimization.device import choose_precision
from style_transfer.optimization.engine import Engine
from style_transfer.optimization.targets import Style
from style_transfer.optimization.transfer import Material, Transfer
from style_transfer.settings import Settings
from tools import textbook

TEXTBOOK = "textbook step, full VGG19, float32"


def take_turns(contestants, effort):
    """Time callables in turn.

    Args:
        contestants: from name to a function without arguments that waits for its result.
        effort: `turns`, and how many seconds a turn takes at `least`.

    Returns:
        From name to a list of seconds for a call, one a turn.
    """
    for call in contestants.values():  # builds graphs and fills caches
        call()
    times = {name: [] for name in contestants}
    for _ in range(effort.turns):
        for name, call in contestants.items():
            times[name].append(time_calls(call, effort.least))
    return times


def time_calls(call, least):
    """Return the mean seconds of a call, of as many calls as take `least` seconds."""
    begin = time.perf_counter()
    count, spent = 0, 0.0
    while spent < least or not count:
        call()
        count += 1
        spent = time.perf_counter() - begin
    return spent / count


def median_ratio(times, base):
    """Return the median of the ratios, turn by turn."""
    return statistics.median(each / other for each, other in zip(times, base))


def build_ours(weights, content, style, settings):
    """Build what the program does with a photo, as two functions without arguments.

    Returns:
        (evaluate, step): one returns the losses of the photo, and computes their gradient with
        them; the other does a training step, and returns the losses after it, (1, terms).
    """
    engine = Engine(weights, settings)
    transfer = Transfer(engine, Material(content, [Style(style)], content), settings)
    compiled = tf.function(engine.evaluate, autograph=False)
    arguments = tf.constant(content), transfer.goal, tf.constant(transfer.weights)
    return lambda: compiled(*arguments)["losses"].numpy(), lambda: transfer.take_steps(1)[0]


def build_textbook_step(weights, content, style):
    """Return a function without arguments that does the textbook's step, with full VGG19."""
    network = textbook.build_network(weights)
    loss = textbook.build_loss(network, tf.constant(content), tf.constant(style))
    step = textbook.build_step(tf.Variable(content), loss, textbook.build_adam())
    return lambda: step().numpy()


def measure(networks, content, style, effort):
    """Time a loss with its gradient, and a whole step, against the textbook's step.

    In the precision that `auto` takes on this machine, and in float32 if that is another.

    Args:
        networks: from name, `full` among them, to `weights.Weights`.
        content, style: images (1, height, width, 3).

    Returns:
        Rows of (what, milliseconds, range of them, ratio to the textbook's step).
    """
    contestants = {TEXTBOOK: build_textbook_step(networks["full"], content, style)}
    for name, weights in networks.items():
        for precision in dict.fromkeys((choose_precision(Settings()), "float32")):
            settings = Settings(precision=precision, scales="1")
            evaluate, step = build_ours(weights, content, style, settings)
            contestants[f"evaluation, {name} VGG19, {precision}"] = evaluate
            contestants[f"training step, {name} VGG19, {precision}"] = step
    times = take_turns(contestants, effort)
    return [
        (name, *spread(seconds), median_ratio(seconds, times[TEXTBOOK]))
        for name, seconds in times.items()
    ]


def spread(seconds):
    """Return median and range in milliseconds."""
    low, high = 1000 * min(seconds), 1000 * max(seconds)
    return 1000 * statistics.median(seconds), f"{low:.4g} to {high:.4g}"
