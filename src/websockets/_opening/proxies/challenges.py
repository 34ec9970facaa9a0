"""What a proxy asks for: the values of ``Proxy-Authenticate`` (RFC 9110 section 11.6.1).

Owns: the grammar. Doesn't know: what any scheme means.

A response may have several challenges, in fields of their own, in one field with commas,
or both; parameters are separated by commas too. So a challenge ends where a word isn't
followed by ``=``. What doesn't follow the grammar is skipped up to the next comma: a
scheme that nobody can read is one that isn't offered. All of it takes linear time.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping


__all__ = ["Challenge", "parse_challenges"]

# RFC 9110 section 5.6: OWS, a token, a quoted string. Repetitions are possessive, so no
# input makes them go back.
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
GAP = re.compile(r"[ \t,]*+")
END = r"[ \t]*+(?=,|$)"
SCHEME = re.compile(rf"({TOKEN})(?:[ \t]++|(?=,|$))")
TOKEN68 = re.compile(rf"([A-Za-z0-9._~+/-]++=*+){END}")
# Values that need quotes come without them too (a realm, base64): take what isn't
# a separator.
PARAMETER = re.compile(
    rf"""({TOKEN})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++)){END}"""
)
JUNK = re.compile(r"[^,]++")
ESCAPED = re.compile(r"\\(.)")


@dataclasses.dataclass(frozen=True)
class Challenge:
    """
    A way of authenticating that a proxy offers, or the next step of one.

    Attributes:
        scheme: Its name, in lower case, such as ``"basic"``.
        token: What follows the name, in base64, for schemes that have a dialogue.
        parameters: What follows the name, for other schemes; names in lower case.
        name: The scheme as the proxy spells it.
    """

    scheme: str
    token: str | None = dataclasses.field(default=None, repr=False)
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    name: str = ""


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """
    Parse all values of ``Proxy-Authenticate`` of a response.

    Args:
        values: The fields, in order.

    Returns:
        The challenges, in order, whether their schemes are known or not.
    """
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    for value in values:
        at = 0
        while True:
            at = skip(GAP, value, at)
            if at == len(value):
                break
            if match := PARAMETER.match(value, at):
                name, quoted, plain = match.groups()
                text = plain if quoted is None else ESCAPED.sub(r"\1", quoted)
                parameters.setdefault(name.lower(), text)
                at = match.end()
            elif match := SCHEME.match(value, at):
                at = match.end()
                token = TOKEN68.match(value, at)
                if token is not None:
                    at = token.end()
                name = match[1]
                parameters = {}
                found.append(
                    Challenge(name.lower(), token and token[1], parameters, name)
                )
            else:
                at = skip(JUNK, value, at)
    return found


def skip(pattern: re.Pattern[str], value: str, at: int) -> int:
    """Return the index after what matches."""
    match = pattern.match(value, at)
    assert match is not None  # the gap may be empty; junk starts with what isn't one
    return match.end()
