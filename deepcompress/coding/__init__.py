"""Lossless coding of NumPy arrays: arrays in, bytes out, and back."""
