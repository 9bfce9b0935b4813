"""`compress`: the smallest file of a model within a budget.

A trained model, data and a budget come in; a file, its model and the curve that led
there go out. `compress` wires the parts: `policy` decides on the numbers in `state`,
`level` does what it says, `trainer` trains and evaluates, `checkpoint` keeps
what was reached, `display` tells of it, and `result` is what was found.
"""
