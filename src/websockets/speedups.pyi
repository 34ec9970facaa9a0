from ._codec.message import Message as Message
from ._codec.reader import FrameReader as FrameReader
from ._codec.utf8 import Utf8Validator as Utf8Validator
from ._codec.writer import serialize_frame as serialize_frame
from ._codec.writer import serialize_in_pieces as serialize_in_pieces
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
