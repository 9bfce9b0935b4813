"""The smaller model that a pruned one equals.

A pruned model comes in, a smaller one that computes the same goes out. `graph` follows
the units of every tensor through the layers, `rules` say how each kind of layer carries
its units, and `shrink` builds the model anew with the units that are needed.
"""
