"""The heads of the compact network: from its features to an estimate of VGG19's own channels.

Each is a linear map with a bias, fitted by least squares to what the published heads make of the
teacher's features. Nothing is trained, and there is one solution.
"""

import keras
import numpy as np

from style_transfer.settings import Settings
from tools import crops
from tools.teachers import border, build_compressed, build_network, short_name

SIZE, COUNT, BATCH = 288, 96, 4  # side of the crops, how many, how many at a time
RIDGE = 1e-6  # of the mean variance: dead channels get no weight


def fit(weights, arrays, pictures, *, seed=0):
    """Fit the heads of the style layers.

    Args:
        weights: `Weights` of the compact network.
        arrays: of the published encoder, with `conv11_aux.weight` (K, N, 1, 1) and so on.
        pictures: (training, held_out) from `crops.load_pictures`.
        seed: of the crops.

    Returns:
        (heads, errors): from layer name to (kernel (N, K), bias (K,)); and to the relative
        squared error on pictures that were not used.
    """
    names = Settings().style_layer_weights
    ours, theirs = build_network(weights), build_compressed(arrays)
    training, held_out = (
        crops.Crops(each, size=SIZE, batch=BATCH, first=0, count=count, seed=seed)
        for each, count in zip(pictures, (COUNT // BATCH, 4))
    )
    heads, errors = {}, {}
    for name in names:
        models = [keras.Model(each.input, each.output[name]) for each in (ours, theirs)]
        head = published_head(arrays, name)
        solution = solve(pair_features(models, head, training, border(name)))
        heads[name] = solution[:-1], solution[-1]
        rest, size = 0.0, 0.0
        for features, wanted in pair_features(models, head, held_out, border(name)):
            rest += np.square(features @ solution - wanted).sum()
            size += np.square(wanted).sum()
        errors[name] = rest / size
    return heads, errors


def published_head(arrays, name):
    """Return a published head as (N + 1, K), the bias as its last row."""
    kernel, bias = (arrays[f"{short_name(name)}_aux.{part}"] for part in ("weight", "bias"))
    return np.concatenate([kernel[:, :, 0, 0].T, bias[np.newaxis]])


def pair_features(models, head, batches, edge):
    """Yield our features (positions, N + 1), a 1 at the end, and their lifted ones (…, K)."""
    for index in range(len(batches)):
        flat = [
            with_constant(model.predict(batches[index][0], verbose=0)[:, edge:-edge, edge:-edge])
            for model in models
        ]
        yield flat[0], flat[1] @ head


def with_constant(features):
    """Flatten (batch, height, width, N) to (positions, N + 1), the last column 1."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)


def solve(pairs):
    """Solve for the (N + 1, K) that takes the one of each pair to the other, by least squares."""
    square = product = 0.0
    for features, wanted in pairs:
        square = square + features.T @ features
        product = product + features.T @ wanted
    small = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
    return np.linalg.solve(square + small, product)
