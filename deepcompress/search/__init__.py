"""`compress`: the smallest file of a model within a budget.

A trained model, data and a budget come in; a file, its model and the curve that led
there go out. `compress` wires the parts, `trainer` trains and measures, `checkpoint`
keeps the state, `result` is what was found.
"""
