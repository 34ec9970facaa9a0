"""Build the optional extension; everything else is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import Extension, setup


SOURCES = sorted(path.as_posix() for path in Path("native").glob("*.c"))
HEADERS = sorted(path.as_posix() for path in Path("native").glob("*.h"))

setup(
    ext_modules=[
        Extension(
            "websockets.speedups",
            sources=SOURCES,
            depends=HEADERS,
            # Without a compiler, or when it fails, the Python twin is installed.
            optional=True,
        )
    ],
)
