"""What runs from the shell: the command `deepcompress`, and its demo.

Words come in, files and tables go out, and errors become one line and an exit status.
Nothing imports this room.
"""
