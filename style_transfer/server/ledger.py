"""All orders, in memory and on the disk, and their places in the queue."""

import dataclasses
import logging
import threading

from style_transfer.server.orders import ENDED, FINISHED, RUNNING, WAITING

LONGEST_QUEUE = 50

log = logging.getLogger(__name__)


class QueueError(ValueError):
    """What is asked of the queue cannot be; says why, and what to do."""


class QuotaError(ValueError):
    """The history takes all the space that it may."""


class Ledger:
    """The orders of a `store.Store`; what was under way when it was last closed waits again.

    Attributes:
        lock: held by whoever looks at several things that must agree.
    """

    def __init__(self, store):
        self.store = store
        self.lock = threading.RLock()
        self.orders = {order.id: order for order in store.read_all()}
        for order in reversed(self.listed(RUNNING)):
            self.change(order.id, state=WAITING, place=self.front())

    def get(self, identity):
        """Return an order; raise LookupError if there is none of that id."""
        with self.lock:
            try:
                return self.orders[identity]
            except KeyError:
                raise LookupError("that picture was removed") from None

    def listed(self, *states):
        """Return the orders in one of the states, as they are queued."""
        with self.lock:
            found = [each for each in self.orders.values() if each.state in states]
        return sorted(found, key=lambda each: (each.place, each.created))

    def ended(self):
        """Return the orders that have ended, the newest first."""
        return sorted(self.listed(*ENDED), key=lambda each: each.created, reverse=True)

    def finished(self):
        """Return the finished orders, the oldest first."""
        return [each for each in reversed(self.ended()) if each.state == FINISHED]

    def name_of(self, identity):
        """Return what people called a picture when they last ordered something with it."""
        with self.lock:
            every = list(self.orders.values())
        for order in reversed(every):
            named = dict(zip((order.content, *order.styles), order.names))
            if identity in named:
                return named[identity]
        return "picture"

    def place_of(self, order):
        """Return the place of an order in the queue, from 1; None if it does not wait."""
        queue = self.listed(WAITING)
        return queue.index(order) + 1 if order in queue else None

    def front(self):
        """Return a place before all that wait."""
        return min((each.place for each in self.listed(WAITING)), default=0.0) - 1.0

    def back(self):
        """Return a place behind all that wait."""
        return max((each.place for each in self.listed(WAITING)), default=0.0) + 1.0

    def add(self, **values):
        """Put an order into the queue; return it.

        Args:
            values: of the `orders.Order`, see `store.Store.create`.

        Raises:
            QueueError: too many are waiting.
            OSError: the disk is full.
        """
        with self.lock:
            if len(self.listed(WAITING)) >= LONGEST_QUEUE:
                raise QueueError(f"{LONGEST_QUEUE} pictures are waiting; let some be painted first")
            order = self.store.create(place=self.back(), **values)
            self.orders[order.id] = order
        return order

    def change(self, identity, **values):
        """Change an order, in memory and, where that can be written to, on the disk."""
        with self.lock:
            self.orders[identity] = dataclasses.replace(self.orders[identity], **values)
            try:
                self.store.write(self.orders[identity])
            except OSError as error:  # of the disk, which is full; the painting will say so, too
                log.warning("%s", error)

    def move(self, identity, by):
        """Move an order that waits up (-1) or down (1) the queue."""
        with self.lock:
            queue, order = self.listed(WAITING), self.get(identity)
            here = queue.index(order) if order in queue else -2
            if not 0 <= here + by < len(queue):
                raise QueueError("that picture cannot be moved there")
            queue.insert(here + by, queue.pop(here))
            for place, each in enumerate(queue):
                self.change(each.id, place=float(place))

    def remove(self, identity):
        """Remove an order that is not under way, and its files."""
        with self.lock:
            if self.get(identity).state == RUNNING:
                raise QueueError("that picture is being painted; stop it first")
            self.store.remove(identity)
            del self.orders[identity]
