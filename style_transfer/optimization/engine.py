"""The network and its compiled steps: all that pictures may share, and no state of any of them."""

import dataclasses
import threading
from collections import OrderedDict

import tensorflow as tf

import functions
from style_transfer.optimization import optimizers, targets, walks
from style_transfer.optimization.device import choose_precision, find_device
from style_transfer.optimization.graphs import Compiled, any_size
from style_transfer.optimization.network import build_network, choose_lifts
from style_transfer.optimization.scaling import build_scaled_evaluation
from style_transfer.optimization.tiling import Tiling
from style_transfer.settings import FIELDS

DESCRIPTIONS = 32  # of style pictures that an engine keeps


class Engine:
    """What optimizes images; built once, for pictures of all sizes and in several threads.

    Args:
        weights: `networks.weights.Weights`.
        settings: of those, the ones that compiled steps depend on.

    Raises:
        ValueError: the weights do not reach up to the deepest layer.
    """

    terms = functions.TERMS

    def __init__(self, weights, settings):
        self.settings = compiled_part(settings)
        self.device = find_device()
        self.precision = choose_precision(settings)
        with self.device.scope():
            self.model = build_network(weights, settings, self.precision)
        self.lifts = choose_lifts(weights, settings)
        self.evaluate = self.build_evaluation()
        self.tiling = Tiling(self.model, settings, is_scaled=self.precision == "float16")
        self.optimizer = build_optimizer(settings, self.terms)
        self.stepwise = self.build_stepwise(settings)
        self.compiled = {}
        self.descriptions = OrderedDict()
        self.lock = threading.RLock()

    def build_evaluation(self):
        """Build what `functions.build_evaluation` builds, in the precision of the network."""
        is_half = self.precision == "float16"
        build = build_scaled_evaluation if is_half else functions.build_evaluation
        return build(self.model, self.settings)

    def build_stepwise(self, settings):
        """Build the optimizer for steps in blocks: by strips, but where a GPU has the images."""
        if self.device.is_gpu:
            return CompiledOptimizer(self.optimizer)
        return build_optimizer(settings, self.terms, walks.Strips())

    def list_weights(self, settings):
        """List the weights of the losses, in the order of `terms`."""
        return settings.loss_weights

    def take_steps(self, state, goal, weights, count):
        """Take steps, inside a graph, without a return to Python between them.

        Args:
            state: of the optimizer.
            goal: `targets.Targets`.
            weights: (terms,) of the losses.
            count: how many steps.

        Returns:
            (state, losses): after the steps, and (count, terms), the losses after each.
        """
        arguments = state, goal, tf.constant(weights, tf.float32), tf.constant(count)
        with self.device.scope():
            return self.steps_for(arguments)(*arguments)

    def take_tiled_step(self, state, goal, weights, cut, after_block):
        """Take a step block by block, with a return to Python after each.

        Args:
            state, goal, weights: see `take_steps`.
            cut, after_block: see `Tiling.evaluate`.

        Returns:
            (state, losses), see `take_steps`; a block that fails leaves the state as it was. After
            the last one its images are let go of.
        """
        weights = tf.constant(weights, tf.float32)

        def evaluate(image):
            return self.tiling.evaluate(image, goal, weights, cut=cut, after_block=after_block)

        with self.device.scope():
            state = functions.training_step(state, self.stepwise, evaluate)
            return state, state["losses"][tf.newaxis]

    def steps_for(self, arguments):
        """Return the compiled steps for arguments of such a kind; they serve all sizes."""
        signature = tf.nest.map_structure(any_size, arguments)
        key = repr(signature)
        with self.lock:
            if key not in self.compiled:
                self.compiled[key] = build_steps(self.evaluate, self.optimizer, signature)
            return self.compiled[key]

    def compute_targets(self, content, styles, settings, mask=None, room=None):
        """Return `targets.compute_targets` for this network; styles that it knows cost nothing.

        Args:
            room: a `room.Room` that the features must fit into; None: they do.
        """
        with self.device.scope():
            descriptions = [self.describe(style, room) for style in styles]
            cut = room and room.choose_cut(content.shape[1:3], is_look=True)
            features = cut and self.tiling.extract_features(content, cut=cut)
            return targets.compute_targets(
                self.model,
                content,
                styles,
                settings,
                mask=mask,
                features=features,
                descriptions=descriptions,
                lifts=self.lifts,
            )

    def describe(self, style, room=None):
        """Return `targets.describe_picture` of a `targets.Style`; the last ones are kept."""
        key = style.fingerprint()
        with self.lock:
            if key not in self.descriptions:
                self.descriptions[key] = self.describe_anew(style, room)
                if len(self.descriptions) > DESCRIPTIONS:
                    self.descriptions.popitem(last=False)
            self.descriptions.move_to_end(key)
            return self.descriptions[key]

    def describe_anew(self, style, room):
        """Return `targets.describe_picture`; of a picture without room, block by block."""
        cut = room and room.choose_cut(style.picture.shape[1:3], is_look=True)
        if not cut:
            return targets.describe_picture(self.model, style, self.settings, self.lifts)
        regions = targets.list_regions(style, self.settings, self.lifts)
        sums = self.tiling.add_up(style.picture, targets.Targets({}, regions), cut=cut)
        return targets.finish_description(sums["style"], style, self.settings)


class CompiledOptimizer:
    """An optimizer whose two halves of a step are compiled, for pictures of all sizes."""

    def __init__(self, optimizer):
        self.move, self.update = Compiled(optimizer.move), Compiled(optimizer.update)


def compiled_part(settings):
    """Return the settings with all that the compiled steps do not depend on at its default."""
    free = [name for name, field in FIELDS.items() if not field.metadata["compiled"]]
    return dataclasses.replace(settings, **{name: FIELDS[name].default for name in free})


def build_optimizer(settings, terms=functions.TERMS, walk=None):
    """Choose what moves the image, by losses of these names; `walk`: see `walks`."""
    if settings.optimizer == "lbfgs":
        return optimizers.LBFGS(history=settings.history, terms=terms, walk=walk)
    return optimizers.Adam(
        terms=terms,
        walk=walk,
        learning_rate=settings.learning_rate,
        decay=settings.decay,
        decay_steps=settings.decay_steps,
        average=settings.average,
        beta_1=settings.adam_beta1,
        epsilon=settings.adam_epsilon,
    )


def build_steps(evaluate, optimizer, signature):
    """Compile `functions.training_step` into a loop; see `Engine.take_steps`."""
    # Kept a function of its own: inside a loop TensorFlow's rewriting for oneDNN comes upon the
    # operations in an order of chance, and where the gradient of a max pooling comes before the
    # pooling, it is left to a kernel ten times slower. That made every other run 25 % slower.
    # (`_noinline` is a private attribute of TensorFlow, which is pinned for this reason, too.)
    evaluate = tf.function(evaluate, autograph=False, experimental_attributes={"_noinline": True})

    def take_steps(state, goal, weights, count):
        def step(number, state, history):
            state = functions.training_step(
                state, optimizer, lambda image: evaluate(image, goal, weights)
            )
            return number + 1, state, history.write(number, state["losses"])

        shape = state["losses"].shape
        history = tf.TensorArray(tf.float32, size=count, element_shape=shape)
        begin = tf.constant(0), state, history
        _, state, history = tf.while_loop(lambda number, *_: number < count, step, begin)
        return state, history.stack()

    # AutoGraph would translate all functions below, which takes two seconds, and finds nothing.
    return tf.function(take_steps, input_signature=signature, autograph=False)
