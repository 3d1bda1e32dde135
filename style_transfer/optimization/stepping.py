"""Steps of one picture in the memory that there is: of the whole at once, or block by block."""

import math

import tensorflow as tf

OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)


class StoppedError(Exception):
    """A step was left in its middle, since someone asked to stop."""


class Stepper:
    """Takes steps; when the memory runs out, in smaller blocks.

    Args:
        engine: an `engine.Engine`.
        room: a `room.Room`; None: everything fits.

    Attributes:
        notices: lines for the user that nobody has taken yet.
    """

    def __init__(self, engine, room=None):
        self.engine, self.room = engine, room
        self.notices = []

    def take_steps(self, state, goal, weights, count, after_block=lambda share: None):
        """Take steps, see `Engine.take_steps`.

        In blocks, what a state holds is let go of when all blocks of the next are done.

        Args:
            after_block: see `Tiling.evaluate`; not called where the whole fits.
        """

        shape = state["image"].shape[1:3]

        def take(cut):
            if "image" not in state:  # the memory ran out behind the last block
                raise MemoryError
            if cut is None:
                return self.engine.take_steps(state, goal, weights, count)
            return self.take_tiled_steps(state, goal, weights, count, cut, after_block)

        return self.attempt(take, shape)

    def find_cut(self, state):
        """Return the `cuts.Cut` that steps from a state begin with; None: the whole fits."""
        return self.room and self.room.choose_cut(state["image"].shape[1:3])

    def compute_targets(self, content, styles, *others):
        """Return `Engine.compute_targets`, which takes these and the room that there is."""
        shapes = [content.shape[1:3], *(style.picture.shape[1:3] for style in styles)]

        def compute(_cut):
            return self.engine.compute_targets(content, styles, *others, room=self.room)

        return self.attempt(compute, max(shapes, key=math.prod), is_look=True)

    def attempt(self, compute, shape, *, is_look=False):
        """Compute something with the blocks that fit, and if they do not, with smaller ones.

        Args:
            compute: function from a `cuts.Cut`, or None for all at once.
            shape: (height, width) of the picture.
            is_look: see `Room.choose_cut`.
        """
        while True:
            cut = self.room and self.room.choose_cut(shape, is_look=is_look)
            try:
                return compute(cut)
            except OUT_OF_MEMORY:
                smaller = self.room and self.room.smaller(cut, shape, is_look=is_look)
                if not smaller:
                    raise
                self.room = smaller
                self.notices.append("the memory ran out; on in smaller blocks")

    def take_tiled_steps(self, state, goal, weights, count, cut, after_block):
        """Take steps block by block."""
        losses = []
        for number in range(count):

            def after(share, number=number):
                after_block((number + share) / count)

            state, found = self.engine.take_tiled_step(state, goal, weights, cut, after)
            losses.append(found)
        return state, tf.concat(losses, axis=0)

    def take_notices(self):
        """Return the notices, each once."""
        taken, self.notices = tuple(self.notices), []
        return taken
