"""What L-BFGS computes (Liu & Nocedal 1989), see `optimizers.LBFGS`: functions of its images."""

import tensorflow as tf

from functions import clip

FIRST_STEP = 0.1  # how far the first step of L-BFGS moves the pixel that it moves most
LEVELS = 5  # of halving, in the preconditioner of L-BFGS
COARSER = 1.5 / 4  # weight of a level there against the finer one; 4 pixels are added up in one
UNREASONABLE = 2.0  # a step that multiplies the loss by more than this is taken back


def free_gradient(images):
    """Return the gradient of a state where its pixels are not held, and 0 where they are."""
    return clear(images["gradient"], is_held(images["image"], images["gradient"]))


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


def newest_pair(both):
    """Return the newest pair, s and z (2, height, width, 3), of images before and after."""
    before, after = both
    names = ("image", "preconditioned")
    return tf.concat([after[name] - before[name] for name in names], axis=0)


def multiply_all(images):
    """Return the products (pairs, 2, 2) of pairs with y and with g, see `multiply`.

    Args:
        images: `pairs`, and the `gradients` before and after.
    """
    before, after = images["gradients"]
    vectors = tf.concat([after - before, after], axis=0)
    return tf.stack([multiply(each, vectors) for each in images["pairs"]])


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


def remember(state, pair, products):
    """Return the state of L-BFGS with a step among its pairs.

    Args:
        state: after the step; its pairs are those from before.
        pair, products: from `LBFGS.compare`.
    """
    s_y, y_z = products[-1, 0, 0], products[-1, 1, 0]
    is_convex = s_y > 1e-10 * y_z  # only such a pair keeps H positive definite
    known = tf.where(is_convex, products[1:], products[:-1])
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
    return combine(state, *weigh(state))


def weigh(state):
    """Return the weights of P g, a number, and of s and z in the step: (history, 2)."""
    gradient = state["preconditioned"]
    largest = tf.maximum(tf.reduce_max(gradient), -tf.reduce_min(gradient))
    steepest = FIRST_STEP / tf.maximum(largest, 1e-30)
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
    return -state["length"] * gamma, weights


def combine(images, steepest, weights):
    """Return the sum of P g and all s and z of a state by their weights, see `weigh`."""
    gradient = images["preconditioned"]
    terms = [
        tf.linalg.matvec(rows(pair), weight, transpose_a=True)  # weight: (2,)
        for pair, weight in zip(images["pairs"], tf.unstack(weights))
    ]
    total = tf.add_n([steepest * tf.reshape(gradient, [-1]), *terms])
    return tf.reshape(total, tf.shape(gradient))


def move_image(images, steepest, weights):
    """Return the image of a state, moved and clipped; see `weigh`."""
    # Where the gradient is 0, the pixel is held, or content to stay.
    step = clear(combine(images, steepest, weights), images["gradient"] == 0.0)
    return clip(images["image"] + step)


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
