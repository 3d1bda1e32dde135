"""Motion between two frames, and how far it can be trusted (Ruder et al., arXiv:1604.08610, 3.3).

A flow is (height, width, 2) float32: how far, in pixels to the right and downwards, the point at
each pixel lies in the other frame. It is found by DIS (Kroeger et al., arXiv:1603.03590) in OpenCV,
which gives the same bits however many threads there are.
"""

import cv2
import numpy as np

from style_transfer.method.color import luminance

LARGEST = 1 / 4  # of the longer side: DIS invents larger ones where there is nothing to hold on to
LEAST = 0.1  # pixels; below, nothing moves: to move an image blurs it
WINDOW = 5  # pixels, over which two explanations of a pixel are compared
FLAT = 4 / 255  # a gradient below it may be noise alone,
NOISY = 2.0  # or one below so many times the noise of the film
GRID = 8  # pixels between the points that the motion of the camera is found by
FEWEST = 0.1  # of a frame that is not flat: less is an object, and no ground to tell it by
FOLLOWING = 0.3  # of the points, at least, that the camera's motion explains
NO_WORSE = 2.0  # times the error: by chance, what moves fits noise better than rest does
BLUR = (5, 5), 0.8  # taps and σ of the Gaussian that softens the trust
DISOCCLUDED = -1.0  # before it: what is behind something in the other frame draws its edge in
CUT = 0.15  # a mean trust below this is another shot
ROOM = 40  # a part of the longer side: how far around what is new it is painted over
THICK = 5  # pixels; what is thinner is the boundary of a motion
CROSSED = np.outer((1, -2, 1), (1, -2, 1)).astype(np.float32)  # second differences both ways
LIT = 2 / 255, (15, 15)  # of another brightness on average over this window: another light
SAME = 1 / 255  # frames that differ by no more are one, shown for longer


def measure(frame, other):
    """Find the motion from one frame to another, both ways, and how far it can be trusted.

    Args:
        frame, other: (height, width, 3) in [0, 1].

    Returns:
        (flow, trust): where in `other` each point of `frame` is, and (height, width) in [0, 1].
    """
    there = calm(find_flow(frame, other), frame, other)
    back = calm(find_flow(other, frame), other, frame)
    return there, find_trust(there, back)


def find_flow(frame, other):
    """Return the flow of DIS from one frame (height, width, 3) to another."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return search.calc(*map(to_gray, (frame, other)), None)


def to_gray(frame):
    """Return the luminance of (height, width, 3) in [0, 1], in the 8 bits that DIS takes."""
    return np.rint(255 * np.clip(luminance(frame)[..., 0], 0, 1)).astype(np.uint8)


def calm(flow, frame, other):
    """Let flat areas move with the camera, where DIS invents motion, and what hardly moves rest."""
    gray = luminance(frame).astype(np.float32)
    least = max(FLAT, NOISY * find_noise(gray))
    flat = cv2.blur(gradient_energy(gray), (WINDOW, WINDOW)) < least**2
    camera = find_camera(flow, ~flat)
    found, simple = (squared_error(frame, warp(other, each)) for each in (flow, camera))
    # What differs by the rounding to 8 bits is no worse: else both would take turns in a sky.
    fits = simple <= NO_WORSE * found + 3 * SAME**2
    flow = np.where((flat & fits)[..., np.newaxis], camera, flow)
    return flow * (lengths(flow) >= LEAST**2)[..., np.newaxis].astype(np.float32)


def find_noise(gray):
    """Estimate the standard deviation of the noise of (height, width, 1).

    By the mask of Immerkær (Computer Vision and Image Understanding 64, 1996), which sees no edges
    that are straight, and the median, so that few others count.
    """
    seen = np.abs(cv2.filter2D(gray, -1, CROSSED))
    return float(np.median(seen)) / (0.6745 * np.sqrt(np.sum(CROSSED**2)))


def find_camera(flow, sure):
    """Fit the motion of a camera, an affine map, to a flow where it is sure; rest if none fits."""
    places = np.argwhere(sure[::GRID, ::GRID])[:, ::-1] * GRID
    if np.mean(sure) < FEWEST:
        return np.zeros_like(flow)
    moved = places + flow[places[:, 1], places[:, 0]]
    matrix, inliers = cv2.estimateAffine2D(
        places.astype(np.float32), moved.astype(np.float32), ransacReprojThreshold=1.0
    )
    if matrix is None or np.mean(inliers) < FOLLOWING:
        return np.zeros_like(flow)
    here = target(np.zeros_like(flow))
    return (here @ matrix[:, :2].T + matrix[:, 2] - here).astype(np.float32)


def agrees(there, back):
    """Tell where a flow and the one back cancel: equation 5 of the paper, turned round."""
    returned = warp_linear(back, there)
    return lengths(returned + there) < 0.01 * (lengths(returned) + lengths(there)) + 0.5


def squared_error(frame, other):
    """Return the (height, width) squared distance of two frames, averaged over a window."""
    return cv2.blur(lengths(frame - other), (WINDOW, WINDOW))


def lengths(flow):
    """Return the (height, width) squared lengths of a flow."""
    return np.einsum("hwc,hwc->hw", flow, flow)  # a sum over an axis of two takes ten times as long


def find_trust(there, back):
    """Tell where a flow can be trusted, by the one back: equations 5 and 6 of the paper.

    With w̃ = back, looked up where there points to, a point is disoccluded where

        |w̃ + there|² > 0.01 (|w̃|² + |there|²) + 0.5,

    and at a motion boundary where |∇u|² + |∇v|² > 0.01 |there|² + 0.002. The edges are softened
    as in the authors' program, in which what is disoccluded grows on the way.

    Args:
        there, back: flows (height, width, 2).

    Returns:
        (height, width) float32 in [0, 1].
    """
    height, width = there.shape[:2]
    found = np.ones((height, width), np.float32)
    found[gradient_energy(there) > 0.01 * lengths(there) + 0.002] = 0.0
    found[~agrees(there, back)] = DISOCCLUDED
    found[~is_inside(there)] = 0.0
    found[lengths(there) > (LARGEST * max(height, width)) ** 2] = 0.0
    return np.clip(cv2.GaussianBlur(found, *BLUR, borderType=cv2.BORDER_REFLECT), 0.0, 1.0)


def gradient_energy(values):
    """Return Σ |∇v|² over the N channels of (height, width, N), by half central differences."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    down = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    right = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    return lengths(down) + lengths(right)


def is_inside(flow):
    """Tell which points lie in the other frame.

    Up to its last row and column: the authors' program does without these, be they at rest.
    """
    height, width = flow.shape[:2]
    x, y = np.moveaxis(target(flow), -1, 0)
    return (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)


def target(flow):
    """Return where a flow points to: (height, width, 2), x and y."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y], axis=-1).astype(np.float32) + flow


def warp_linear(values, flow):
    """Look up (height, width, N) where a flow points to, between its pixels linearly."""
    return cv2.remap(values, target(flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def warp(image, flow):
    """Move an image: look it up where a flow points to.

    Bicubic, since a result is moved again and again, and linear lookup would blur it away.

    Args:
        image: (height, width, 3) in [0, 1].
        flow: (height, width, 2).

    Returns:
        (height, width, 3) in [0, 1], float32; exactly the image where the flow is 0.
    """
    image = np.ascontiguousarray(image, np.float32)
    moved = cv2.remap(image, target(flow), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(moved, 0.0, 1.0)


def leave_room(trust):
    """Return the trust with room around what has just come into sight, to be painted over.

    This departs from the paper. A strip of two pixels a frame, at the edge that a camera moves
    towards, is no place for a stroke, and what was painted there would stay for good. Lines as thin
    as motion boundaries get no room.

    Args:
        trust: (height, width) in [0, 1].
    """
    reach = max(trust.shape) // ROOM
    new = cv2.copyMakeBorder(
        (trust < 0.5).astype(np.uint8), *[reach] * 4, cv2.BORDER_CONSTANT, value=1
    )
    new = cv2.morphologyEx(new, cv2.MORPH_OPEN, np.ones((THICK, THICK), np.uint8))
    inner = np.s_[reach:-reach, reach:-reach]
    near = cv2.dilate(new[inner] & (trust < 0.5), np.ones((2 * reach + 1,) * 2, np.uint8))
    return trust * (1.0 - cv2.blur(near.astype(np.float32), (reach, reach)))


def is_cut(trust):
    """Tell whether two frames are of different shots: next to nothing of the flow is trusted."""
    return float(np.mean(trust)) < CUT


def is_lit_alike(frame, other):
    """Tell where a frame is as bright, and of the same colors, as another; grain averages out."""
    most, window = LIT
    return np.abs(cv2.blur(frame - other, window)).max(axis=-1) <= most


def is_same(frame, other):
    """Tell whether two frames are one, shown for longer."""
    return float(np.max(np.abs(frame - other))) <= SAME + 1e-6
