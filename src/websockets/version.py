"""
The version of this library (layer 0).

Doesn't know: git. A released package is what it says; packaging reads
``version`` from this file without running it.
"""

from __future__ import annotations


__all__ = ["commit", "tag", "version"]

released = True
"""Whether this is a release. Test suites replace it to get stable banners."""

version = "18.0"
"""``MAJOR.MINOR``; programs compare it as a string."""

tag = version
"""The git tag of the release."""

commit = version
"""What names the source code of this version in git: the tag, for a release."""
