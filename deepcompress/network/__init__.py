"""What the library knows of a Keras model, told once.

A model comes in; out go its variables with their names and axes, the moments of their
gradients, and the ties that hold a mask or a sharing true in training. The only
private attributes of Keras that the library touches are in `internals`.
"""
