"""What an HTTP proxy answers to CONNECT.

Owns: reading responses, and the bodies of refusals.
Doesn't know: what they mean.
"""

from __future__ import annotations

from ...exceptions import InvalidProxyMessage
from ...http11 import Response
from ...streams import StreamReader
from .bodies import read_body
from .dialogue import READ, Dialogue, Read, feed
from .traces import response_trace


__all__ = ["read_head", "read_refusal"]

#: Bytes of a refusal's body that are kept: enough for any proxy's error page.
MAX_BODY = 65_536
#: Bytes of a body that are read when the connection can't be done without.
MAX_DRAINED = 2**20
#: Seconds to wait for more of it. The status is what matters; some proxies announce a
#: body, or its end, that never comes.
BODY_PATIENCE = 1.0

INVALID = "did not receive a valid HTTP response from proxy"


def read_head(reader: StreamReader) -> Dialogue[Response]:
    """Read the status line and headers of the final response."""
    while True:
        parser = Response.parse(
            reader.read_line, reader.read_exact, reader.read_to_eof, proxy=True
        )
        try:
            response = yield from feed(reader, parser)
        except ConnectionError as exc:
            # A reset is an end of the stream like any other: same exception.
            eof = EOFError("connection closed while reading HTTP status line")
            eof.__cause__ = exc
            raise InvalidProxyMessage(INVALID) from eof
        except OSError:
            raise
        except Exception as exc:
            raise InvalidProxyMessage(INVALID) from exc
        # RFC 9110 section 15.2: informational responses are skipped. 101 answers a
        # request for an upgrade, which wasn't made.
        yield response_trace(response)
        if response.status_code >= 200 or response.status_code == 101:
            return response


def read_refusal(
    reader: StreamReader, response: Response, needed: bool = False
) -> Dialogue[bool]:
    """
    Read the body of a response, as far as it comes, into ``response.body``.

    Args:
        reader: Where it comes from.
        response: Its head.
        needed: Whether the connection can't be replaced by another one, so that a slow or
            large body is better than none.

    Returns:
        Whether another request may follow on the connection.
    """
    body = bytearray()
    limit = MAX_DRAINED if needed else MAX_BODY
    parser = read_body(reader, response.headers, body, limit)
    try:
        complete = yield from feed(
            reader, parser, READ if needed else Read(BODY_PATIENCE)
        )
    except Exception:  # closed, too slow, malformed: it's a refusal all the same
        complete = False
    response.body = bytes(body[:MAX_BODY])
    return complete
