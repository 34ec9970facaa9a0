from ._codec.reader import FrameReader as FrameReader
from .typing import BytesLike

def apply_mask(data: BytesLike, mask: BytesLike) -> bytes: ...
