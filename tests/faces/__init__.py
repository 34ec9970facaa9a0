"""Scenarios written once, run on every face; see :mod:`tests.faces.faces`."""
