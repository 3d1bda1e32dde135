"""The page in the browser: what it keeps, what paints, what answers; never TensorFlow itself."""
