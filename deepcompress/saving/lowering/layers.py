"""How each of Keras' layers becomes operations; those that are not here are traced into."""

import keras

from deepcompress.saving.lowering import plain, preprocessing, recurrent, weighted
from deepcompress.saving.lowering.builder import Rule

L = keras.layers

LAYERS: dict[type, Rule] = {
    L.Dense: weighted.dense,
    L.EinsumDense: weighted.einsum_dense,
    L.Embedding: weighted.embedding,
    L.Flatten: plain.flatten,
    L.Reshape: plain.reshape,
    L.Permute: plain.permute,
    L.RepeatVector: plain.repeat_vector,
    L.BatchNormalization: plain.batch_normalization,
    L.LayerNormalization: plain.layer_normalization,
    L.RMSNormalization: plain.rms_normalization,
    L.GroupNormalization: plain.group_normalization,
    L.Activation: plain.activation,
    L.ReLU: plain.relu,
    L.LeakyReLU: plain.leaky_relu,
    L.ELU: plain.elu,
    L.PReLU: plain.prelu,
    L.Softmax: plain.softmax,
    L.Add: plain.merge("add"),
    L.Average: plain.merge("add"),
    L.Subtract: plain.merge("subtract"),
    L.Multiply: plain.merge("multiply"),
    L.Maximum: plain.merge("maximum"),
    L.Minimum: plain.merge("minimum"),
    L.Concatenate: plain.concatenate,
    L.SeparableConv1D: weighted.separable,
    L.SeparableConv2D: weighted.separable,
    L.DepthwiseConv1D: weighted.depthwise,
    L.DepthwiseConv2D: weighted.depthwise,
    **dict.fromkeys((L.Conv1D, L.Conv2D, L.Conv3D), weighted.conv),
    **dict.fromkeys(
        (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose), weighted.conv_transpose
    ),
    **dict.fromkeys((L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D), plain.pool("max")),
    **dict.fromkeys(
        (L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D), plain.pool("average")
    ),
    **dict.fromkeys(
        (L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
        plain.global_("max"),
    ),
    **dict.fromkeys(
        (L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D),
        plain.global_("mean"),
    ),
    **dict.fromkeys((L.UpSampling1D, L.UpSampling2D, L.UpSampling3D), plain.upsampling),
    **dict.fromkeys((L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D), plain.zero_padding),
    **dict.fromkeys((L.Cropping1D, L.Cropping2D, L.Cropping3D), plain.cropping),
    **dict.fromkeys(
        (
            L.Identity,
            L.Dropout,
            L.AlphaDropout,
            L.SpatialDropout1D,
            L.SpatialDropout2D,
            L.SpatialDropout3D,
            L.GaussianDropout,
            L.GaussianNoise,
            L.ActivityRegularization,
        ),
        plain.same,
    ),
    **recurrent.LAYERS,
    **preprocessing.LAYERS,
}
