"""Neural style transfer."""

import os

# No matrix that NumPy decomposes here has more than some hundred rows: a second thread of its
# library gains little, and on a busy machine each waits for the other, ten times as long as it
# computes. With one, the bytes are also the same on any number of cores. Read when NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
