"""The program with its stand-in, whose actors on a cluster have that, too.

What an actor is to do comes to it by name: this module has to be found there (PYTHONPATH).
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import standin

from style_transfer.batches import local

POISON = "STAND_IN_POISON"  # names the photo that kills who paints it


class Batch(local.Batch):
    """A batch whose jobs the stand-in does."""

    def __setstate__(self, state):
        self.__dict__.update(state)
        standin.stand_in()

    def perform_one(self, entry, **keywords):
        if entry.label == os.environ.get(POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().perform_one(entry, **keywords)


if __name__ == "__main__":
    import clustered

    local.Batch = clustered.Batch  # by its name, and not as one of `__main__`
    standin.stand_in()
    standin.main.main()
