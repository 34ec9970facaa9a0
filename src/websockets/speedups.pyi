import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any

from ._codec.heads import UpgradeFields
from ._codec.message import Message as Message
from ._codec.reader import FrameReader as FrameReader
from ._codec.utf8 import Utf8Validator as Utf8Validator
from ._codec.writer import serialize_frame as serialize_frame
from ._codec.writer import serialize_in_pieces as serialize_in_pieces
from .asyncio._hot import Hot as Hot
from .asyncio._hot import ReadBuffer as ReadBuffer
from .asyncio.connection import Connection
from .extensions.permessage_deflate import PerMessageDeflate
from .typing import BytesLike, DataLike

def apply_mask(data: BytesLike, mask: BytesLike) -> bytes: ...
def mask_key() -> bytes: ...

# Objects of this very class; None says that its own methods have to do it.
def inflate_message(
    deflate: PerMessageDeflate,
    payload: BytesLike,
    max_size: int | None,
    mask: BytesLike | None = None,
    /,
) -> bytes | None: ...
def deflate_message(deflate: PerMessageDeflate, data: DataLike, /) -> bytes | None: ...
def deflate_wanted(deflate: PerMessageDeflate, size: int, /) -> bool: ...
def distribute(
    connections: Iterable[Connection],
    frame: bytes,
    size: int,
    compress: Callable[[PerMessageDeflate], tuple[bytes, Any]],
    /,
) -> tuple[
    list[Connection],
    dict[Hashable, list[Connection]],
    list[tuple[Connection, Exception]],
]: ...
def deliver(
    group: list[Connection], frame: bytes, history: Any, /
) -> tuple[list[Connection], list[tuple[Connection, Exception]]]: ...

class SocketTransport(asyncio.Transport):
    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket
    ) -> None: ...
    def start(self, protocol: asyncio.BaseProtocol) -> None: ...
    def _detach(self) -> socket.socket: ...

class Poller:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def accept(
        self, fileno: int, limit: int, factory: Callable[[], asyncio.BaseProtocol], /
    ) -> None: ...
    def close(self, emptied: Callable[[], None], /) -> None: ...
    def transports(self) -> list[SocketTransport]: ...

class TlsTransport(asyncio.Transport):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        below: SocketTransport | TlsTransport,
        protocol: asyncio.BaseProtocol,
        ssl_object: ssl.SSLObject,
        engine: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        driver: object,
    ) -> None: ...
    def data_received(self, data: bytes, /) -> None: ...
    def eof_received(self) -> bool: ...
    def connection_lost(self, exc: Exception | None, /) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def open(self) -> None: ...
    def flush(self) -> None: ...
    def discard(self) -> bool: ...
    def fail(self, exc: BaseException | None, /) -> None: ...

def load_transports() -> tuple[
    type[SocketTransport], type[Poller], type[TlsTransport]
]: ...

# On Linux.
class TimerFd:
    def fileno(self) -> int: ...
    def set(self, deadline: float, /) -> None: ...
    def expired(self) -> bool: ...

class Method:
    def __init__(
        self, kind: str, twin: Callable[..., Coroutine[Any, Any, Any]]
    ) -> None: ...

def bind(
    session: type,
    messages: type,
    output: type,
    protocol: type,
    current_task: Callable[..., Any],
    cancelled: type,
    invalid_state: type,
    open_state: object,
    done: object,
    /,
) -> None: ...
def read_request(
    data: BytesLike, limit: int, most: int, /
) -> tuple[str, str, int] | None: ...
def read_response(
    data: BytesLike, limit: int, most: int, /
) -> tuple[str, str, int] | None: ...
def find_upgrade(lines: str, /) -> UpgradeFields | None: ...
def date_of(seconds: int, /) -> str: ...
def http_date() -> str: ...
def accept_key(key: str, /) -> str: ...
