"""What the networks take: pixels as they were when the network was trained."""

from keras import ops

IMAGENET_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, in [0, 255]
TORCH_MEANS, TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]


def preprocess(image, kind):
    """Turn RGB in [0, 1] into what the network was trained on, the means of ImageNet at 0.

    Args:
        image: (batch, height, width, 3).
        kind: `caffe`, as Keras' own weights, or `torch`, as torchvision's.
    """
    if kind == "torch":
        means, deviations = map(ops.convert_to_tensor, (TORCH_MEANS, TORCH_DEVIATIONS))
        return (image - means) / deviations
    return ops.flip(image, axis=-1) * 255.0 - ops.convert_to_tensor(IMAGENET_MEANS)
