"""From a Keras model to its program, which runs without Keras.

`tracing` follows the live model call by call; for layers and operations of Keras,
tables of rules say which operations of a program they are; `builder` collects these.
"""
