"""Tests of ``websockets._opening`` and ``websockets.proxy``."""
