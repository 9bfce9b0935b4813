"""A model computes from its file, without Keras: weights stay as they are held there.

`matrix` multiplies with a compressed weight matrix in the form that suits it. This room
is below the wall: it knows NumPy and C, and nothing of Keras.
"""
