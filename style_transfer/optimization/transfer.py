"""One picture: its state and its loop, a generator of what is worth showing or saving."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from style_transfer.optimization import schedule, states
from style_transfer.optimization.device import on_device
from style_transfer.optimization.divergence import check_finite, weigh
from style_transfer.optimization.events import Iterate
from style_transfer.optimization.resizing import resize, resize_mask, resize_to
from style_transfer.optimization.stepping import Stepper, StoppedError
from style_transfer.optimization.targets import Style

SECONDS_BETWEEN_ITERATES = 1.0
LARGEST_START = 2048  # longer side in pixels: what one pass paints of a larger picture is enlarged
LONG = 30.0  # seconds of the first evaluation, compiling included, from which it says enough


@dataclass(frozen=True)
class Material:
    """What a picture is made from.

    Attributes:
        content: image (1, height, width, 3).
        styles: a list of `targets.Style`; their sizes may differ.
        start: image to start from, of any size; or a function that paints one from a `Material`
            like this, in the first size of the run; None: noise.
        mask: regions of the content, see `targets.compute_targets`.
        show: function from an image that was optimized to the one to show.
    """

    content: Any
    styles: list
    start: Any
    mask: Any = None
    show: Callable = np.asarray


class Transfer:
    """A style transfer, ready to run. Every one with the same arguments yields the same images.

    Args:
        engine: an `engine.Engine` for such settings; others may use it at the same time.
        material: a `Material`.
        settings: weights of the losses, scales, epochs, steps, optimizer.
        saved: from `save`, to continue where another one was.
        room: a `room.Room` that each evaluation must fit into; None: it does.

    Attributes:
        progress: called with the share of the steps under way that is done, now and then.

    Raises:
        ValueError: what was saved is not of such a run.
    """

    def __init__(self, engine, material, settings, *, saved=None, room=None):
        self.engine = engine
        self.stepper = Stepper(engine, room)
        self.progress = lambda share: None
        self.material = material
        self.settings = settings
        self.shape = material.content.shape[1:3]
        sides = [self.shape, *(style.picture.shape[1:3] for style in material.styles)]
        smallest = min(side for pair in sides for side in pair)
        self.scales = schedule.plan_scales(max(self.shape), smallest, settings)
        self.weights = np.array(engine.list_weights(settings), np.float32)
        self.position = schedule.Position()
        self.state = self.goal = None
        self.chunk = 1  # steps that take about a second
        self.first_seconds = 0.0  # of the evaluation that a size begins with
        self.is_new = saved is None
        if saved:
            self.restore(*saved)
        else:
            self.enter_scale(self.paint_start() if callable(material.start) else material.start)

    @on_device
    def paint_start(self):
        """Let the material's function paint the start, in the size of the position or smaller."""
        factor = min(self.factor, LARGEST_START / max(self.shape))
        content = resize(self.material.content, factor)
        mask = resize_mask(self.material.mask, content.shape[1:3])
        there = {"content": content, "styles": self.resize_styles(factor), "mask": mask}
        return self.material.start(dataclasses.replace(self.material, **there))

    @on_device
    def enter_scale(self, image):
        """Begin at the scale of the position, from an image of any size, or from noise."""
        shape = self.compute_goal()
        if image is None:
            generator = np.random.default_rng(self.settings.seed)
            image = generator.uniform(size=(1, *shape, 3)).astype(np.float32)
        self.position.epochs = 0
        share, _ = self.warm_up()
        self.position.style_share = share
        self.chunk = 1
        self.state = None  # a large picture's need not be there twice
        self.state = self.engine.optimizer.start(resize_to(image, shape))
        _, self.first_seconds = self.take_steps(1)
        # The loss may rise while the weight of the style grows.
        self.position.totals = (self.total,) if share == 1.0 else ()

    @property
    def factor(self):
        """The scale of the position, relative to the final size."""
        return self.scales[self.position.scale].side / max(self.shape)

    def warm_up(self):
        """Return `schedule.warm_up` at the position."""
        position, steps = self.position, self.settings.steps
        done = position.epochs * steps + position.step
        planned = self.scales[position.scale].epochs * steps
        return schedule.warm_up(done, planned, self.settings)

    def compute_goal(self):
        """Compute the targets at the scale of the position; return its (height, width).

        At the last one the pictures have then served, and a large one's memory is let go of.
        """
        content = resize(self.material.content, self.factor)
        self.goal = self.compute_targets(content)
        if self.is_last_scale:
            self.material = dataclasses.replace(self.material, content=None, styles=[])
        return content.shape[1:3]

    def compute_targets(self, content):
        """Compute the targets at the scale of the position, the content being of that size."""
        mask = resize_mask(self.material.mask, content.shape[1:3])
        styles = self.resize_styles(self.factor)
        return self.stepper.compute_targets(content, styles, self.settings, mask)

    def resize_styles(self, factor):
        """Return the styles at a scale, relative to the final size."""
        styles = []
        for style in self.material.styles:
            picture = resize(style.picture, factor)
            mask = resize_mask(style.mask, picture.shape[1:3])
            styles.append(Style(picture, style.shares, mask))
        return styles

    def save(self):
        """Return all there is to know in order to continue: (arrays, header).

        The arrays are tensors by name: a step makes new ones and changes none.
        """
        header = {"scales": [dataclasses.astuple(scale) for scale in self.scales]}
        header["position"] = dataclasses.asdict(self.position)
        return states.flatten(self.state), header

    @on_device
    def restore(self, arrays, header):
        """Continue from what `save` returned; epochs beyond its plan go to the last scale."""
        self.scales = [schedule.Scale(*values) for values in header["scales"]]
        self.position = schedule.Position(**header["position"])
        self.position.totals = tuple(self.position.totals)
        planned = sum(scale.epochs for scale in self.scales)
        if self.settings.epochs > planned:
            last = self.scales[-1]
            epochs = last.epochs + self.settings.epochs - planned
            self.scales[-1] = schedule.Scale(last.side, epochs)
            if self.is_last_scale:
                self.position.totals = self.position.totals[-1:]  # else it may count as settled
        shape = self.compute_goal()
        example = self.engine.optimizer.start(np.zeros((1, *shape, 3), np.float32))
        self.state = states.unflatten(arrays, example)
        self.material = dataclasses.replace(self.material, start=None)

    @property
    @on_device
    def image(self):
        """The image to show, (1, height, width, 3), in the final size."""
        image = self.engine.optimizer.shown_image(self.state)
        return self.material.show(np.asarray(resize_to(image, self.shape)))  # mostly no copy

    @property
    def total(self):
        """The weighted loss of the image."""
        return float(weigh(self.state["losses"].numpy(), self.weights))

    @property
    def taken_back(self):
        """Number of steps that the optimizer has taken back so far."""
        return self.position.taken_back + int(self.state.get("taken_back", 0))

    def take_steps(self, count, *others):
        """Take so many steps; return (losses, seconds): (count, terms), and the time of each.

        Args:
            others: `after_block` of `Stepper.take_steps`.
        """
        begin = time.perf_counter()
        share, terms = self.position.style_share, self.engine.terms
        shares = [share if term == "style" else 1.0 for term in terms]
        weights = self.weights * np.float32(shares)
        arguments = self.state, self.goal, weights, count, *others
        self.state, losses = self.stepper.take_steps(*arguments)
        return losses.numpy(), (time.perf_counter() - begin) / count

    def time_step(self):
        """Return the seconds that a step takes at this scale; nothing is done for good."""
        if self.first_seconds > LONG:
            return self.first_seconds
        state = dict(self.state)  # as steps in blocks let go of what they have taken in
        # In blocks one tells enough, and a second one would keep a third state.
        _, seconds = self.take_steps(1 if self.stepper.find_cut(state) else 2)
        self.state = state
        return seconds

    def run(self, *, should_stop=lambda: False):
        """Run: a generator of `Iterate`, about one a second and one an epoch.

        The first is the start image, unless the run continues another.

        Args:
            should_stop: asked after every iterate; if it says so, the run ends with an image
                there and then, and another one can continue from what `save` returns.

        Raises:
            DivergedError: the loss became infinite or not a number.
        """
        if self.is_new:
            yield self.first_iterate()
        while True:
            while not self.is_over(self.scales[self.position.scale]):
                iterate = self.advance(should_stop)
                yield iterate
                if iterate.stopped:
                    return
            if self.is_finished:
                return
            self.enter_next_scale()

    @on_device
    def enter_next_scale(self):
        """Go on at the next scale, from the image of this one."""
        image = self.engine.optimizer.shown_image(self.state)
        self.position.taken_back = self.taken_back
        self.position.scale += 1
        self.enter_scale(image)

    @on_device
    def first_iterate(self):
        """Return the `Iterate` of the start image."""
        losses = self.state["losses"].numpy()[np.newaxis]
        totals = weigh(losses, self.weights)
        check_finite(totals, 0, self.settings)
        start = self.material.start
        self.material = dataclasses.replace(self.material, start=None)
        if start is None or callable(start) or self.is_last_scale:
            image = self.image
        else:
            image = self.material.show(np.asarray(resize_to(start, self.shape)))
        return Iterate(0, 0, losses, totals, image)

    @property
    def is_finished(self):
        """Whether nothing is left to do."""
        return self.is_last_scale and self.is_over(self.scales[-1])

    @property
    def is_last_scale(self):
        """Whether the position is at the final size."""
        return self.position.scale == len(self.scales) - 1

    def is_over(self, scale):
        """Tell whether a scale had all its epochs, or its loss has settled."""
        position = self.position
        between_epochs = position.step == 0
        settled = between_epochs and schedule.has_settled(position.totals, self.settings.patience)
        return position.epochs >= scale.epochs or settled

    @on_device
    def advance(self, should_stop):
        """Run about a second, at most to the end of the epoch; return the `Iterate`.

        Where that takes longer, block by block, it can be stopped after a block.
        """
        position, steps = self.position, self.settings.steps
        epoch, before = position.epoch + 1, position.epoch * steps + position.step
        most = self.continue_warm_up()
        count = min(self.chunk, most, steps - position.step)
        try:
            losses, seconds = self.take_steps(count, self.watcher(should_stop))
        except StoppedError:
            return self.left_iterate(epoch, before)
        totals = weigh(losses, self.weights)
        check_finite(totals, before + 1, self.settings)
        self.chunk = max(1, int(SECONDS_BETWEEN_ITERATES / seconds))
        position.step += count
        left = self.seconds_left(seconds)
        if ended := position.step == steps:
            position.epochs, position.epoch, position.step = position.epochs + 1, epoch, 0
            position.totals += (self.total,)
        stopped = should_stop()
        return Iterate(
            epoch=epoch,
            step=before + count,
            losses=losses,
            totals=totals,
            image=self.image if ended or stopped else None,
            seconds_per_step=seconds,
            seconds_left=left,
            taken_back=self.taken_back,
            stopped=stopped,
            notices=self.stepper.take_notices(),
        )

    def watcher(self, should_stop):
        """Return what is called after each block."""

        def after_block(share):
            self.progress(share)
            if should_stop():
                raise StoppedError

        return after_block

    def left_iterate(self, epoch, step):
        """Return the `Iterate` of a run that was stopped in the middle of a step."""
        none = np.empty((0, len(self.engine.terms)), np.float32)
        found = Iterate(epoch, step, none, none[:, 0], self.image, stopped=True)
        return dataclasses.replace(found, taken_back=self.taken_back)

    def continue_warm_up(self):
        """Give the style its share of its weight; return for how many steps it has it."""
        share, most = self.warm_up()
        if share != self.position.style_share:
            self.position.style_share = share
            state = self.engine.optimizer.reweighted(self.state)
            if state is not self.state:
                self.state = state
                self.take_steps(1)
        return most

    def seconds_left(self, seconds):
        """Estimate the time to the end from the seconds of a step."""
        position, steps = self.position, self.settings.steps
        scale = self.scales[position.scale]
        here = steps * (scale.epochs - position.epochs) - position.step
        return schedule.seconds_left(self.scales, scale, here, seconds, steps)
