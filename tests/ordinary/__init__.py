"""Ordinary models of all kinds, and every verb that people use on them.

A model is a function of a module of its family, registered by `cases.ordinary`; `verbs`
holds what is done with each, `table` makes the page of it. What comes in is what a
person has; a cell is "works" or "refused, because", and all else is a fault.
"""
