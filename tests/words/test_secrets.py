"""What must not be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websockets._secrets import mask_header, mask_url


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Basic YTpi", "***"),
        ("PROXY-AUTHORIZATION", "x", "***"),
        ("cookie", "sid=1", "***"),
        ("Set-Cookie", "sid=1", "***"),
        ("Host", "example.com", "example.com"),
        ("Authorization", "", ""),
    ],
)
def test_mask_header(name, value, shown):
    """Values of headers that carry credentials are masked, whatever the case."""
    assert mask_header(name, value) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        # Nothing to hide
        ("", ""),
        ("ws://h", "ws://h"),
        ("ws://h:80/p?q#f", "ws://h:80/p?q#f"),
        ("ws://h/@", "ws://h/@"),
        ("ws://h:80/a@b", "ws://h:80/a@b"),
        ("ws://h:/a@b", "ws://h:/a@b"),
        ("ws://h?mail=a@b", "ws://h?mail=a@b"),
        ("ws://[::1]/a@b", "ws://[::1]/a@b"),
        ("ws://[::1]:80/a@b", "ws://[::1]:80/a@b"),
        # User information
        ("ws://u:p@h/", "ws://***@h/"),
        ("ws://u@h/", "ws://***@h/"),
        ("ws://@h", "ws://***@h"),
        ("ws://u:p@h/a@b", "ws://***@h/a@b"),
        ("ws://u:p@q@h", "ws://***@h"),
        ("//u:p@h", "//***@h"),
        # Malformed
        ("u:p@h:80", "***@h:80"),
        ("http:/u:p@h", "***@h"),
        ("ws://u:p/q@h/", "ws://***@h/"),
        ("ws://u:p?q@h/", "ws://***@h/"),
        ("ws://u:p#q@h/", "ws://***@h/"),
        ("ws://u:123456/@h/", "ws://***@h/"),
        ("ws://u:\uff11/@h/", "ws://***@h/"),
        ("ws://u:[/@h/", "ws://***@h/"),
        ("u:p@//h", "***@//h"),
        ("u:p@//q@h", "***@h"),
        ("u:p//q@h", "***@h"),
        ("ws://***@h/", "ws://***@h/"),
    ],
)
def test_mask_url(url, shown):
    """User information is masked, in malformed URLs as well."""
    assert mask_url(url) == shown


@given(
    st.text("abc:%[]", min_size=1),
    st.text("xyz:/?#@%[]", min_size=1),
    st.sampled_from(["http://", "//", ""]),
)
def test_mask_url_of_proxy(username, password, scheme):
    """Whatever a password contains, the URL of a proxy never shows it."""
    url = f"{scheme}{username}:pass{password}@h"
    shown = mask_url(url, has_path=False)
    assert "pass" not in shown
    assert "x" not in shown
    assert mask_url(shown, has_path=False) == shown


@given(st.text("ab:%", min_size=1), st.text("xyz:/?#%[]", min_size=1))
def test_mask_url_of_server(username, password):
    """A password with unescaped delimiters isn't shown either, unless it's numeric."""
    assert "pass" not in mask_url(f"ws://{username}:pass{password}@h/path?query")
