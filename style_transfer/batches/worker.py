"""What a worker does: pictures of a batch, one after the other, as they are handed to it."""

from dataclasses import dataclass
from typing import Any

from style_transfer.batches.desk import Desk
from style_transfer.optimization.events import JobFailed
from style_transfer.optimization.job import FAILURES


@dataclass(frozen=True)
class Assignment:
    """A picture to paint.

    Attributes:
        id: its number.
        task: what the `craft` of `serve` takes; it has a `label` and a `content`.
        is_retry: whether a worker died of it, or with it.
    """

    id: int
    task: Any
    is_retry: bool = False


def serve(connection, craft):
    """Paint what comes over a pipe, until it ends.

    Args:
        connection: see `desk.Desk`.
        craft: what has `perform_one`, as `local.Batch` does; it keeps what the pictures share.
    """
    desk = Desk(connection)
    desk.open()
    while True:
        assignment = desk.take()
        for event in perform(craft, assignment, desk.hooks(assignment.id)):
            desk.send(assignment.id, event)
        desk.stopped.discard(assignment.id)


def perform(craft, assignment, hooks):
    """Paint a picture: a generator of events, the last of which is one of `desk.LAST`."""
    task = assignment.task
    try:
        yield from craft.perform_one(task, is_retry=assignment.is_retry, **hooks)
    except FAILURES as error:
        yield JobFailed(task.label, str(error), task.content)
