"""The file format: named NumPy arrays in, the bytes of a `.dcz` file out, and back.

What comes in are arrays by name, the architecture as text, and assets, which are bytes
by name; what goes out are bytes, and the figures that a report is made of. This room is
below the wall: it knows NumPy and C, and nothing of Keras. `docs/format.md` is its
contract.
"""
