"""
HTTP/1.1 requests and responses, as far as WebSocket needs them (layer 1).

Owns: the grammar of one request without a body and of one response with a body
(:rfc:`9112`), and the limits on their size.
Doesn't know: what the headers mean, beyond those that delimit a body; connections,
which carry one request each.

The parsers are strict: they refuse what two implementations could understand in two ways,
which is what request smuggling is made of. They are linear: no input, however cut into
pieces, makes them look at a byte more than a few times.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator

from ._codec import read_request, read_response
from ._secrets import mask_header
from .datastructures import Headers
from .exceptions import (
    HeaderLineTooLong,
    RequestLineTooLong,
    SecurityError,
    StatusLineTooLong,
    TooManyHeaders,
)
from .streams import StreamReader
from .version import version as websockets_version


__all__ = ["SERVER", "USER_AGENT", "Request", "Response"]

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

# Values of the User-Agent and Server headers. They are public: the documentation of
# connect() and serve() says how to change them.
USER_AGENT = os.environ.get(
    "WEBSOCKETS_USER_AGENT",
    f"Python/{PYTHON_VERSION} websockets/{websockets_version}",
)
SERVER = os.environ.get(
    "WEBSOCKETS_SERVER",
    f"Python/{PYTHON_VERSION} websockets/{websockets_version}",
)

# Limits, in the order in which a message meets them. 8 KiB a line and about 100 lines
# are what web servers commonly accept.
MAX_LINE_LENGTH = int(os.environ.get("WEBSOCKETS_MAX_LINE_LENGTH", "8192"))
MAX_NUM_HEADERS = int(os.environ.get("WEBSOCKETS_MAX_NUM_HEADERS", "128"))
MAX_BODY_SIZE = int(os.environ.get("WEBSOCKETS_MAX_BODY_SIZE", "1_048_576"))

# RFC 9110 §5.6.2
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
is_token = re.compile(TOKEN).fullmatch

# RFC 9112 §3.2, loosely: anything that can't be taken for the end of the target.
is_target = re.compile(r"[!-~]+").fullmatch

# RFC 9110 §5.5: visible characters, spaces, tabs, and bytes above 0x7F (obs-text).
TEXT = r"[\t -~\x80-\xff]*"
is_text = re.compile(TEXT).fullmatch

# A valid header line, without spaces around its value. The value starts and ends with a
# visible character; quantifiers are possessive where backtracking would be quadratic.
find_headers = re.compile(
    rf"^({TOKEN}+):[\t ]*+((?:[!-~\x80-\xff](?:{TEXT}[!-~\x80-\xff])?)?)[\t ]*\r\n",
    re.MULTILINE,
).findall

# RFC 9112 §7.1. Sizes of 18 or 15 digits exceed any sensible limit, and fit in 64 bits.
is_length = re.compile(r"[0-9]{1,18}").fullmatch
match_chunk = re.compile(rf"([0-9A-Fa-f]{{1,15}})(?:;{TEXT})?").fullmatch

# What the parsers expect, so that programs can bring their own StreamReader.
ReadLine = Callable[[int, type[Exception]], Generator[None, None, bytes | bytearray]]
ReadExact = Callable[[int], Generator[None, None, bytes | bytearray]]
ReadToEOF = ReadLine


@dataclasses.dataclass
class Request:
    """
    An HTTP request of the opening handshake.

    Attributes:
        path: request target: path and optional query.
        headers: HTTP headers.
        method: HTTP method; only ``GET`` opens a WebSocket connection.
        protocol: HTTP version; only ``HTTP/1.1`` opens a WebSocket connection.

    """

    path: str
    headers: Headers
    method: str = "GET"
    protocol: str = "HTTP/1.1"

    _exception: Exception | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def exception(self) -> Exception | None:
        """Deprecated: use :attr:`ServerProtocol.handshake_exc` instead."""
        warnings.warn(
            "Request.exception is deprecated; use ServerProtocol.handshake_exc instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self._exception

    @classmethod
    def parse(cls, read_line: ReadLine) -> Generator[None, None, Request]:
        """
        Parse a request (:rfc:`9112`, section 3).

        This is a generator: it yields whenever it needs more bytes and returns the
        request. Any method is accepted, in HTTP/1.1 or HTTP/1.0. The path and the headers
        are only checked to be well formed.

        Args:
            read_line: generator function that reads a line, ending with LF, or raises an
                exception; see :meth:`StreamReader.read_line`.

        Raises:
            EOFError: if the connection is closed before the end of the headers.
            RequestLineTooLong: if the request line exceeds 8 KiB.
            HeaderLineTooLong: if a header exceeds 8 KiB.
            TooManyHeaders: if there are more than 128 headers.
            ValueError: if the request isn't well formed, or announces a body.
            NotImplementedError: if the request has a ``Transfer-Encoding`` header.

        """
        head = yield from take_head(read_line)
        try:
            line, rest = yield from first_line(read_line, head, RequestLineTooLong)
        except EOFError as exc:
            raise EOFError("connection closed while reading HTTP request line") from exc
        method, path, protocol = parse_request_line(line)
        headers = yield from parse_headers(read_line, rest)

        # A body would be taken for WebSocket frames, or the other way round.
        if "Transfer-Encoding" in headers:
            raise NotImplementedError("transfer codings aren't supported")
        if any(length != "0" for length in headers.get_all("Content-Length")):
            raise ValueError("unsupported request body")

        return cls(path, headers, method, protocol)

    @classmethod
    def _read(cls, data: bytes | bytearray) -> tuple[Request, int] | None:
        """
        Parse a request that is here in one piece and as nearly all are.

        Returns:
            The request, and its size; :obj:`None` to have :meth:`parse` look at it.

        """
        head = read_request(data, MAX_LINE_LENGTH, MAX_NUM_HEADERS)
        if head is None:
            return None
        path, lines, size = head
        return cls(path, Headers._of_lines(lines)), size

    def serialize(self) -> bytes:
        """
        Serialize the request.

        Raises:
            ValueError: if the method or the path can't be sent, for example because of a
                space, a control character or a non-ASCII character.

        """
        if self.method != "GET" and not is_token(self.method):
            raise ValueError(f"invalid HTTP method: {self.method!r}")
        if not is_target(self.path):
            raise ValueError(f"invalid HTTP request target: {self.path!r}")
        line = f"{self.method} {self.path} {self.protocol}\r\n"
        return line.encode("ascii") + self.headers.serialize()


@dataclasses.dataclass
class Response:
    """
    An HTTP response of the opening handshake.

    Attributes:
        status_code: status code, from 100 to 599.
        reason_phrase: reason phrase; often empty nowadays.
        headers: HTTP headers.
        body: body; empty for a response that opens a WebSocket connection.

    """

    status_code: int
    reason_phrase: str
    headers: Headers
    body: bytes | bytearray = b""

    _exception: Exception | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def exception(self) -> Exception | None:
        """Deprecated: use :attr:`ClientProtocol.handshake_exc` instead."""
        warnings.warn(
            "Response.exception is deprecated; use ClientProtocol.handshake_exc instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self._exception

    @classmethod
    def parse(
        cls,
        read_line: ReadLine,
        read_exact: ReadExact,
        read_to_eof: ReadToEOF,
        proxy: bool = False,
    ) -> Generator[None, None, Response]:
        """
        Parse a response (:rfc:`9112`, section 4), with its body.

        This is a generator: it yields whenever it needs more bytes and returns the
        response. A body is delimited by ``Transfer-Encoding: chunked``, by
        ``Content-Length`` or by the end of the connection.

        Args:
            read_line: generator function that reads a line; see
                :meth:`StreamReader.read_line`.
            read_exact: generator function that reads a number of bytes; see
                :meth:`StreamReader.read_exact`.
            read_to_eof: generator function that reads the rest; see
                :meth:`StreamReader.read_to_eof`.
            proxy: the response answers a CONNECT request: HTTP/1.0 is accepted and the
                body isn't read.

        Raises:
            EOFError: if the connection is closed before the end of the response.
            StatusLineTooLong: if the status line exceeds 8 KiB.
            HeaderLineTooLong: if a header exceeds 8 KiB.
            TooManyHeaders: if there are more than 128 headers.
            SecurityError: if the body exceeds 1 MiB, or its length is ambiguous.
            ValueError: if the response isn't well formed.
            NotImplementedError: if the transfer coding isn't ``chunked``.

        """
        head = yield from take_head(read_line)
        try:
            line, rest = yield from first_line(read_line, head, StatusLineTooLong)
        except EOFError as exc:
            raise EOFError("connection closed while reading HTTP status line") from exc
        status_code, reason_phrase = parse_status_line(line, proxy)
        headers = yield from parse_headers(read_line, rest)
        body: bytes | bytearray = b""
        if not proxy:
            body = yield from read_body(
                status_code, headers, read_line, read_exact, read_to_eof
            )
        return cls(status_code, reason_phrase, headers, body)

    @classmethod
    def _read(cls, data: bytes | bytearray) -> tuple[Response, int] | None:
        """
        Parse a response that opens a connection, here in one piece, and as most are.

        Returns:
            The response, and its size; :obj:`None` to have :meth:`parse` look at it.

        """
        head = read_response(data, MAX_LINE_LENGTH, MAX_NUM_HEADERS)
        if head is None:
            return None
        reason_phrase, lines, size = head
        return cls(101, reason_phrase, Headers._of_lines(lines)), size

    def serialize(self) -> bytes:
        """
        Serialize the response.

        Raises:
            ValueError: if the reason phrase can't be sent, for example because of a
                control character.

        """
        if not is_text(self.reason_phrase):
            raise ValueError(f"invalid HTTP reason phrase: {self.reason_phrase!r}")
        # An int, not an HTTPStatus, whose format depends on the version of Python.
        line = f"HTTP/1.1 {int(self.status_code)} {self.reason_phrase}\r\n"
        return line.encode("latin-1") + self.headers.serialize() + self.body


# -- lines: from a head that is here already, or one by one


def take_head(read_line: ReadLine) -> Generator[None, None, str | None]:
    """
    Return the head of a message, if all of it arrives in one piece and it is short.

    In a head of at most MAX_LINE_LENGTH bytes no line can be too long.
    """
    if getattr(read_line, "__func__", None) is not StreamReader.read_line:
        return None  # A replacement for StreamReader, or a subclass.
    reader: StreamReader = read_line.__self__  # type: ignore[attr-defined]  # a method
    while not reader.buffer and not reader.eof:
        yield
    head = reader.take_head(MAX_LINE_LENGTH)
    return None if head is None else head.decode("latin-1")


def first_line(
    read_line: ReadLine,
    head: str | None,
    too_long_exc_type: type[Exception],
) -> Generator[None, None, tuple[str, str | None]]:
    """Return the first line of a message, and the rest of the head if there is a head."""
    if head is None:
        return (yield from parse_line(read_line, too_long_exc_type)), None
    line, _, rest = head.partition("\n")
    return strip_cr(line), rest


def parse_line(
    read_line: ReadLine,
    too_long_exc_type: type[Exception] = SecurityError,
) -> Generator[None, None, str]:
    """Read a line and return it without its CRLF."""
    line = yield from read_line(MAX_LINE_LENGTH, too_long_exc_type)
    return strip_cr(line[:-1].decode("latin-1"))


def strip_cr(line: str) -> str:
    """Return a line, which lost its LF, without its CR."""
    # RFC 9112 §2.2 lets a recipient accept a bare LF; it doesn't ask for it.
    if not line.endswith("\r"):
        raise ValueError("line without CRLF")
    return line[:-1]


def show(value: str) -> str:
    """Return text from the network for an exception; bytes above 0x7F are escaped."""
    return value.encode("latin-1").decode("ascii", "backslashreplace")


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Split a request line into method, target and version."""
    try:
        method, target, protocol = line.split(" ", 2)
    except ValueError:
        raise ValueError(f"invalid HTTP request line: {show(line)}") from None
    if protocol not in ("HTTP/1.1", "HTTP/1.0"):
        raise ValueError(
            f"unsupported protocol; expected HTTP/1.1 or HTTP/1.0: {show(line)}"
        )
    if not is_token(method):
        raise ValueError(f"invalid HTTP method: {show(method)}")
    if not is_target(target):
        raise ValueError(f"invalid HTTP request target: {show(target)}")
    return method, target, protocol


def parse_status_line(line: str, proxy: bool) -> tuple[int, str]:
    """Split a status line into status code and reason phrase."""
    try:
        protocol, status, reason = line.split(" ", 2)
    except ValueError:
        raise ValueError(f"invalid HTTP status line: {show(line)}") from None
    if proxy:  # Some proxies still answer CONNECT with HTTP/1.0.
        if protocol not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(
                f"unsupported protocol; expected HTTP/1.1 or HTTP/1.0: {show(line)}"
            )
    elif protocol != "HTTP/1.1":
        raise ValueError(f"unsupported protocol; expected HTTP/1.1: {show(line)}")
    # int() alone is too liberal: it takes "+20", "2_0" and digits of other scripts.
    if not is_length(status):
        raise ValueError(f"invalid status code; expected integer; got {show(status)}")
    if len(status) != 3 or not 100 <= int(status) <= 599:
        raise ValueError(
            f"invalid status code; expected 100\N{EN DASH}599; got {status}"
        )
    if not is_text(reason):
        raise ValueError(f"invalid HTTP reason phrase: {show(reason)}")
    return int(status), reason


def parse_headers(
    read_line: ReadLine,
    head: str | None = None,
) -> Generator[None, None, Headers]:
    """Parse headers from the rest of a head or, when there is none, line by line."""
    headers = Headers()
    if head is not None:
        # At the speed of the regular expression, if all lines are valid.
        items: list[tuple[str, str]] = find_headers(head)
        if len(items) != head.count("\n"):
            # Some line isn't: find out which, and what is wrong with it.
            lines = head.split("\n")[:-1]
            items = [parse_header(strip_cr(line), n) for n, line in enumerate(lines)]
        elif len(items) > MAX_NUM_HEADERS:
            raise too_many_headers()
        for name, value in items:
            headers.set_insecure(name, value)  # checked above
        return headers

    n = 0
    try:
        while line := (yield from parse_line(read_line, HeaderLineTooLong)):
            headers.set_insecure(*parse_header(line, n))
            n += 1
    except EOFError as exc:
        raise EOFError("connection closed while reading HTTP headers") from exc
    return headers


def parse_header(line: str, n: int) -> tuple[str, str]:
    """Split the header line number ``n``, counted from 0, into name and value."""
    if n >= MAX_NUM_HEADERS:
        raise too_many_headers()
    name, colon, value = line.partition(":")
    if not colon:
        # This includes the continuation of a header (obs-fold, RFC 9112 §5.2).
        raise ValueError(f"invalid HTTP header line: {show(line)}")
    # No space is allowed before the colon (RFC 9112 §5.1).
    if not is_token(name):
        raise ValueError(f"invalid HTTP header name: {show(name)}")
    value = value.strip("\t ")
    if not is_text(value):
        shown = show(mask_header(name, value))
        raise ValueError(f"invalid HTTP header value: {shown}")
    return name, value


def too_many_headers() -> TooManyHeaders:
    """Return the exception for more than MAX_NUM_HEADERS headers."""
    return TooManyHeaders(f"expected no more than {MAX_NUM_HEADERS} headers")


# -- bodies (RFC 9112 §6, §7)


def read_body(
    status_code: int,
    headers: Headers,
    read_line: ReadLine,
    read_exact: ReadExact,
    read_to_eof: ReadToEOF,
) -> Generator[None, None, bytes | bytearray]:
    """Read the body of a response, by the rules of RFC 9112 §6.3."""
    if 100 <= status_code < 200 or status_code in (204, 304):
        return b""

    codings = ", ".join(headers.get_all("Transfer-Encoding"))
    if codings:
        if codings.lower() != "chunked":
            raise NotImplementedError(f"transfer coding {codings} isn't supported")
        return (yield from read_chunks(read_line, read_exact))

    # Several lengths, even equal ones, are a sign of an attack.
    lengths = headers.get_all("Content-Length")
    if lengths:
        length = ", ".join(lengths)
        if not is_length(length):
            raise SecurityError(f"invalid content length: {show(length)}")
        if int(length) > MAX_BODY_SIZE:
            raise SecurityError(f"body too large: {int(length)} bytes")
        return bytes((yield from read_exact(int(length))))

    return bytes((yield from read_to_eof(MAX_BODY_SIZE, SecurityError)))


def read_chunks(
    read_line: ReadLine,
    read_exact: ReadExact,
) -> Generator[None, None, bytes]:
    """Read a chunked body, and its trailers, which are checked and dropped."""
    body = bytearray()
    while True:
        line = yield from parse_line(read_line)
        chunk = match_chunk(line)
        if chunk is None:
            raise SecurityError(f"invalid chunk size: {show(line)}")
        size = int(chunk[1], 16)
        if size == 0:
            yield from parse_headers(read_line)
            return bytes(body)
        if len(body) + size > MAX_BODY_SIZE:
            raise SecurityError(
                f"chunk too large: {size} bytes after {len(body)} bytes"
            )
        body += yield from read_exact(size)
        if (yield from read_exact(2)) != b"\r\n":
            raise ValueError("chunk without CRLF")
