"""
Payloads, and files of frames for the peer.

Owns: what is sent. Doesn't know: who sends it.
"""

from __future__ import annotations

import pathlib
import random
import zlib
from collections.abc import Iterable


#: Enough different frames that no cache of the processor makes them cheaper than life.
FRAMES_OF_A_SIZE = {64: 1024, 1024: 64, 65536: 16}


def trades(size: int, seed: int = 0) -> str:
    """Return JSON of ``size`` characters, as exchanges send it."""
    chance = random.Random(f"{size} {seed}")
    text = '{"type":"trade","items":['
    while len(text) < size:
        symbol = "".join(chance.choice("ABCDEFGH") for _ in range(3))
        text += (
            f'{{"id":{chance.getrandbits(32)},"symbol":"{symbol}USD",'
            f'"price":{chance.randrange(90000)}.{chance.randrange(100):02},'
            f'"qty":{chance.randrange(1000)},"ts":17{chance.getrandbits(34):011}}},'
        )
    return text[: max(0, size - 3)] + '"]}'[max(0, 3 - size) :]


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes without any structure."""
    return random.Random(f"{size} {seed}").randbytes(size)


def frame(payload: bytes, *, text: bool, masked: bool, compressed: bool) -> bytes:
    """Return one frame that is a whole message."""
    first = 0x80 | (0x40 if compressed else 0) | (1 if text else 2)
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 65536:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    if not masked:
        return bytes([first]) + length + payload
    key = b"\x12\x34\x56\x78"
    # One operation on two large numbers is the fastest mask that Python has.
    pattern = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    hidden = (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big")
    return bytes([first, length[0] | 0x80]) + length[1:] + key + hidden


def frames(
    size: int, *, masked: bool, text: bool = False, deflate: bool = False
) -> list[bytes]:
    """
    Return a series of different messages of one size.

    With ``deflate`` they are compressed one after the other by one compressor. They can be
    sent again and again: the first refers to nothing before it, and each other one to what
    the one before it has left, as it was.
    """
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    series = []
    for seed in range(FRAMES_OF_A_SIZE.get(size, 4)):
        payload = trades(size, seed).encode() if text else noise(size, seed)
        if deflate:
            payload = compressor.compress(payload)
            payload += compressor.flush(zlib.Z_SYNC_FLUSH)
            payload = payload.removesuffix(b"\x00\x00\xff\xff")
        series.append(frame(payload, text=text, masked=masked, compressed=deflate))
    return series


def write_frames(path: pathlib.Path, series: Iterable[bytes]) -> pathlib.Path:
    """Write a file that the peer reads: the length of each in four bytes, then it."""
    with path.open("wb") as file:
        for content in series:
            file.write(len(content).to_bytes(4, "little") + content)
    return path
