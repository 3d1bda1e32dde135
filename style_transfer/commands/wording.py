"""What is said of what is under way, in words."""

MOST_JOBS = 4  # whose shares have room on a line
SHORT = {"total_variation": "tv"}  # what a term is called where there is little room


def describe_start(planned):
    """Write what computes what, a line."""
    settings, (width, height) = planned.settings, planned.size
    optimizer = "L-BFGS" if settings.optimizer == "lbfgs" else f"Adam {settings.learning_rate:g}"
    parts = [planned.network, f"{width}×{height} px", planned.precision, optimizer, planned.device]
    if planned.steps_done:
        parts.append(f"continuing after step {planned.steps_done}")
    return ", ".join(parts)


def describe_cost(planned):
    """Write what the run will cost, a line."""
    settings, sides = planned.settings, " → ".join(map(str, planned.sides))
    epochs = "1 epoch" if settings.epochs == 1 else f"{settings.epochs} epochs"
    return (
        f"{epochs} of {settings.steps} steps at {sides} px: "
        f"about {clock(planned.seconds)}, {planned.memory / 2**30:.1f} GB"
    )


def describe_progress(iterate, terms):
    """Write time left, losses and pace in a few characters each: all fits into 80 columns."""
    losses = dict(zip(terms, iterate.losses[-1])) | {"total": iterate.totals[-1]}
    shown = " ".join(f"{SHORT.get(name, name)} {value:.2g}" for name, value in losses.items())
    return f"{clock(iterate.seconds_left)} left {shown} {iterate.seconds_per_step:.2g} s/step"


def describe_film_cost(planned):
    """Write what a film will cost, a line."""
    frames = "1 frame" if planned.frames == 1 else f"{planned.frames} frames"
    done = f", {planned.done} of {planned.visits} paintings done" if planned.done else ""
    pace = f"{planned.seconds_first:.2g} s for the first, {planned.seconds_each:.2g} s each"
    if planned.steps:
        pace += f" ({planned.steps} steps)"
    return (
        f"{frames}{done}: {pace}: about {clock(planned.seconds)}, "
        f"{planned.memory / 2**30:.1f} GB of memory, {planned.disk / 2**20:.0f} MB of disk"
    )


def describe_frame(frame):
    """Write that a frame is done, and how many are to come."""
    cut = ", new shot" if frame.is_cut and frame.number > 1 else ""
    return (
        f"frame {frame.number} of {frame.visits}{cut}, {frame.seconds:.2g} s, "
        f"{clock(frame.seconds_left)} left"
    )


def describe_drawn(drawn):
    """Write that a picture of several is there, and how long the others take."""
    left = "" if drawn.seconds_left is None else f", {clock(drawn.seconds_left)} left"
    return f"{drawn.number}/{drawn.count} {drawn.label}{left}"


def describe_ended(ended):
    """Write that one of several jobs that go on at once has ended."""
    left = "" if ended.seconds_left is None else f", {clock(ended.seconds_left)} left"
    return f"[{ended.number}/{ended.count}] {ended.label}{left}"


def describe_jobs(progressed):
    """Write where several jobs that go on at once stand; the first of them, if they are many."""
    parts = [f"{progressed.done} of {progressed.count} done"]
    if progressed.seconds_left is not None:
        parts.append(f"{clock(progressed.seconds_left)} left")
    parts += [f"{label} {share:.0%}" for label, share in progressed.shares[:MOST_JOBS]]
    return ", ".join(parts)


def clock(seconds):
    """Write a duration as minutes and seconds, `3:05`, with hours where there are any."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
