"""What Keras leaves to its backends: gradients, and compiled steps that change variables.

Networks and losses are written in `keras.ops`. With this a training runs by TensorFlow and, with
KERAS_BACKEND=jax, by JAX, for machines that have a GPU and no TensorFlow.
"""

import keras


def is_jax():
    """Tell whether Keras computes by JAX."""
    return keras.backend.backend() == "jax"


def compiled(step, variables):
    """Compile a function of nested tensors that may assign to variables.

    Args:
        step: the function.
        variables: all that it uses and something may change: Keras' own.
    """
    return (compiled_by_jax if is_jax() else compiled_by_tensorflow)(step, variables)


def differentiate(objective, of, variables):
    """Differentiate inside of a compiled step.

    Args:
        objective: function without arguments that returns (a number, other results), and assigns
            to no variable: whether that is differentiated, too, depends on the backend.
        of: the variables to differentiate by.
        variables: those of `compiled`.

    Returns:
        (gradients, other results): one gradient for each of `of`.
    """
    by = differentiate_by_jax if is_jax() else differentiate_by_tensorflow
    return by(objective, of, variables)


def compiled_by_tensorflow(step, _):
    """See `compiled`."""
    import tensorflow as tf

    return tf.function(step, autograph=False)


def differentiate_by_tensorflow(objective, of, _):
    """See `differentiate`."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        total, results = objective()
    return tape.gradient(total, of), results


def compiled_by_jax(step, variables):
    """See `compiled`: what JAX compiles changes nothing, so values go in and come out."""
    import jax

    @jax.jit
    def pure(values, arguments):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            results = step(*arguments)
            return results, [each.value for each in variables]

    def assigning(*arguments):
        results, values = pure([each.value for each in variables], arguments)
        for variable, value in zip(variables, values):
            variable.assign(value)
        return results

    return assigning


def differentiate_by_jax(objective, of, variables):
    """See `differentiate`."""
    import jax

    chosen = {id(each) for each in of}
    others = [each for each in variables if id(each) not in chosen]
    fixed = [(each, each.value) for each in others]

    def pure(values):
        with keras.StatelessScope(state_mapping=[*zip(of, values), *fixed]):
            return objective()

    return jax.grad(pure, has_aux=True)([each.value for each in of])
