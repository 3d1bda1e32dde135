"""What follows from the settings of a run."""

from style_transfer.method.architecture import ARCHITECTURES
from style_transfer.validation import parse_style_layers

# What goes with each `loss`. Lengths leave edges as they are and calm what lies between them:
# ripples of two to four pixels, by which an image can also have the painting's statistics.
# Squares hardly touch those, or blur all edges; absolute values square off slanted strokes.
TV_FORMS = {"relative": "isotropic", "mean": "mean-squared", "gatys": "sum-squared"}


class Derived:
    """The properties of `settings.Settings`."""

    @property
    def architecture(self):
        """The `Architecture` that `network` names."""
        return ARCHITECTURES[self.network]

    @property
    def loss_weights(self):
        """The weights of content, style and total variation: in the order of `functions.TERMS`."""
        return self.content_weight, self.style_weight, self.tv_weight

    @property
    def style_layer_weights(self):
        """The style layers and the weights given to them: `{name: weight}`."""
        return parse_style_layers(self.style_layers)

    @property
    def tv_form(self):
        """The form of the total variation, `auto` decided."""
        if self.tv_loss != "auto":
            return self.tv_loss
        return TV_FORMS[self.loss]

    @property
    def layers(self):
        """All layers whose features are needed, from the image upwards."""
        wanted = {*self.content_layers, *self.style_layer_weights}
        return tuple(name for name in self.architecture.layers if name in wanted)
