"""Files of other formats in `.dcz` files: the same bytes come back.

A foreign file is parted into tensors, which are coded as arrays, by the names that
they have there, and the rest, which is packed as it is; a layout says how they
interleave. To know a format is to know where its tensors stand, and nothing else:
whatever a parser makes of a file, the same bytes come back.
"""
