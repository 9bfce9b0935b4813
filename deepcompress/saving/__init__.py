"""A Keras model as a `.dcz` file, and back.

A model comes in and bytes go out, by way of named arrays; or bytes come in, and a new
model or the weights of a given one go out. All that is known of both Keras and files
meets here, and nowhere else.
"""
