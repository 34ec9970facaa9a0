"""Limits and banners of HTTP messages, which the environment may change."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from websockets import http11


def test_limits_and_banners_come_from_the_environment():
    """They are read when the module is imported."""
    program = (
        "from websockets import http11;"
        "print(http11.MAX_LINE_LENGTH, http11.MAX_NUM_HEADERS, http11.MAX_BODY_SIZE,"
        " http11.USER_AGENT, http11.SERVER, sep='|')"
    )
    settings = {
        "WEBSOCKETS_MAX_LINE_LENGTH": "1",
        "WEBSOCKETS_MAX_NUM_HEADERS": "2",
        "WEBSOCKETS_MAX_BODY_SIZE": "3",
        "WEBSOCKETS_USER_AGENT": "agent",
        "WEBSOCKETS_SERVER": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1|2|3|agent|\n"


@pytest.mark.parametrize("banner", [http11.USER_AGENT, http11.SERVER])
def test_banner_names_python_and_the_library(banner):
    """Both have a version; the one of Python has no patch level."""
    assert banner == "Python/{}.{} websockets/{}".format(
        *sys.version_info[:2], http11.websockets_version
    )
