"""Stage 1: which weights go, how many, and when.

A model and a schedule come in; the model goes out with zeros in it, which are all that
is left of the pruning. `callback` does it in the course of a training, `criteria` score
the weights, `masks` choose by the scores, `schedules` say how many at which step.
"""
