"""
One module per way of programming: what a program of its users would look like.

Owns: how each library is called. Doesn't know: what is measured, except ``base``.
"""
