"""What moves the image: Adam (arXiv:1412.6980) and L-BFGS (Liu & Nocedal 1989), one interface.

`start(image)` makes a state, and a step (`functions.training_step`) the next one: `move(state)`
returns its image moved and clipped, and `update(before, image, found)` the state with what was
found there.
`shown_image(state)` is the image to show, and `reweighted(state)` is for when the losses have got
other weights. A state is a dictionary of tensors and holds all that there is to know: saved and
put back, it goes on to the same bits. `image` is (1, height, width, 3) in [0, 1]; `losses`, `total`
and `gradient` are those of `functions.build_evaluation`.

The first step from a start stays where it is, without a gradient to go by: it evaluates the image.
"""

import tensorflow as tf

from functions import TERMS, clip
from style_transfer.optimization.quasi_newton import (
    free_gradient,
    is_reasonable,
    move_image,
    multiply_all,
    newest_pair,
    precondition,
    remember,
    take_back,
    weigh,
)
from style_transfer.optimization.walks import AtOnce, make_zeros, own


class Adam:
    """Adam as Keras computes it, with the image clipped to [0, 1] after each step.

    Args:
        learning_rate: how far a step moves a pixel at most, about.
        decay, decay_steps: the rate is multiplied by `decay` after every so many steps.
        average: in [0, 1): show the exponential average of the images, each counting for so
            much less than the next; 0 shows the last one.
        terms: names of the losses.
        walk: how it goes over images, see `walks`.
    """

    def __init__(
        self,
        *,
        learning_rate,
        decay=1.0,
        decay_steps=1,
        average=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        terms=TERMS,
        walk=None,
    ):
        self.learning_rate = learning_rate
        self.decay = decay
        self.decay_steps = decay_steps
        self.average = average
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.terms = terms
        self.walk = walk or AtOnce()

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        state = begin(image, self.terms)
        nothing = state["gradient"]
        state |= {"count": tf.constant(-1), "first": nothing, "second": nothing}
        return state | {"average": nothing} if self.average else state

    def move(self, state):
        """Return the image of a state, moved by one step; the moments follow in `update`."""
        count = state["count"] + 1
        steps = tf.cast(tf.maximum(count, 1), tf.float32)
        decays = tf.cast(tf.maximum(count - 1, 0) // self.decay_steps, tf.float32)
        rate = self.learning_rate * self.decay**decays
        rate *= tf.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)
        images = select(state, "image", "gradient", "first", "second")
        return self.walk.map(self.move_image, images, rate)

    def move_image(self, images, rate):
        """Return the image of a state, moved and clipped."""
        first, second = self.find_first(images), self.find_second(images)
        return clip(images["image"] - rate * first / (tf.sqrt(second) + self.epsilon))

    def find_first(self, images):
        """Return the first moment after a step, from that before and the gradient."""
        return self.beta_1 * images["first"] + (1 - self.beta_1) * images["gradient"]

    def find_second(self, images):
        """Return the second moment after a step, from that before and the gradient."""
        return self.beta_2 * images["second"] + (1 - self.beta_2) * tf.square(images["gradient"])

    def update(self, before, image, found):
        """Return the state after a step, its image evaluated, with its moments and average.

        One after the other, so that of a large picture there is never all of two states.
        """
        after = before | found | {"image": image, "count": before["count"] + 1}
        self.walk.let_go(before, "image")
        for name, find in (("first", self.find_first), ("second", self.find_second)):
            after[name] = self.walk.map(find, select(before, "gradient", name))
            self.walk.let_go(before, name)
        self.walk.let_go(before, "gradient")
        if self.average:
            is_step = after["count"] > 0
            weights = tf.where(is_step, [self.average, 1 - self.average], 0.0)
            after["average"] = self.walk.map(mix, (after["average"], image), weights)
        return after

    def reweighted(self, state):
        """Return the state itself: a gradient of other weights does no harm for one step."""
        return state

    def shown_image(self, state):
        """Return the image, or the average of the images so far, corrected for their number."""
        if not self.average or state["count"] < 1:
            return state["image"]
        weight = 1 - self.average ** tf.cast(state["count"], tf.float32)
        return tf.clip_by_value(state["average"] / weight, 0.0, 1.0)


class LBFGS:
    """Limited-memory BFGS, projected onto [0, 1], one evaluation a step, no line search.

    The two-loop recursion is written as the compact product of Byrd, Nocedal & Schnabel
    (Mathematical Programming 63, 1994, theorem 2.2), with γP for their γI, see `precondition`:

        H g = γ P g + [S γZ] [ R⁻ᵀ (D + γ YᵀZ) R⁻¹   −R⁻ᵀ ] [  Sᵀ g  ]
                             [        −R⁻¹              0  ] [ γ Zᵀ g ]

    S and Y hold the last steps and changes of the gradient, Z = P Y; R is the upper triangle of
    SᵀY, D its diagonal, γ = sᵀy / yᵀz of the newest pair. A step reads the history twice,
    whatever its length: once for the sum above, and once for all products with the new gradient
    and with the new change, which the next step needs. Y itself need not be kept.

    Pixels at 0 or 1 that the gradient pushes outwards stay where they are; their part of the
    gradient counts as 0. (Without the projection, clipping the result only, the same number of
    steps ended at 3.7 times the loss on a photo with white and black areas.)

    A step that is not finite or multiplies the loss is taken back, the history is dropped and
    the next step is half as long.
    """

    def __init__(self, *, history=20, terms=TERMS, walk=None):
        self.history = history
        self.terms = terms
        self.walk = walk or AtOnce()

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        state = begin(image, self.terms)
        nothing = state["gradient"]
        return (
            state
            | dict(
                preconditioned=nothing,  # P g
                # From the oldest pair (s, z) to the newest. A tuple, since to drop the first and
                # append one moves no data; empty places, which come first, share one tensor.
                pairs=(make_zeros((2, *nothing.shape[1:])),) * self.history,
                s_y=tf.zeros((self.history, self.history)),  # SᵀY
                y_z=tf.zeros((self.history, self.history)),  # YᵀZ
                products=tf.zeros(
                    (2, self.history)
                ),  # Sᵀg and Zᵀg for the gradient of the next step
                gamma=tf.constant(1.0),
                count=tf.constant(0),  # pairs remembered
                length=tf.constant(1.0),
                taken_back=tf.constant(0),
            )
        )

    def move(self, state):
        """Return the image of a state, moved by one step."""
        images = select(state, "image", "gradient", "preconditioned", "pairs")
        return self.walk.map(move_image, images, *weigh(state))

    def update(self, before, image, found):
        """Return the state after a step: the step among its pairs, or taken back."""
        images = {"image": image, "gradient": found["gradient"]}
        found = found | {"gradient": self.walk.map(free_gradient, images)}
        del images  # with the gradient as it was
        found["preconditioned"] = self.walk.call(precondition, found["gradient"])
        after = before | found | {"image": image}
        newest, products = self.compare(before, after)
        return tf.cond(
            is_reasonable(after["total"], products[-1], before["total"]),
            lambda: remember(after, newest, products),
            lambda: take_back(before),
        )

    def compare(self, before, after):
        """Return the newest pair, and the products of all pairs, the newest last.

        Returns:
            (pair, products): s and z (2, height, width, 3), see `newest_pair`; (history + 1, 2,
            2), see `multiply`: those of s and z with y, and with g.
        """
        both = [select(each, "image", "preconditioned") for each in (before, after)]
        pair = self.walk.map(newest_pair, both)
        pairs, gradients = (*before["pairs"], pair), (before["gradient"], after["gradient"])
        return pair, self.walk.add_up(multiply_all, {"pairs": pairs, "gradients": gradients})

    def reweighted(self, state):
        """Return the state as if the image were new: the next step stays and evaluates it again.

        The history is kept: how the gradient of the former weights changed is a better guess
        than none. The first move by it is half as long.
        """
        new = begin(state["image"], self.terms)
        # With that of the former weights, a step of nothing could pass for a convex pair.
        return state | new | dict(preconditioned=new["gradient"], length=tf.constant(0.25))

    def shown_image(self, state):
        """Return the image."""
        return state["image"]


def begin(image, terms):
    """Return what every state holds, where the losses have these names."""
    image = own(image)
    unknown = tf.constant(float("inf"))
    losses = tf.fill([len(terms)], unknown)
    return dict(image=image, losses=losses, total=unknown, gradient=make_zeros(image.shape))


def select(state, *names):
    """Return some of the images of a state."""
    return {name: state[name] for name in names}


def mix(images, weights):
    """Return the sum of two images by their weights, (2,)."""
    return weights[0] * images[0] + weights[1] * images[1]
