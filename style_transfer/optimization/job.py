"""One picture, from the paths of its inputs to a finished folder: what `main` does when it runs."""

import contextlib
import dataclasses
import functools
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import click
import numpy as np
from PIL import Image

from style_transfer import files
from style_transfer.commands.console import LOADING, clock
from style_transfer.commands.interrupts import Interrupts
from style_transfer.optimization import schedule
from style_transfer.pictures import images
from style_transfer.runs import folder as runs

EXIT_INTERRUPTED = 128  # plus the number of the signal, as shells have it


class Workshop:
    """What runs share: the compiled training of the last one, for as long as it fits.

    Args:
        animations: what is wanted besides the GIF: `webp`, `video`.
    """

    def __init__(self, animations=()):
        self.animations = animations
        self.key = self.training = None

    def prepare(self, network, settings, kind):
        """Return the `training.Training` for a network and settings.

        Args:
            kind: whatever else its targets' structure depends on.

        Raises:
            click.UsageError: the network does not reach up to the deepest layer.
        """
        from style_transfer.optimization import engine as training
        from style_transfer.optimization import transfer

        key = (network.sha256, training.compiled_for(settings), kind)
        if key != self.key:
            self.key = self.training = None  # lets go of the old one's memory first
            try:
                model = transfer.build_network(network, settings)
            except ValueError as error:
                remedy = "choose other weights or layers"
                raise click.UsageError(f"--weights: {error}; {remedy}") from None
            self.training = training.Training(model, settings)
            self.key = key
        return self.training


def start(inputs, folder, settings, console, deadline=None, workshop=None, expected=None):
    """Make a picture.

    Args:
        inputs: paths of the pictures by role: `content`, `style` and perhaps `init`.
        folder: where the run goes; None for a dry run.
        deadline: by `time.monotonic()`, or None.
        workshop: a `Workshop` that several runs share, or None.
        expected: the record of a run that had the same inputs and weights, or None.

    Raises:
        files.FileError: a file cannot be used.
        click.UsageError: the settings do not fit the weights, or the machine's memory.
        ArithmeticError: the loss diverged.
        OSError: a file could not be written.
    """
    workshop = workshop or Workshop()
    pictures = load_pictures(inputs, console)
    network = load_weights(settings.weights, settings, console)
    if expected:
        check_unchanged(expected, pictures, network)
    settings = dataclasses.replace(settings, weights=network.source)
    sizes = choose_sizes(pictures, settings)
    check_memory(sizes["content"], network, settings)
    say_loading(console)
    job = build(workshop, network, pictures, sizes, settings, console)
    console.say(describe(job, network))
    if network.notice:
        console.say(f"Note: {network.notice}")
    plan(job, network, console, deadline)
    if folder is None:
        return
    record = runs.describe(job.settings, pictures, network, sizes["content"])
    record |= {"device": job.device, "precision": job.precision}
    run = runs.Run.create(folder, record)
    complete(run, pictures, job, console, deadline, workshop.animations)


def resume(folder, given, console, deadline=None, workshop=None):
    """Continue the run that a folder holds.

    Args:
        folder: a `Path`.
        given: settings by name that the user gave; only more epochs are allowed to differ.
        console, deadline, workshop: as for `start`.

    Raises:
        As `start`.
    """
    workshop = workshop or Workshop()
    record, settings = runs.read_record(folder)
    settings = change(settings, given)
    record["settings"] = dataclasses.asdict(settings)
    run = runs.Run(folder, record)
    pictures = load_pictures(runs.locate_inputs(record), console)
    network = load_weights(runs.locate_weights(record), settings, console)
    check_unchanged(record, pictures, network)
    saved, notice = run.load_checkpoint()
    if notice:
        console.say(f"Note: {notice}")
    say_loading(console)
    sizes = choose_sizes(pictures, settings)
    job = build(workshop, network, pictures, sizes, settings, console, saved)
    console.say(f"{describe(job, network)}, continuing after step {run.steps_done}")
    run.image = job.picture if saved else None
    plan(job, network, console, None)
    complete(run, pictures, job, console, deadline, workshop.animations)


def change(settings, given):
    """Return a run's settings with more epochs; refuse whatever else would change them."""
    for name, value in given.items():
        kept = getattr(settings, name)
        if value != kept and not (name == "epochs" and value > kept):
            more = " (or more)" if name == "epochs" else ""
            raise click.UsageError(f"--resume: {name} is {kept}{more} in that run, not {value}")
    return dataclasses.replace(settings, epochs=given.get("epochs", settings.epochs))


def say_loading(console):
    """Say what takes some seconds, unless an earlier run has done it."""
    if "tensorflow" not in sys.modules:
        console.say(LOADING)


def load_pictures(inputs, console):
    """Read the pictures, by role, and say what is noteworthy about them."""
    with console.silence():  # decoders of damaged files print lines of their own
        pictures = {role: images.load(path) for role, path in inputs.items()}
    for notice in (notice for picture in pictures.values() for notice in picture.notices):
        console.say(f"Note: {notice}")
    return pictures


def load_weights(source, settings, console):
    """Load the network's weights; a download shows its progress on standard error."""
    from style_transfer.networks import weights

    with console.silence() as stream, contextlib.redirect_stdout(stream):
        return weights.load(source, seed=settings.seed)


def check_unchanged(record, pictures, network):
    """Raise FileError if the inputs of a run are no longer what they were."""
    remedy = "restore it, or start anew with --overwrite"
    for role, picture in pictures.items():
        if picture.sha256 != record["inputs"][role]["sha256"]:
            raise files.FileError(picture.path, "has changed since the run began", remedy)
    if network.sha256 != record["weights"]["sha256"]:
        raise files.FileError(network.source, "are other weights than the run began with", remedy)


def choose_sizes(pictures, settings):
    """Choose (width, height) for the pictures by role; refuse those that would be too small.

    The content is at most `settings.size` large, the styles in proportion; a mask is as large
    as its picture; a start picture becomes as large as the content later.
    """
    sizes = {role: picture.pixels.size for role, picture in pictures.items()}
    fit = functools.partial(images.fitted_size, enlarge=settings.enlarge)
    sizes["content"] = fit(sizes["content"], settings.size)
    for role in roles(pictures, "style"):
        sizes[role] = fit(sizes[role], round(max(sizes["content"]) * settings.style_scale))
    for role, picture in pictures.items():
        if role.endswith("mask"):
            sizes[role] = sizes[masked(role)]
            check_mask(picture, pictures[masked(role)])
        images.check_sides(picture, sizes[role])
    return sizes


def roles(pictures, kind):
    """Return the roles of one kind, `style` or `style mask`, in order: there may be several."""
    return [role for role in pictures if role.rstrip("0123456789 ") == kind]


def masked(role):
    """Return the role of the picture that a mask belongs to: `style 2` for `style mask 2`."""
    return role.replace(" mask", "")


def check_mask(mask, picture):
    """Raise FileError unless a mask has the size of its picture."""
    if mask.pixels.size != picture.pixels.size:
        size, wanted = ("×".join(map(str, each.pixels.size)) for each in (mask, picture))
        remedy = f"make it as large as {files.printable(picture.path)}: {wanted} px"
        raise files.FileError(mask.path, f"is a mask of {size} px", remedy)


def check_memory(size, network, settings):
    """Raise click.UsageError if the run would need more memory than there is."""
    needed = schedule.estimate_memory(size, network.widths, settings)
    there = schedule.available_memory()
    if needed > there:
        side = schedule.largest_side(there, size, network.widths, settings)
        remedy = f"--size {side} would fit" if side else "no size would fit; free some memory"
        raise click.UsageError(
            f"--size: {size[0]}×{size[1]} px need about {needed / 1e9:.1f} GB of memory, and "
            f"{there / 1e9:.1f} GB are free; {remedy}"
        )


def build(workshop, network, pictures, sizes, settings, console, saved=None):
    """Load TensorFlow and build the `transfer.Transfer`."""
    tensors = {role: images.to_tensor(picture, sizes[role]) for role, picture in pictures.items()}
    photo, mode = tensors["content"], settings.preserve_color
    with console.silence():
        from style_transfer.method import color
        from style_transfer.optimization import transfer

        mask, styles = learn_from(pictures, sizes, tensors, settings)
        content = color.match_content(photo, mode)
        begin = transfer.start_image(content, tensors.get("init", styles[0].picture), settings)
        show = functools.partial(color.restore, content=photo, mode=mode)
        keywords = {"mask": mask, "show": show, "saved": saved}
        regions = () if mask is None else tuple(style.shares for style in styles)
        training = workshop.prepare(network, settings, regions)
        return transfer.Transfer(training, content, styles, begin, settings, **keywords)


def learn_from(pictures, sizes, tensors, settings):
    """Return the mask of the content, or None, and the `functions.Style`s."""
    import functions
    from style_transfer.method import color, regions

    names = roles(pictures, "style")
    blend = settings.blend or (1.0,) * len(names)
    mode, content = settings.preserve_color, tensors["content"]
    matched = [color.match_style(tensors[name], content, mode) for name in names]
    if "content mask" not in pictures:
        pairs = [((share,), None) for share in blend]
        return None, [functions.Style(each, *pair) for each, pair in zip(matched, pairs)]
    shapes = [
        mask_pixels(pictures[role], sizes[role], pictures["content"])
        for role in ("content mask", *roles(pictures, "style mask"))
    ]
    try:
        mask, pairs = regions.pair(shapes[0], shapes[1:], blend)
    except ValueError as error:
        remedy = "see --content-mask in READ.txt"
        raise files.FileError(pictures["content mask"].path, error, remedy) from None
    return mask, [functions.Style(each, *pair) for each, pair in zip(matched, pairs)]


def mask_pixels(mask, size, content):
    """Return a mask in its size (width, height); the content itself stands for its opacity."""
    image = mask.pixels
    if mask.path == content.path:
        if mask.alpha is None:
            remedy = "give another --content-mask"
            raise files.FileError(mask.path, "has no transparency to be a mask", remedy)
        image = mask.alpha
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))


def describe(job, network):
    """Write what computes what, for the start line."""
    height, width = job.shape
    optimizer = "L-BFGS"
    if job.settings.optimizer == "adam":
        optimizer = f"Adam {job.settings.learning_rate:g}"
    return f"{network.name}, {width}×{height} px, {job.precision}, {optimizer}, {job.device}"


def plan(job, network, console, deadline):
    """Time a few steps, fit the run into the time there is, and say what it will cost."""
    seconds = job.measure()
    if deadline is not None:
        left = deadline - time.monotonic()
        job.settings = schedule.fit_into(left, job.scales, seconds, job.settings)
    settings, (height, width) = job.settings, job.shape
    memory = schedule.estimate_memory((width, height), network.widths, settings)
    sides = " → ".join(str(scale.side) for scale in job.scales)
    console.say(
        f"{settings.epochs} epochs of {settings.steps} steps at {sides} px: "
        f"about {clock(job.seconds_left(seconds))}, {memory / 2**30:.1f} GB"
    )


def complete(run, pictures, job, console, deadline, animations):
    """Train to the end, or until asked to stop, and write the result; exit if asked to stop."""
    run.alpha = pictures["content"].alpha if job.settings.keep_alpha else None
    number = train(run, job, console, deadline)
    finish(run, pictures, console, animations=animations, finished=job.is_finished)
    run.close(finished=job.is_finished)
    if number:
        folder = shlex.quote(files.printable(run.folder))
        console.say(f"Stopped after {run.steps_done} steps; to continue:")
        console.say(f"  python main.py --resume {folder}")
        sys.exit(EXIT_INTERRUPTED + number)


def train(run, job, console, deadline):
    """Run the optimization, and save each epoch on the way.

    The steps run in a thread, so that the main one is free for signals.

    Returns:
        The number of the signal that ended it, or None.
    """
    interrupts = Interrupts(quiet=console.quiet)

    def should_stop():
        return bool(interrupts.number or deadline and time.monotonic() >= deadline)

    iterates = job.run(should_stop=should_stop)
    with ThreadPoolExecutor(1) as steps, interrupts, console.progress(job.settings) as show:
        while iterate := steps.submit(next, iterates, None).result():
            run.add(iterate, job)
            show(iterate)
    return interrupts.number


def finish(run, pictures, console, *, animations, finished):
    """Write the result and what shows how it came about, and print the result's path."""
    console.pass_on("Writing the result, the curves, the animation and the report …")
    run.save_result(finished=finished)
    with console.silence():
        from style_transfer.reports import page, report

        report.draw_losses(run.rows, run.path("losses.png"))
        report.animate(run.frames, run.path("progress.gif"))
        shown = {role: pictures[role].pixels for role in ("content", "style")}
        if "webp" in animations:
            report.animate_webp(run.frames, run.path("progress.webp"))
        if "video" in animations:
            report.film(run.frames, run.path("progress.mp4"))
        page.write_report(run.folder, pictures=shown)
    console.erase()
    if run.taken_back:
        steps = "step" if run.taken_back == 1 else "steps"
        console.say(f"Note: {run.taken_back} {steps} raised the loss beyond reason; taken back")
    console.print(run.path("result.png"))
