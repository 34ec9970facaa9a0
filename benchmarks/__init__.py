"""
Measurements against other libraries, and of instructions: see README.md here.

Owns: how the library is measured. Doesn't know: how any library works inside.
"""
