"""What each operation of a program computes, in NumPy and with the weights' kernels."""
