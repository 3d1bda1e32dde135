"""What moves the image: Adam (arXiv:1412.6980) and L-BFGS (Liu & Nocedal 1989), one interface.

`start(image)` makes a state, and a step (`functions.training_step`) the next one: `move(state)`
returns it with its image moved, and `update(before, after)` takes in what was found there.
`shown_image(state)` is the image to show, and `reweighted(state)` is for when the losses have got
other weights. A state is a dictionary of tensors and holds all that there is to know: saved and
put back, it goes on to the same bits. `image` is (1, height, width, 3) in [0, 1]; `losses`, `total`
and `gradient` are those of `functions.build_evaluation`.

The first step from a start stays where it is, without a gradient to go by: it evaluates the image.
"""

import tensorflow as tf

from functions import TERMS
from style_transfer.runs import checkpoint

FIRST_STEP = 0.1  # how far the first step of L-BFGS moves the pixel that it moves most
LEVELS = 5  # of halving, in the preconditioner of L-BFGS
COARSER = 1.5 / 4  # weight of a level there against the finer one; 4 pixels are added up in one
UNREASONABLE = 2.0  # a step that multiplies the loss by more than this is taken back


class Adam:
    """Adam as Keras computes it, with the image clipped to [0, 1] after each step.

    Args:
        learning_rate: how far a step moves a pixel at most, about.
        decay, decay_steps: the rate is multiplied by `decay` after every so many steps.
        average: in [0, 1): show the exponential average of the images, each counting for so
            much less than the next; 0 shows the last one.
        terms: names of the losses.
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
    ):
        self.learning_rate = learning_rate
        self.decay = decay
        self.decay_steps = decay_steps
        self.average = average
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.terms = terms

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        nothing = tf.zeros_like(image)
        moments = {"count": tf.constant(-1), "first": nothing, "second": nothing}
        state = begin(image, self.terms) | moments
        return state | {"average": nothing} if self.average else state

    def move(self, state):
        """Return the state with its image moved by one step."""
        gradient, count = state["gradient"], state["count"] + 1
        first = self.beta_1 * state["first"] + (1 - self.beta_1) * gradient
        second = self.beta_2 * state["second"] + (1 - self.beta_2) * tf.square(gradient)
        steps = tf.cast(tf.maximum(count, 1), tf.float32)
        decays = tf.cast(tf.maximum(count - 1, 0) // self.decay_steps, tf.float32)
        rate = self.learning_rate * self.decay**decays
        rate *= tf.sqrt(1 - self.beta_2**steps) / (1 - self.beta_1**steps)
        image = state["image"] - rate * first / (tf.sqrt(second) + self.epsilon)
        return state | dict(image=image, count=count, first=first, second=second)

    def update(self, before, after):
        """Return the state after a step, its image evaluated: the running average with it."""
        if not self.average:
            return after
        is_step = after["count"] > 0
        kept = tf.where(is_step, self.average, 0.0) * before["average"]
        new = tf.where(is_step, 1 - self.average, 0.0) * after["image"]
        return after | {"average": kept + new}

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

    def __init__(self, *, history=20, terms=TERMS):
        self.history = history
        self.terms = terms

    def start(self, image):
        """Return the state of an image (1, height, width, 3) that nothing is known of yet."""
        nothing = tf.zeros_like(image)
        return begin(image, self.terms) | dict(
            preconditioned=nothing,  # P g
            # From the oldest pair (s, z) to the newest. A tuple, since to drop the first and
            # append one moves no data; empty places, which come first, share one tensor.
            pairs=(tf.concat([nothing] * 2, axis=0),) * self.history,
            s_y=tf.zeros((self.history, self.history)),  # SᵀY
            y_z=tf.zeros((self.history, self.history)),  # YᵀZ
            products=tf.zeros((2, self.history)),  # Sᵀg and Zᵀg for the gradient of the next step
            gamma=tf.constant(1.0),
            count=tf.constant(0),  # pairs remembered
            length=tf.constant(1.0),
            taken_back=tf.constant(0),
        )

    def move(self, state):
        """Return the state with its image moved by one step."""
        # Where the gradient is 0, the pixel is held, or content to stay.
        step = clear(find_step(state), state["gradient"] == 0.0)
        return state | {"image": state["image"] + step}

    def update(self, before, after):
        """Return the state after a step: the step among its pairs, or taken back."""
        gradient = clear(after["gradient"], is_held(after["image"], after["gradient"]))
        after = after | {"gradient": gradient, "preconditioned": precondition(gradient)}
        newest, products = newest_pair(before, after)
        return tf.cond(
            is_reasonable(after["total"], products, before["total"]),
            lambda: remember(after, newest, products),
            lambda: take_back(before),
        )

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
    image = tf.convert_to_tensor(image)
    unknown = tf.constant(float("inf"))
    losses = tf.fill([len(terms)], unknown)
    return dict(image=image, losses=losses, total=unknown, gradient=tf.zeros_like(image))


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
        checkpoint.CheckpointError: names, shapes or types are others.
    """
    expected = {name: tensor.numpy() for name, tensor in flatten(example).items()}
    checkpoint.check_arrays(arrays, expected)
    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    return {
        name: tuple(tensors[f"{name}.{index}"] for index in range(len(value)))
        if isinstance(value, tuple)
        else tensors[name]
        for name, value in example.items()
    }


def is_held(image, gradient):
    """Tell which pixels lie at 0 or 1 and are pushed outwards by the descent."""
    return ((image <= 0.0) & (gradient > 0.0)) | ((image >= 1.0) & (gradient < 0.0))


def clear(values, condition):
    """Set values to 0 where a condition of the same shape holds."""
    return values * tf.cast(~condition, values.dtype)  # `tf.where` takes several times longer


def precondition(gradient):
    """Return P g: the gradient with its coarse parts brought out, a first guess of H g.

    Measured on style transfers, the loss curves several times less along coarse patterns than
    along those of two pixels: the image has to move farther there. The sum over coarser and
    coarser versions is that of Bramble, Pasciak & Xu (Mathematics of Computation 55, 1990),

        P = Σ_l w^l U_l U_lᵀ,

    U_l being the bilinear enlargement from 1/2^l of the size: symmetric and positive, as L-BFGS
    needs it.

    Args:
        gradient: (1, height, width, 3).
    """
    levels = [gradient]
    for _ in range(LEVELS):
        height, width = tf.unstack(tf.shape(levels[-1])[1:3])
        shape = tf.stack([1, (height + 1) // 2, (width + 1) // 2, 3])
        coarse = tf.raw_ops.ResizeBilinearGrad(  # the transpose of the enlargement below
            grads=levels[-1], original_image=tf.zeros(shape), half_pixel_centers=True
        )
        levels.append(coarse)
    total = levels.pop()
    while levels:
        shape = tf.shape(levels[-1])[1:3]
        total = levels.pop() + COARSER * tf.image.resize(total, shape, "bilinear")
    return total


def newest_pair(before, after):
    """Return the newest pair (s, z) and y, and their products with y and with the gradient.

    Returns:
        ((pair, vectors), products): s and z, and y and g, each two images (2, height, width, 3);
        (2, 2).
    """
    names = ("image", "preconditioned", "gradient")
    step, preconditioned, change = (after[name] - before[name] for name in names)
    pair = tf.concat([step, preconditioned], axis=0)
    vectors = tf.concat([change, after["gradient"]], axis=0)
    return (pair, vectors), multiply(pair, vectors)


def multiply(pair, vectors):
    """Return the (2, 2) scalar products of two stacks of two images (2, height, width, 3)."""
    return tf.matmul(rows(pair), rows(vectors), transpose_b=True)


def is_reasonable(total, products, before):
    """Tell whether all is finite, and the total has not risen beyond reason."""
    finite = tf.math.is_finite(total) & tf.reduce_all(tf.math.is_finite(products))
    return finite & (total <= UNREASONABLE * before)


def take_back(state):
    """Return the state of L-BFGS for another try from the same image."""
    length, taken_back = 0.5 * state["length"], state["taken_back"] + 1
    return state | dict(count=tf.constant(0), length=length, taken_back=taken_back)


def remember(state, newest, products):
    """Return the state of L-BFGS with a step among its pairs.

    Args:
        state: after the step; its pairs are those from before.
        newest, products: from `newest_pair`.
    """
    pair, vectors = newest
    s_y, y_z = products[0, 0], products[1, 0]
    is_convex = s_y > 1e-10 * y_z  # only such a pair keeps H positive definite
    known = [multiply(each, vectors) for each in state["pairs"]] + [products]
    known = tf.where(is_convex, tf.stack(known[1:]), tf.stack(known[:-1]))
    of_change, of_gradient = tf.unstack(tf.transpose(known), axis=0)  # (2, history)
    small = dict(
        s_y=append(state["s_y"], of_change[0]),
        y_z=append(state["y_z"], of_change[1]),
        gamma=s_y / y_z,
        count=tf.minimum(len(state["pairs"]), state["count"] + 1),
    )
    small = {name: tf.where(is_convex, value, state[name]) for name, value in small.items()}
    pairs = state["pairs"]
    pairs = tf.cond(is_convex, lambda: (*pairs[1:], pair), lambda: pairs)
    length = tf.minimum(1.0, 2.0 * state["length"])
    return state | dict(pairs=pairs, products=of_gradient, length=length) | small


def find_step(state):
    """Return −H g of L-BFGS for the gradient g of the state, times the length of its steps."""
    gradient = state["preconditioned"]
    steepest = FIRST_STEP / tf.maximum(tf.reduce_max(tf.abs(gradient)), 1e-30)
    gamma = tf.where(state["count"] > 0, state["gamma"], steepest)
    history = len(state["pairs"])
    used = tf.cast(tf.range(history) >= history - state["count"], tf.float32)
    both = used[:, tf.newaxis] * used
    s_y, y_z = both * state["s_y"], both * state["y_z"]
    # An empty place gets 1 on the diagonal, so that R can be solved and the place stays 0.
    triangle = tf.linalg.band_part(s_y, 0, -1) + tf.linalg.diag(1.0 - used)

    s_g, z_g = tf.unstack(used * state["products"])
    solved = solve(triangle, s_g)
    middle = tf.linalg.diag_part(s_y) * solved + gamma * tf.linalg.matvec(y_z, solved)
    of_s = solve(triangle, middle - gamma * z_g, adjoint=True)
    weights = -state["length"] * tf.stack([of_s, -gamma * solved], axis=1)
    terms = [
        tf.linalg.matvec(rows(pair), weight, transpose_a=True)  # weight: (2,)
        for pair, weight in zip(state["pairs"], tf.unstack(weights))
    ]
    steepest = -state["length"] * gamma * tf.reshape(gradient, [-1])
    return tf.reshape(tf.add_n([steepest, *terms]), tf.shape(gradient))


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
