"""The process in which a PAC file runs; :mod:`~.pac` starts and ends it.

Owns: fetching the file, running it with pypac.
Doesn't know: proxies, time. Whatever happens, one line of JSON says what.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any


__all__ = ["evaluate", "main"]

#: Bytes; the largest files that companies have are a few hundred thousand.
MAX_SIZE = 4 * 2**20


def main(question: Mapping[str, Any]) -> None:
    """Answer the question on standard output."""
    try:
        answer = {"result": evaluate(**question)}
    except Exception as exc:
        answer = {"error": " ".join(str(exc).split()) or type(exc).__name__}
    json.dump(answer, sys.stdout)


def evaluate(url: str | None, text: str | None, uri: str, host: str) -> str:
    """
    Return what the script says.

    Args:
        url: Where the file is; :obj:`None` if ``text`` is the file.
        text: The file.
        uri: Passed to the script.
        host: The same.

    Raises:
        Exception: Something that makes a text for users.
    """
    try:
        # An extra, which type checkers needn't have.
        parser = importlib.import_module("pypac.parser")
    except ImportError as exc:
        raise RuntimeError(
            f"it takes pypac: pip install websockets[pac] ({exc})"
        ) from exc
    if text is None:
        assert url is not None  # one of them is the file
        text = fetch(url)
    result = parser.PACFile(text).find_proxy_for_url(uri, host)
    return "" if result is None else str(result)


def fetch(url: str) -> str:
    """Return the text of a file. It's never fetched through a proxy."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url) as response:
            data: bytes = response.read(MAX_SIZE + 1)
    except OSError as exc:
        raise RuntimeError(f"it can't be fetched: {exc}") from exc
    if len(data) > MAX_SIZE:
        raise RuntimeError(f"it's larger than {MAX_SIZE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
