"""What a painted picture is worth, judged by a network that did not paint it.

The judge is the published compressed VGG19 whose heads lift its features to VGG19's own channels
(Wang et al., arXiv:2003.08436). The compact network was distilled from it, heads and all: what is
painted with these heads is near to what is judged, and no other network confirms it. Two errors,
of content and of style, and a measure of the fine ripple that optimization may leave on calm areas.
"""

import keras
import numpy as np
from keras import ops
from PIL import Image
from scipy import ndimage

import functions
from style_transfer.settings import Settings
from tools.teachers import build_compressed, convolve, short_name

BORDER = 16
CONTENT = "block4_conv1"  # the deepest layer but one that has a head


def build_judge(arrays):
    """Build the judge: from images to lifted features after ReLU, by the style layers' names."""
    encoder = build_compressed(arrays)
    names = Settings().style_layer_weights
    lifted = {
        name: ops.relu(convolve(encoder.output[name], arrays, f"{short_name(name)}_aux"))
        for name in names
    }
    model = keras.Model(encoder.input, lifted)
    model.trainable = False
    return model


class Judgement:
    """What pictures of one pair are judged by.

    Args:
        judge: from `build_judge`.
        content, style: (1, height, width, 3) in [0, 1].
    """

    def __init__(self, judge, content, style):
        self.judge, self.photo = judge, content
        self.content = self.features(content)[CONTENT]
        self.grams = {
            name: functions.gram_matrix(each) for name, each in self.features(style).items()
        }

    def features(self, image):
        """Return the judge's features of an image."""
        return functions.extract_features(self.judge, ops.convert_to_tensor(image), border=BORDER)

    def errors(self, image):
        """Return `content` and `style`, relative errors, and `ripple`, in 1/255, of an image.

        And their `total`, with today's default weights, total variation included.
        """
        features = self.features(image)
        style = [
            functions.relative_error(functions.gram_matrix(features[name]), gram)
            for name, gram in self.grams.items()
        ]
        settings = Settings()
        variation = functions.total_variation(ops.convert_to_tensor(image), form=settings.tv_form)
        content = float(functions.relative_error(features[CONTENT], self.content)[0])
        style = float(np.mean([float(each[0]) for each in style]))
        return {
            "content": content,
            "style": style,
            "total": float(np.dot(settings.loss_weights, [content, style, float(variation[0])])),
            "ripple": ripple(self.photo, image),
        }


def ripple(photo, image):
    """Measure the finest octave of an image on its calm areas, in 1/255.

    The finest octave is what is lost when an image is halved: waves of two to four pixels. Calm is
    the quarter of the positions where the photo, and the image itself above that octave, change
    least: there is neither a thing nor a stroke. The middle one of these positions counts.
    """
    light, own = (np.asarray(each)[0].mean(axis=-1) for each in (photo, image))
    calm = np.maximum(ranks(activity(light)), ranks(activity(own)))
    energy = ndimage.gaussian_filter(np.square(own - halved(own)), 4.0)
    return float(255 * np.sqrt(np.median(energy[calm <= np.quantile(calm, 0.25)])))


def halved(light):
    """Return (height, width) without its finest octave."""
    picture = Image.fromarray(light)
    small = picture.resize([side // 2 for side in picture.size], Image.Resampling.LANCZOS)
    return np.asarray(small.resize(picture.size, Image.Resampling.LANCZOS))


def activity(light):
    """Return how much (height, width) changes over 4 to 16 pixels, around each position."""
    band = ndimage.gaussian_filter(light, 2.0) - ndimage.gaussian_filter(light, 8.0)
    return ndimage.gaussian_filter(np.square(band), 8.0)


def ranks(values):
    """Replace values by their ranks, in [0, 1]."""
    order = np.empty(values.size)
    order[np.argsort(values, axis=None)] = np.linspace(0, 1, values.size)
    return order.reshape(values.shape)
