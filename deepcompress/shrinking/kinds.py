"""Which rule each kind of layer follows: a new rule is a class, and a line here."""

from keras import layers

from deepcompress.shrinking import rules, weighted


def _of_every_rank(*names: str) -> list[type]:
    """Returns the layers of such names for one, two and three dimensions."""
    return [getattr(layers, f"{name}{n}D") for name in names for n in (1, 2, 3)]


_KINDS: dict[type[rules.Rule], list[type]] = {
    weighted.Kernel: [layers.Dense, *_of_every_rank("Conv")],
    weighted.Depthwise: [layers.DepthwiseConv1D, layers.DepthwiseConv2D],
    weighted.Separable: [layers.SeparableConv1D, layers.SeparableConv2D],
    weighted.Normalization: [layers.BatchNormalization],
    rules.Elementwise: [layers.Activation, layers.ELU, layers.LeakyReLU, layers.ReLU],
    rules.Flatten: [layers.Flatten, layers.Reshape],
    rules.Concatenate: [layers.Concatenate],
    rules.Merge: [
        *(layers.Add, layers.Average, layers.Maximum),
        *(layers.Minimum, layers.Multiply, layers.Subtract),
    ],
    rules.Pad: _of_every_rank("ZeroPadding"),
    rules.Pass: [
        *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise),
        layers.Identity,
        *_of_every_rank("UpSampling"),
        *_of_every_rank("MaxPooling", "AveragePooling", "Cropping", "SpatialDropout"),
        *_of_every_rank("GlobalMaxPooling", "GlobalAveragePooling"),
    ],
}
# By the class itself: a subclass may compute something else.
RULES = {layer: rule for rule, kinds in _KINDS.items() for layer in kinds}
