"""Neural style transfer."""

import os

# No matrix that NumPy decomposes here has more than some hundred rows: a second thread of its
# library gains little, and on a busy machine each waits for the other, ten times as long as it
# computes. With one, what it finds does not depend on the number of cores, either. Read when NumPy
# is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
