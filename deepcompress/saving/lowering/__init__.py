"""From a Keras model to its program, which runs without Keras."""
