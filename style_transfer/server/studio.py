"""The one worker, and what hands it the orders of the queue and notes what becomes of them."""

import dataclasses
import logging
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import wait

from style_transfer.batches.desk import LAST, Ready, Stop
from style_transfer.batches.processes import Gone, Worker
from style_transfer.optimization.events import JobFailed, Notice, Painted, Saved
from style_transfer.runs.inputs import Inputs
from style_transfer.server.ledger import Ledger, QueueError
from style_transfer.server.orders import FAILED, FINISHED, INSTANT, RUNNING, STOPPED, WAITING
from style_transfer.server.progress import Progress
from style_transfer.server.worker import Assignment

PATIENCE = 10.0  # seconds that the worker has to end in good order what is to be stopped
DEATHS = 2  # of the worker in a row, without a new epoch between, before an order has failed
PAUSED = "paused"  # a file that is there while the queue is

log = logging.getLogger(__name__)


class Studio:
    """Hands orders to the worker, and knows where each of them stands.

    What is under way when the process ends, however it does, goes on with the next one.

    Args:
        store: a `store.Store`.
        target: of the `Worker`.
        list_offers: function that returns `shop.Offer` by name, see `shop.Shop`.

    Attributes:
        ledger: the `Ledger`.
        progress: the `Progress` of the orders under way, by id.
        stopping: (deadline, state to be) of those that are to end, by id.
    """

    def __init__(self, store, target, list_offers=dict):
        self.store, self.target, self.list_offers = store, target, list_offers
        self.ledger = Ledger(store)
        self.lock = self.ledger.lock
        self.progress, self.stopping, self.deaths = {}, {}, {}
        store.forget_pictures(self.ledger.orders.values())
        self.bell, self.ringer = Pipe(duplex=False)
        self.is_closing = False
        self.worker = None
        self.thread = threading.Thread(target=self.run, name="studio")

    def start(self):
        """Start the worker, and what hands the orders to it."""
        self.worker = Worker(self.target)
        self.thread.start()

    def close(self):
        """End the worker and the thread; what is under way goes on with the next start."""
        self.is_closing = True
        self.ring()
        self.thread.join()

    # What other threads ask for.

    def submit(self, **values):
        """Put an order into the queue, and return it; see `Ledger.add`."""
        order = self.ledger.add(**values)
        self.ring()
        return order

    def stop(self, identity):
        """End an order: one under way with the picture so far, one that waits without."""
        with self.lock:
            state = self.ledger.get(identity).state
            if state == WAITING:
                self.ledger.change(identity, state=STOPPED)
            elif state == RUNNING:
                self.ask_to_stop(identity, STOPPED)
            else:
                raise QueueError("that picture is not being painted any more")

    def resume(self, identity, epochs):
        """Let an order that has ended go on, up to so many epochs."""
        with self.lock:
            order = self.ledger.get(identity)
            if not order.has_ended or (order.state == FINISHED and order.way == INSTANT):
                raise QueueError("that picture is painted already, or still being painted")
            if order.state == FINISHED and not self.store.can_continue(order):
                raise QueueError("its checkpoint is gone; paint it again with more epochs")
            settings = dataclasses.replace(order.settings, epochs=epochs)
            self.deaths.pop(identity, None)
            place = self.ledger.back()
            self.ledger.change(identity, state=WAITING, settings=settings, error="", place=place)
        self.ring()

    def remove(self, identity):
        """Remove an order that is not under way, and its files."""
        self.ledger.remove(identity)
        self.deaths.pop(identity, None)

    @property
    def is_paused(self):
        """Whether nothing new is begun."""
        return (self.store.folder / PAUSED).exists()

    @property
    def is_ready(self):
        """Whether TensorFlow is loaded."""
        return bool(self.worker and self.worker.is_ready)

    def pause(self):
        """Begin nothing new; what is under way goes back into the queue, with what it has."""
        with self.lock:
            (self.store.folder / PAUSED).touch()
            for order in self.ledger.listed(RUNNING):
                self.ask_to_stop(order.id, WAITING)

    def go(self):
        """Go on with the queue."""
        (self.store.folder / PAUSED).unlink(missing_ok=True)
        self.ring()

    def ask_to_stop(self, identity, state):
        """Ask the worker to end an order, which is to have a state then."""
        if identity not in self.stopping:
            self.stopping[identity] = time.monotonic() + PATIENCE, state
            if self.worker:
                self.worker.send(Stop(identity))
            self.ring()

    def ring(self):
        """Wake the studio's own thread."""
        self.ringer.send(None)

    # What that thread does.

    def run(self):
        """Hand out orders and take in events, until closed."""
        while not self.is_closing:
            self.hand_out()
            heard = [self.bell, *([self.worker.connection] if self.worker else [])]
            for each in wait(heard, timeout=1 if self.stopping else None):
                self.bell.recv() if each is self.bell else self.listen()
            self.kill_what_does_not_stop()
        if self.worker:
            self.worker.kill()

    def hand_out(self):
        """Give the worker the next painting, if it has none, and all that take one pass."""
        with self.lock:
            if self.is_paused:
                return
            if self.worker is None and self.ledger.listed(WAITING):
                self.worker = Worker(self.target)
            is_busy = any(each.way != INSTANT for each in self.ledger.listed(RUNNING))
            for order in self.ledger.listed(WAITING):
                if order.way == INSTANT or not is_busy:
                    is_busy = is_busy or order.way != INSTANT
                    self.assign(order)

    def assign(self, order):
        """Give the worker an order."""
        folder = self.store.place(order.id)
        try:
            content, *styles = map(str, map(self.store.picture, (order.content, *order.styles)))
            others = {"init": order.init, "content_mask": order.mask}
            more = {role: str(self.store.picture(each)) for role, each in others.items() if each}
            model = self.find_model(order)
        except LookupError as error:
            self.ledger.change(order.id, state=FAILED, error=str(error))
            return
        inputs, is_instant = Inputs(content, tuple(styles), **more), order.way == INSTANT
        settings = dataclasses.replace(order.settings, init=inputs.init or order.settings.init)
        self.progress[order.id] = Progress(folder, began=time.monotonic())
        self.ledger.change(order.id, state=RUNNING)
        self.worker.send(Assignment(order.id, is_instant, inputs, settings, folder, model))

    def find_model(self, order):
        """Return the path of the trained network that paints an order, or None."""
        if not order.model:
            return None
        offers = self.list_offers()
        if order.model not in offers:
            raise LookupError("that trained network is no longer there; choose another one")
        return str(offers[order.model].path)

    def listen(self):
        """Take in an event of the worker, or its death."""
        message = self.worker.receive()
        if isinstance(message, Gone):
            self.bury(message.reason)
            return
        identity, event = message
        with self.lock:
            if isinstance(event, Ready):
                self.worker.is_ready = True
            elif isinstance(event, Notice):
                notices = (*self.ledger.get(identity).notices, event.text)
                self.ledger.change(identity, notices=tuple(dict.fromkeys(notices)))
            else:
                self.progress[identity].take(event)
            if isinstance(event, LAST):
                self.end(identity, event)

    def end(self, identity, event):
        """Note how an order ended."""
        order, stood = self.ledger.get(identity), self.progress.pop(identity)
        _, wanted = self.stopping.pop(identity, (None, STOPPED))
        self.deaths.pop(identity, None)
        seconds = (order.seconds or 0.0) + time.monotonic() - stood.began
        values = {"state": FINISHED, "seconds": seconds}
        if isinstance(event, Painted):
            values["seconds"] = event.seconds
        elif isinstance(event, JobFailed):
            values |= {"state": FAILED, "error": event.error}
        elif isinstance(event, Saved) and not event.finished:
            values |= {"state": wanted, "place": self.ledger.front()}
        self.ledger.change(identity, **values)
        self.store.drop_checkpoints(self.ledger.finished())

    def bury(self, reason):
        """Take down that the worker died; what it had in hand goes on, with another one.

        That one is started with the next order, lest one that cannot live is started for ever.
        """
        log.warning(reason)
        with self.lock:
            for order in reversed(self.ledger.listed(RUNNING)):
                self.take_back(order, reason)
            self.stopping.clear()
            self.worker = None

    def take_back(self, order, reason):
        """Let an order whose worker died wait to go on; fail it if that was no accident."""
        epoch = self.progress.pop(order.id).epoch
        last, deaths = self.deaths.get(order.id, (-1, 0))
        deaths = 1 if epoch > last else deaths + 1
        self.deaths[order.id] = epoch, deaths
        if order.id in self.stopping:
            values = {"state": self.stopping[order.id][1], "place": self.ledger.front()}
        elif deaths < DEATHS:
            values = {"state": WAITING, "place": self.ledger.front()}
        else:
            values = {"state": FAILED, "error": reason}
        self.ledger.change(order.id, **values)

    def kill_what_does_not_stop(self):
        """Kill the worker if it takes no notice of being asked to stop; see `bury`."""
        if any(time.monotonic() > deadline for deadline, _ in self.stopping.values()):
            self.worker.process.kill()
