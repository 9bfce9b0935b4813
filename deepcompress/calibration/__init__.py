"""Pruning and sharing with a few inputs in view, instead of training.

A model, some inputs and what is to be done to each kernel come in; the model goes out
with its kernels changed, and biases and statistics that follow them. `recording` shows
what layers are given, `matrices` makes matrices of kernels and rows of that, `solving`
prunes and shares matrices, `allocation` shares out what is kept among kernels, and
`calibrate` goes from layer to layer. `synthetic` makes inputs up where there are none,
and `statistics` lets batch normalization follow.
"""
