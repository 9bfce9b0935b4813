"""Lossless coding: one array in, bytes out, and back.

Positions, codebooks, gaps, Huffman codes, contexts: each file is one idea, and two of
them join these to a coder of tensors. `tensor` says what every such coder offers, and
states for the report. Nothing here knows of files, layers or names.
"""
