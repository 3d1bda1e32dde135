"""Second half of the training of the compact VGG19: all layers together."""

import keras
from keras import ops

from functions import FLOOR, gram_matrix
from style_transfer.settings import Settings
from tools.teachers import border


class JointModel(keras.Model):
    """A student beside its teacher; `fit` with batches of images trains the student.

    Args:
        student, teacher: models from images to a dictionary of features after the ReLU.
        scales: `{name: root mean square}` of the teacher's features. Targets are divided by
            it, so that all layers count alike; ReLU lets the student's own weights hold it.
        heads: `{name: arrays}` where the student's layer has other channels than the teacher's:
            the 1×1 convolution, before a ReLU, that turns the former into the latter.
    """

    def __init__(self, student, teacher, *, scales, heads):
        super().__init__()
        self.student, self.teacher, self.scales = student, teacher, scales
        student.trainable = True
        self.heads = {}
        for name, (kernel, bias) in heads.items():
            self.heads[name] = head = keras.layers.Dense(len(bias), name=f"{name}_head")
            head.build((None, None, None, len(kernel)))
            head.set_weights([kernel, bias])
        self.matched = [name for name in teacher.output if self.is_matched(name)]
        self.built = True

    def is_matched(self, name):
        """Tell whether a layer can be compared: early in a training some lack their head."""
        ours, theirs = self.student.output[name], self.teacher.output[name]
        return name in self.heads or ours.shape[-1] == theirs.shape[-1]

    def call(self, images):
        features = self.student(images)
        return {name: self.lift(name, features[name]) for name in self.matched}

    def lift(self, name, features):
        """Turn the student's features into those that the teacher is compared with."""
        return ops.relu(self.heads[name](features)) if name in self.heads else features

    def targets(self, images):
        """Return the teacher's features, scaled to about unit mean square."""
        return {name: value / self.scales[name] for name, value in self.teacher(images).items()}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum over the layers the errors of the features and of their Gram matrices."""
        errors = relative_errors(y_pred, self.targets(x))
        return sum(errors.values())

    def errors(self, images):
        """Return `{name: relative error}` of images; a Gram matrix is called `name gram`."""
        return relative_errors(self(images), self.targets(images))


def relative_errors(features, targets):
    """Compare features with targets away from the border: squared error over square.

    Unlike `functions.relative_error` over the whole batch, where a dark crop weighs less.
    """
    errors = {}
    for name, value in features.items():
        cut = slice(border(name), -border(name))
        pairs = {name: (value[:, cut, cut], targets[name][:, cut, cut])}
        if name in Settings.style_layers:
            pairs[f"{name} gram"] = tuple(gram_matrix(each) for each in pairs[name])
        for key, (value, wanted) in pairs.items():
            square = ops.mean(ops.square(wanted)) + FLOOR
            errors[key] = ops.mean(ops.square(value - wanted)) / square
    return errors
