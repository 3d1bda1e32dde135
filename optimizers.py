"""What moves the image: Adam (arXiv:1412.6980) and L-BFGS (Liu & Nocedal 1989), one interface.

Both keep every pixel in [0, 1], know the image and how to evaluate it, and nothing else. All
that they remember is in `variables`, so that it can be saved and put back.
"""

import functools

import keras
import tensorflow as tf

HISTORY = 20  # pairs of steps and gradient changes that L-BFGS remembers
FIRST_STEP = 0.1  # how far the first step of L-BFGS moves the pixel that it moves most
UNREASONABLE = 2.0  # a step that multiplies the loss by more than this is taken back


class Adam:
    """Adam, with the image clipped to [0, 1] after each step.

    Args:
        image: `tf.Variable` (1, height, width, 3) in [0, 1].
        evaluate: function from an image to (losses, gradient): the losses of
            `functions.compute_losses`, whose last is the total, and its gradient.
        learning_rate: how far a step moves a pixel at most, about.
    """

    def __init__(self, image, evaluate, *, learning_rate):
        self.image = image
        self.evaluate = evaluate
        self.adam = keras.optimizers.Adam(learning_rate)
        self.adam.build([image])
        losses, gradient = evaluate(image.value())
        self.losses = tf.Variable(losses)
        self.gradient = tf.Variable(gradient)

    @property
    def variables(self):
        """All that the optimiser remembers, the image aside."""
        return [self.losses, self.gradient, *(each.value for each in self.adam.variables)]

    def step(self):
        """Move the image by one step; return the losses that it has then."""
        self.adam.apply([self.gradient], [self.image])
        # A picture has no other colours; without the clipping the optimiser wanders off.
        self.image.assign(tf.clip_by_value(self.image, 0.0, 1.0))
        losses, gradient = self.evaluate(self.image.value())
        self.losses.assign(losses)
        self.gradient.assign(gradient)
        return losses


class LBFGS:
    """Limited-memory BFGS, projected onto [0, 1], one evaluation a step, no line search.

    The two-loop recursion is written as the compact product of Byrd, Nocedal & Schnabel
    (Mathematical Programming 63, 1994, theorem 2.2), so that a step reads the history three
    times, whatever its length:

        H g = γ g + [S γY] [ R⁻ᵀ (D + γ YᵀY) R⁻¹   −R⁻ᵀ ] [  Sᵀ g  ]
                           [        −R⁻¹              0  ] [ γ Yᵀ g ]

    S and Y hold the last steps and changes of the gradient; R is the upper triangle of SᵀY, D
    its diagonal, γ = sᵀy / yᵀy of the newest pair.

    Pixels at 0 or 1 that the gradient pushes outwards stay where they are and take no part in
    the step. (Without the projection, clipping the result only, the same number of steps ended
    at 3.7 times the loss on a photo with white and black areas.)

    A step that is not finite or multiplies the loss is taken back, the history is dropped and
    the next step is half as long.

    Args:
        image, evaluate: as for `Adam`.
    """

    def __init__(self, image, evaluate):
        self.image = image
        self.evaluate = evaluate
        losses, gradient = evaluate(image.value())
        size = tf.size(gradient).numpy()
        self.losses = tf.Variable(losses)
        self.gradient = tf.Variable(tf.reshape(gradient, [-1]))  # (n,)
        # A slot holds s above y. One variable for each: writing into a part of a large one makes
        # TensorFlow copy all of it at every later read, at 512 px 84 MB three times a step.
        self.pairs = [tf.Variable(tf.zeros((2, size))) for _ in range(HISTORY)]
        self.s_y = tf.Variable(tf.zeros((HISTORY, HISTORY)))  # SᵀY by slots
        self.y_y = tf.Variable(tf.zeros((HISTORY, HISTORY)))  # YᵀY by slots
        self.count = tf.Variable(0)  # pairs remembered since the history was dropped
        self.gamma = tf.Variable(1.0)
        self.length = tf.Variable(1.0)
        self.taken_back = tf.Variable(0)

    @property
    def variables(self):
        """All that the optimiser remembers, the image aside."""
        small = [self.s_y, self.y_y, self.count, self.gamma, self.length, self.taken_back]
        return [self.losses, self.gradient, *self.pairs, *small]

    def step(self):
        """Move the image by one step; return the losses that it has then."""
        here = tf.reshape(self.image, [-1])
        outwards = ((here <= 0.0) & (self.gradient > 0)) | ((here >= 1.0) & (self.gradient < 0))
        free = tf.cast(~outwards, tf.float32)
        move = self.length * free * self.direction(free * self.gradient)
        there = tf.clip_by_value(here + move, 0.0, 1.0)
        losses, gradient = self.evaluate(tf.reshape(there, tf.shape(self.image)))
        gradient = tf.reshape(gradient, [-1])
        if self.is_reasonable(losses, gradient):
            self.remember(there - here, gradient - self.gradient)
            self.image.assign(tf.reshape(there, tf.shape(self.image)))
            self.losses.assign(losses)
            self.gradient.assign(gradient)
            self.length.assign(tf.minimum(1.0, 2.0 * self.length))
        else:
            self.count.assign(0)
            self.length.assign(0.5 * self.length)
            self.taken_back.assign_add(1)
        return self.losses.value()

    def is_reasonable(self, losses, gradient):
        """Tell whether the loss is finite, and has not risen beyond reason."""
        finite = tf.reduce_all(tf.math.is_finite(losses)) & tf.math.is_finite(tf.norm(gradient))
        return finite & (losses[-1] <= UNREASONABLE * self.losses[-1])

    def direction(self, gradient):
        """Return −H g, (n,), for a gradient (n,)."""
        steepest = FIRST_STEP / tf.maximum(tf.reduce_max(tf.abs(gradient)), 1e-30)
        gamma = tf.where(self.count > 0, self.gamma, steepest)
        # Slots from the oldest pair to the newest; those not used yet come first.
        order = (self.count + tf.range(HISTORY)) % HISTORY
        used = tf.cast(tf.range(HISTORY) >= HISTORY - self.count, tf.float32)
        both = used[:, tf.newaxis] * used
        s_y = both * tf.gather(tf.gather(self.s_y, order), order, axis=1)
        y_y = both * tf.gather(tf.gather(self.y_y, order), order, axis=1)
        # An unused slot gets 1 on the diagonal, so that R can be solved and the slot stays 0.
        triangle = tf.linalg.band_part(s_y, 0, -1) + tf.linalg.diag(1.0 - used)

        products = used * tf.gather(self.products(gradient), order, axis=1)
        s_g, y_g = tf.unstack(products)
        solved = solve(triangle, s_g)
        middle = tf.linalg.diag_part(s_y) * solved + gamma * tf.linalg.matvec(y_y, solved)
        of_s = solve(triangle, middle - gamma * y_g, adjoint=True)
        weights = tf.stack([of_s, -gamma * solved], axis=1)  # (HISTORY, 2), by age
        weights = tf.scatter_nd(order[:, tf.newaxis], weights, tf.shape(weights))  # by slots
        terms = [
            tf.linalg.matvec(pair, weight, transpose_a=True)
            for pair, weight in zip(self.pairs, tf.unstack(weights))
        ]
        return -tf.add_n([gamma * gradient, *terms])

    def products(self, vector):
        """Return Sᵀv and Yᵀv, (2, HISTORY) by slots, for a vector (n,)."""
        return tf.stack([tf.linalg.matvec(pair, vector) for pair in self.pairs], axis=1)

    def remember(self, step, change):
        """Put a pair into the place of the oldest, if the curvature along it is positive."""
        s_y = tf.tensordot(step, change, 1)
        y_y = tf.tensordot(change, change, 1)
        if s_y > 1e-10 * y_y:
            slot = self.count % HISTORY
            newest = tf.stack([step, change])
            tf.switch_case(slot, [functools.partial(pair.assign, newest) for pair in self.pairs])
            s_ys, y_ys = tf.unstack(self.products(change))
            cells = tf.stack([tf.range(HISTORY), tf.fill([HISTORY], slot)], axis=1)
            self.s_y.scatter_nd_update(cells, s_ys)
            self.y_y.scatter_nd_update(cells, y_ys)
            self.y_y.scatter_nd_update(cells[:, ::-1], y_ys)
            self.gamma.assign(s_y / y_y)
            self.count.assign_add(1)


def solve(triangle, values, *, adjoint=False):
    """Solve an upper triangular system (m, m), or its transpose, for (m,)."""
    column = values[:, tf.newaxis]
    return tf.linalg.triangular_solve(triangle, column, lower=False, adjoint=adjoint)[:, 0]
