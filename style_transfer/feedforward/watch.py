"""How far a pass over a large picture is, told after each block of it.

One at once takes a second, and is not watched; one in blocks may take minutes. What goes over the
blocks lies deep below whoever wants to be told, who is of one thread: hence a context variable.
"""

import contextlib
import contextvars

WATCH = contextvars.ContextVar("watch", default=None)


class Watch:
    """Knows how many looks at the whole picture a pass takes, and how many are done."""

    def __init__(self, tell):
        self.tell, self.looks, self.done = tell, 0, 0


@contextlib.contextmanager
def watching(tell):
    """Have `tell` called, in the block, with the share of a pass that is done."""
    token = WATCH.set(Watch(tell))
    try:
        yield
    finally:
        WATCH.reset(token)


def expect(looks):
    """Say that a pass begins that takes so many looks at the whole picture."""
    if watch := WATCH.get():
        watch.looks, watch.done = looks, 0


def over(blocks):
    """Go over the blocks of one look: a generator of them; what is not expected is not told."""
    watch = WATCH.get()
    for number, block in enumerate(blocks, start=1):
        yield block
        if watch and watch.looks:
            watch.tell((watch.done + number / len(blocks)) / watch.looks)
    if watch and watch.looks:
        watch.done += 1
