"""How long an evaluation takes: against the textbook, against the processor, over the sizes.

What is compared takes turns, and a ratio is the median of the turns' own ratios, so that a
machine whose speed drifts misleads nobody.
"""

import statistics
import time

import matplotlib
import numpy as np
import tensorflow as tf

import functions
from style_transfer import files
from style_transfer.method import borders
from style_transfer.optimization import engine as training
from style_transfer.optimization import transfer
from style_transfer.settings import Settings
from tools import textbook

matplotlib.use("Agg")  # draws without a screen
from matplotlib import pyplot

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


def choose_precisions():
    """Return what `auto` takes on this machine, and float32 if that is another."""
    return tuple(dict.fromkeys((transfer.choose_precision(Settings()), "float32")))


def build_evaluation(model, content, style):
    """Return a function without arguments that evaluates the photo as the program does."""
    settings = Settings()
    targets = functions.compute_targets(model, content, [functions.Style(style)], settings)
    evaluate = tf.function(functions.build_evaluation(model, settings))
    image = tf.constant(content)
    return lambda: evaluate(image, targets)[0].numpy()


def build_step(model, content, style):
    """Return a function without arguments that does a step of the program's training."""
    targets = functions.compute_targets(model, content, [functions.Style(style)], Settings())
    state = training.Training(model, Settings())
    state.begin(content, targets)
    return lambda: state.run(1)


def build_textbook_step(weights, content, style):
    """Return a function without arguments that does the textbook's step, with full VGG19."""
    network = textbook.build_network(weights.layers)
    loss = textbook.build_loss(network, tf.constant(content), tf.constant(style))
    step = textbook.build_step(tf.Variable(content), loss, textbook.build_adam())
    return lambda: step().numpy()


def measure_evaluation(networks, content, style, effort):
    """Time a loss with its gradient, and a whole step, against the textbook's step.

    Args:
        networks: from name, `full` among them, to `weights.Weights`.
        content, style: images (1, height, width, 3).

    Returns:
        Rows of (what, milliseconds, range of them, ratio to the textbook's step).
    """
    contestants = {TEXTBOOK: build_textbook_step(networks["full"], content, style)}
    for name, weights in networks.items():
        for precision in choose_precisions():
            model = transfer.build_network(weights, Settings(precision=precision))
            label = f"{name} VGG19, {precision}"
            contestants[f"evaluation, {label}"] = build_evaluation(model, content, style)
            contestants[f"training step, {label}"] = build_step(model, content, style)
    times = take_turns(contestants, effort)
    return [
        (name, *spread(seconds), median_ratio(seconds, times[TEXTBOOK]))
        for name, seconds in times.items()
    ]


def spread(seconds):
    """Return median and range in milliseconds."""
    low, high = 1000 * min(seconds), 1000 * max(seconds)
    return 1000 * statistics.median(seconds), f"{low:.4g} to {high:.4g}"


def measure_rate(networks, content, style, effort):
    """Compare the floating-point rate of an evaluation with that of a square matrix product.

    Returns:
        Rows of (network, precision, GFLOP, GFLOP/s, GFLOP/s of the product, share).
    """
    settings, rows = Settings(), []
    layers, grams = settings.layers, settings.style_layer_weights
    around = borders.measure(content.shape[1:3], settings.border)
    shape = borders.extend(content, around).shape[1:3]
    for name, weights in networks.items():
        work = textbook.count_operations(shape, layers, grams, widths=weights.widths)
        for precision in choose_precisions():
            model = transfer.build_network(weights, Settings(precision=precision))
            contestants = {
                "evaluation": build_evaluation(model, content, style),
                "product": build_product(effort.matrix, precision),
            }
            times = take_turns(contestants, effort)
            rate = work / np.array(times["evaluation"]) / 1e9
            peak = 2 * effort.matrix**3 / np.array(times["product"]) / 1e9
            figures = (work / 1e9, np.median(rate), np.median(peak), np.median(rate / peak))
            rows.append((name, precision, *map(float, figures)))
    return rows


def build_product(size, precision):
    """Return a function without arguments that multiplies a (size, size) matrix by itself."""
    matrix = tf.random.stateless_normal((size, size), (0, 0), dtype=tf.as_dtype(precision))
    product = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    return lambda: product().numpy()


def measure_sizes(weights, content, style, sides, effort):
    """Time evaluations over the sizes.

    Returns:
        Rows of (longer side, megapixels, milliseconds, milliseconds a megapixel).
    """
    model = transfer.build_network(weights, Settings())
    pairs = {side: [resize(each, side) for each in (content, style)] for side in sides}
    contestants = {side: build_evaluation(model, *pair) for side, pair in pairs.items()}
    times = take_turns(contestants, effort)
    rows = []
    for side, (photo, _) in pairs.items():
        megapixels = photo.shape[1] * photo.shape[2] / 1e6
        milliseconds = 1000 * statistics.median(times[side])
        rows.append((side, megapixels, milliseconds, milliseconds / megapixels))
    return rows


def resize(picture, side):
    """Resize (1, height, width, 3) so that its longer side is `side`."""
    return transfer.resize(picture, side / max(picture.shape[1:3])).numpy()


def growth(rows):
    """Fit time ∝ pixels^exponent to rows of `measure_sizes`; return the exponent."""
    _, megapixels, milliseconds, _ = np.array(rows, float).T
    return float(np.polyfit(np.log(megapixels), np.log(milliseconds), 1)[0])


def draw_sizes(curves, path):
    """Draw time over pixels, both logarithmic, with lines of proportional growth."""
    figure, axes = pyplot.subplots(figsize=(7, 5), dpi=100, layout="constrained")
    for name, rows in curves.items():
        _, megapixels, milliseconds, _ = zip(*rows)
        (line,) = axes.plot(megapixels, milliseconds, "o-", label=f"{name} VGG19")
        proportional = [milliseconds[-1] * each / megapixels[-1] for each in megapixels]
        axes.plot(megapixels, proportional, ":", color=line.get_color(), label="∝ pixels")
    axes.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="ms an evaluation")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.writing(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})
    pyplot.close(figure)
