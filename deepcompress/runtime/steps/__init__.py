"""What each operation of a program computes, in NumPy and with kernels.

Each module has a table from kinds of operations to builders: a builder takes an
operation and the arrays of the file, checks that they fit, and returns the step.
"""
