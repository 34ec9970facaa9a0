"""Which compression library does the work, when the program doesn't say.

Owns: the choice, made when the first compressed message comes: zlib, or what the extra
``speed`` installs.
Doesn't know: connections, messages, negotiation.

Measured with JSON, windows of 4 KiB and ``memLevel`` 5, in microseconds and as the share of
the size that is left, at 100 B, 1 KiB and 16 KiB:

=======  ==================  ================  =========  =======  ================  ========
engine   compress            share             memory     |        decompress        memory
=======  ==================  ================  =========  =======  ================  ========
zlib     3.4 / 17 / 222      .23 / .20 / .17    31 KiB    |        .5 / 5.0 / 31      10 KiB
zlib-ng  2.8 / 11 / 101      .24 / .19 / .16   157 KiB    |        .5 / 3.6 / 17      14 KiB
isal     3.5 /  6 /  26      .29 / .23 / .20    82 KiB    |        1.2 / 5.4 / 16     26 KiB
=======  ==================  ================  =========  =======  ================  ========

So zlib-ng decompresses, and never compresses: the memory that it takes has no relation to
what it saves on small messages. isal compresses large messages: a third of the time or less.
It has levels and strategies of its own, so programs that ask for one get zlib, whose numbers
they mean.
"""

from __future__ import annotations

import functools
import importlib
import zlib
from collections.abc import Callable, Collection
from typing import Any, Protocol, cast


__all__ = ["Engine", "compressor", "corrupt", "decompressor"]

# Bytes of the first message from which isal compresses: below, it is hardly faster.
LARGE = 512

# Settings that mean the same to all engines.
COMMON_SETTINGS = {"memLevel"}


class Engine(Protocol):
    """
    A compression library with the interface of :mod:`zlib`, such as that module itself.

    Its ``error`` exception, when it has one, tells that data is corrupt; otherwise it
    raises :exc:`zlib.error`.
    """

    @property
    def compressobj(self) -> Callable[..., Any]:
        """Make an object like that of :func:`zlib.compressobj`."""
        ...

    @property
    def decompressobj(self) -> Callable[..., Any]:
        """Make an object like that of :func:`zlib.decompressobj`."""
        ...


@functools.cache
def find(name: str) -> Engine:
    """Return the engine of this name when it is installed, else zlib."""
    try:
        return cast(Engine, importlib.import_module(name))
    except ImportError:
        return zlib


def compressor(engine: Engine | None, settings: Collection[str], size: int) -> Engine:
    """
    Return the engine that compresses the messages of a connection.

    Args:
        engine: what the program chose.
        settings: names of the settings for ``compressobj()``, except ``wbits``.
        size: bytes of the first message, or of its first fragment.

    """
    if engine is not None:
        return engine
    if size < LARGE or not COMMON_SETTINGS.issuperset(settings):
        return zlib
    return find("isal.isal_zlib")


def decompressor(engine: Engine | None) -> Engine:
    """Return the engine that decompresses, given what the program chose."""
    return find("zlib_ng.zlib_ng") if engine is None else engine


def corrupt(engine: Engine | None) -> type[Exception]:
    """Return the exception by which this :func:`decompressor` refuses data."""
    error: type[Exception] = getattr(decompressor(engine), "error", zlib.error)
    return error
