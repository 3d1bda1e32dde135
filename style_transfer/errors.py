"""What ends a job: each error is one line that says what was received and what to do.

For files there is `files.FileError`.
"""


class SettingsError(ValueError):
    """Settings do not fit: each other, the inputs, the weights or the machine."""


class ComputationError(RuntimeError):
    """What computes gave up: the memory ran out, or the device failed."""


class BatchError(RuntimeError):
    """Some of several jobs failed; the message names them."""
