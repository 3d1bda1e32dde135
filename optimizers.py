"""What moves the image: Adam (arXiv:1412.6980) and L-BFGS (Liu & Nocedal 1989), one interface.

`start(image)` makes a state, `step(state, evaluate)` the next one, and `picture(state)` is what
to show. A state is a dictionary of tensors and holds all that there is to know: saved and put
back, it goes on to the same bits. `image` is (1, height, width, 3) in [0, 1], `losses` are those
of `functions.compute_losses`, whose last is the total, and `gradient` is that of the total.

The first step from a start stays where it is, for want of a gradient: it evaluates the image.
"""

import tensorflow as tf

HISTORY = 20  # pairs of steps and gradient changes that L-BFGS remembers
FIRST_STEP = 0.1  # how far the first step of L-BFGS moves the pixel that it moves most
UNREASONABLE = 2.0  # a step that multiplies the loss by more than this is taken back


class Adam:
    """Adam as Keras computes it, with the image clipped to [0, 1] after each step.

    Args:
        learning_rate: how far a step moves a pixel at most, about.
        decay, decay_steps: the rate is multiplied by `decay` after every so many steps.
        average: in [0, 1): show the exponential average of the images, each counting for so
            much less than the next; 0 shows the last one.
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
    ):
        self.learning_rate = learning_rate
        self.decay = decay
        self.decay_steps = decay_steps
        self.average = average
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        nothing = tf.zeros_like(image)
        state = begin(image) | {"count": tf.constant(-1), "first": nothing, "second": nothing}
        return state | {"average": nothing} if self.average else state

    def step(self, state, evaluate):
        """Move the image by one step; return the state there."""
        gradient, count = state["gradient"], state["count"] + 1
        first = self.beta_1 * state["first"] + (1 - self.beta_1) * gradient
        second = self.beta_2 * state["second"] + (1 - self.beta_2) * tf.square(gradient)
        steps = tf.cast(tf.maximum(count, 1), tf.float32)
        decays = tf.cast(tf.maximum(count - 1, 0) // self.decay_steps, tf.float32)
        rate = self.learning_rate * self.decay**decays
        rate *= tf.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)
        image = state["image"] - rate * first / (tf.sqrt(second) + self.epsilon)
        # A picture has no other colours; without the clipping the optimiser wanders off.
        image = tf.clip_by_value(image, 0.0, 1.0)
        losses, gradient = evaluate(image)
        moved = dict(image=image, losses=losses, gradient=gradient)
        if self.average:
            kept = tf.where(count > 0, self.average, 0.0) * state["average"]
            moved["average"] = kept + tf.where(count > 0, 1 - self.average, 0.0) * image
        return moved | dict(count=count, first=first, second=second)

    def picture(self, state):
        """Return the image, or the average of the images so far, corrected for their number."""
        if not self.average or state["count"] < 1:
            return state["image"]
        weight = 1 - self.average ** tf.cast(state["count"], tf.float32)
        return tf.clip_by_value(state["average"] / weight, 0.0, 1.0)


class LBFGS:
    """Limited-memory BFGS, projected onto [0, 1], one evaluation a step, no line search.

    The two-loop recursion is written as the compact product of Byrd, Nocedal & Schnabel
    (Mathematical Programming 63, 1994, theorem 2.2):

        H g = γ g + [S γY] [ R⁻ᵀ (D + γ YᵀY) R⁻¹   −R⁻ᵀ ] [  Sᵀ g  ]
                           [        −R⁻¹              0  ] [ γ Yᵀ g ]

    S and Y hold the last steps and changes of the gradient; R is the upper triangle of SᵀY, D
    its diagonal, γ = sᵀy / yᵀy of the newest pair. A step reads the history twice, whatever its
    length: once for the sum above, and once for all products with the new gradient and with the
    new change, which the next step needs.

    Pixels at 0 or 1 that the gradient pushes outwards stay where they are and take no part in
    the step. (Without the projection, clipping the result only, the same number of steps ended
    at 3.7 times the loss on a photo with white and black areas.)

    A step that is not finite or multiplies the loss is taken back, the history is dropped and
    the next step is half as long.
    """

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        return begin(image) | dict(
            # From the oldest pair (s, y) to the newest. A tuple, since to drop the first and
            # append one moves no data; empty places, which come first, share one tensor.
            pairs=(tf.concat([tf.zeros_like(image)] * 2, axis=0),) * HISTORY,
            s_y=tf.zeros((HISTORY, HISTORY)),  # SᵀY
            y_y=tf.zeros((HISTORY, HISTORY)),  # YᵀY
            products=tf.zeros((2, HISTORY)),  # Sᵀg and Yᵀg for the gradient of the next step
            gamma=tf.constant(1.0),
            count=tf.constant(0),  # pairs remembered
            length=tf.constant(1.0),
            taken_back=tf.constant(0),
        )

    def step(self, state, evaluate):
        """Move the image by one step; return the state there."""
        image = state["image"]
        held = is_held(image, state["gradient"])
        direction = find_direction(state, tf.where(held, 0.0, state["gradient"]))
        move = state["length"] * tf.where(held, 0.0, direction)
        there = tf.clip_by_value(image + move, 0.0, 1.0)
        losses, gradient = evaluate(there)
        there = state | dict(image=there, losses=losses, gradient=gradient)
        is_good = is_reasonable(losses, gradient, state["losses"])
        return tf.cond(is_good, lambda: accept(state, there), lambda: take_back(state))

    def picture(self, state):
        """Return the image."""
        return state["image"]


def begin(image):
    """Return what every state holds."""
    image = tf.convert_to_tensor(image)
    losses = tf.fill([4], float("inf"))
    return {"image": image, "losses": losses, "gradient": tf.zeros_like(image)}


def flatten(state):
    """Name all tensors of a state, one by one."""
    tensors = {}
    for name, value in state.items():
        if isinstance(value, tuple):
            tensors |= {f"{name}.{index}": each for index, each in enumerate(value)}
        else:
            tensors[name] = value
    return tensors


def unflatten(arrays, example):
    """Put a state together again from arrays by the names that `flatten` gave.

    Args:
        example: a state with the same shapes.

    Raises:
        ValueError: names, shapes or types are others.
    """
    expected = flatten(example)
    if {name: kind(array) for name, array in arrays.items()} != {
        name: kind(tensor.numpy()) for name, tensor in expected.items()
    }:
        raise ValueError("these are not the arrays of such a state")
    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    return {
        name: tuple(tensors[f"{name}.{index}"] for index in range(len(value)))
        if isinstance(value, tuple)
        else tensors[name]
        for name, value in example.items()
    }


def kind(array):
    """Return type and shape."""
    return array.dtype, array.shape


def is_held(image, gradient):
    """Tell which pixels lie at 0 or 1 and are pushed outwards by the descent."""
    return ((image <= 0.0) & (gradient > 0.0)) | ((image >= 1.0) & (gradient < 0.0))


def is_reasonable(losses, gradient, before):
    """Tell whether the loss is finite, and has not risen beyond reason."""
    finite = tf.reduce_all(tf.math.is_finite(losses)) & tf.math.is_finite(tf.norm(gradient))
    return finite & (losses[-1] <= UNREASONABLE * before[-1])


def take_back(state):
    """Return the state of L-BFGS for another try from the same image."""
    length, taken_back = 0.5 * state["length"], state["taken_back"] + 1
    return state | dict(count=tf.constant(0), length=length, taken_back=taken_back)


def accept(before, after):
    """Return the state after a step of L-BFGS, the step among the pairs.

    Args:
        before: the state before the step.
        after: the same with the new image, losses and gradient.
    """
    step, change = (after[name] - before[name] for name in ("image", "gradient"))
    s_y, y_y = tf.reduce_sum(step * change), tf.reduce_sum(tf.square(change))
    is_convex = s_y > 1e-10 * y_y  # only such a pair keeps H positive definite
    pairs, newest = before["pairs"], tf.concat([step, change], axis=0)
    pairs = tf.cond(is_convex, lambda: (*pairs[1:], newest), lambda: pairs)

    free = tf.where(is_held(after["image"], after["gradient"]), 0.0, after["gradient"])
    vectors = rows(tf.concat([change, free], axis=0))
    products = [tf.matmul(rows(pair), vectors, transpose_b=True) for pair in pairs]
    of_change, of_gradient = tf.unstack(tf.stack(products, axis=1), axis=-1)  # (2, HISTORY)
    small = dict(
        s_y=append(before["s_y"], of_change[0]),
        y_y=append(before["y_y"], of_change[1]),
        gamma=s_y / y_y,
        count=tf.minimum(HISTORY, before["count"] + 1),
    )
    small = {name: tf.where(is_convex, value, before[name]) for name, value in small.items()}
    length = tf.minimum(1.0, 2.0 * before["length"])
    return after | dict(pairs=pairs, products=of_gradient, length=length) | small


def find_direction(state, gradient):
    """Return −H g of L-BFGS for the gradient g that `state["products"]` are of."""
    steepest = FIRST_STEP / tf.maximum(tf.reduce_max(tf.abs(gradient)), 1e-30)
    gamma = tf.where(state["count"] > 0, state["gamma"], steepest)
    used = tf.cast(tf.range(HISTORY) >= HISTORY - state["count"], tf.float32)
    both = used[:, tf.newaxis] * used
    s_y, y_y = both * state["s_y"], both * state["y_y"]
    # An empty place gets 1 on the diagonal, so that R can be solved and the place stays 0.
    triangle = tf.linalg.band_part(s_y, 0, -1) + tf.linalg.diag(1.0 - used)

    s_g, y_g = tf.unstack(used * state["products"])
    solved = solve(triangle, s_g)
    middle = tf.linalg.diag_part(s_y) * solved + gamma * tf.linalg.matvec(y_y, solved)
    of_s = solve(triangle, middle - gamma * y_g, adjoint=True)
    weights = tf.unstack(tf.stack([of_s, -gamma * solved], axis=1))  # (2,) for each pair
    terms = [
        tf.linalg.matvec(rows(pair), weight, transpose_a=True)
        for pair, weight in zip(state["pairs"], weights)
    ]
    total = tf.add_n([gamma * tf.reshape(gradient, [-1]), *terms])
    return -tf.reshape(total, tf.shape(gradient))


def rows(pair):
    """Flatten (2, height, width, 3) to (2, n)."""
    return tf.reshape(pair, (2, -1))


def append(matrix, column):
    """Drop the oldest row and column of (m, m); put `column` where the newest ones are."""
    kept = tf.concat([matrix[1:, 1:], column[tf.newaxis, :-1]], axis=0)
    return tf.concat([kept, column[:, tf.newaxis]], axis=1)


def solve(triangle, values, *, adjoint=False):
    """Solve an upper triangular system (m, m), or its transpose, for (m,)."""
    column = values[:, tf.newaxis]
    return tf.linalg.triangular_solve(triangle, column, lower=False, adjoint=adjoint)[:, 0]
