"""When there's no memory, native code raises MemoryError; it neither crashes nor leaks."""

from __future__ import annotations

import contextlib
import sys
import zlib
from functools import partial

import pytest

from tests.native.allocations import lost_blocks, needs_failures, survive
from websockets._codec import (
    FrameReader,
    Message,
    Utf8Validator,
    apply_mask,
    serialize_frame,
    serialize_in_pieces,
)
from websockets.exceptions import (
    PayloadTooBig,
    ProtocolError,
    TooManyFragments,
)
from websockets.extensions.permessage_deflate import PerMessageDeflate


try:
    from websockets import speedups
except ImportError:
    speedups = None

pytestmark = needs_failures

MASK = b"\x37\xfa\x21\x3d"


def frame(head, payload, masked=True):
    return serialize_frame(head, payload, MASK if masked else None)


def fed(*chunks, masked=True, reserved=0, scan=False, **limits):
    """Return a reader that has these bytes."""
    reader = FrameReader(masked=masked, **limits)
    reader.reserved = reserved
    for chunk in chunks:
        reader.feed(chunk)
    if scan:
        reader.scan()
    return reader


def raises(kind, call, *args):
    """Return a call that ends as well with an exception of this kind."""

    def expect():
        with contextlib.suppress(kind):
            call(*args)

    return expect


def parts(*pieces):
    """Return a message that has these parts."""
    message = Message(True, False)
    for data in pieces:
        message.append(data, True, False)
    return message


def deflate():
    return PerMessageDeflate(False, False, 12, 12, engine=zlib)


def primed(data=b""):
    """Return an extension that has its contexts."""
    extension = deflate()
    speedups.inflate_message(extension, compressed(b"x" * 500), None)
    speedups.deflate_message(extension, b"x" * 500)
    return extension


def compressed(data):
    engine = zlib.compressobj(wbits=-12)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


TEXT = "schöne Grüße" * 200
LARGE = bytes(20_000)
VIEW = memoryview(LARGE)[::2]

# Each prepares a call, on objects of its own.
OPERATIONS = {
    "mask": lambda: partial(apply_mask, LARGE, MASK),
    "mask a view": lambda: partial(apply_mask, VIEW, MASK),
    "new reader": lambda: partial(
        FrameReader,
        masked=True,
        max_message_size=2**40,
        max_fragment_size=2**41,
        max_fragments=2_000,
    ),
    "feed": lambda: partial(fed(b"\x82").feed, LARGE),
    "feed more": lambda: partial(fed(LARGE[:5], LARGE[:20]).feed, LARGE),
    "read": lambda: fed(frame(0x82, LARGE)).read,
    "read a part": lambda: fed(frame(0x82, LARGE)[:-5]).read,
    "read unmasked": lambda: fed(frame(0x82, LARGE, False), masked=False).read,
    "read a control frame": lambda: fed(frame(0x89, b"ping")).read,
    "read what isn't masked": lambda: raises(ProtocolError, fed(b"\x82\x02hi").read),
    "read an opcode": lambda: raises(ProtocolError, fed(frame(0x83, b"hi")).read),
    "read a wrong length": lambda: raises(
        ProtocolError, fed(b"\x82\xfe\x00\x01" + MASK).read
    ),
    "read too much": lambda: raises(
        PayloadTooBig, fed(frame(0x82, LARGE), max_message_size=10_000).read
    ),
    "read too many": lambda: raises(
        TooManyFragments, fed(frame(0x02, b"") * 2, max_fragments=0).read
    ),
    "scan": lambda: (
        fed(frame(0x82, b"data"), frame(0x89, b"ping") * 5, frame(0x88, b"")).scan
    ),
    "scan an error": lambda: fed(frame(0x82, b"data"), b"\xff\xff").scan,
    "scan with a limit": lambda: (
        fed(frame(0x02, b"data") + frame(0x00, b"data") * 3, max_fragments=2).scan
    ),
    "compact": lambda: compactable().scan,
    "drop": lambda: (
        fed(frame(0x82, b"data") + frame(0x89, b"") + frame(0x02, b""), scan=True).drop
    ),
    "stop": lambda: fed(frame(0x82, LARGE) + frame(0x02, LARGE), scan=True).stop,
    "scan what was dropped": lambda: dropped(frame(0x02, LARGE), frame(0x89, b"")).scan,
    "unfinished": lambda: fed(frame(0x82, LARGE)[:-5], scan=True).unfinished,
    "limits": lambda: partial(getattr, fed(), "limits"),
    "sizeof": lambda: fed(LARGE).__sizeof__,
    "new message": lambda: partial(Message, True, False, LARGE),
    "new message of a view": lambda: partial(Message, True, False, VIEW),
    "append": lambda: partial(Message(True, False).append, LARGE, True, True),
    "append more": lambda: partial(parts(b"a", b"b").append, LARGE, True, False),
    "append what isn't text": lambda: raises(
        UnicodeDecodeError, parts(b"a").append, b"\xff", True, True
    ),
    "take": lambda: parts(b"a", b"b" * 2_000).take,
    "take a fragment": lambda: parts(b"a", b"b" * 2_000, b"c").take_fragment,
    "check text": lambda: partial(Utf8Validator().feed, bytearray(TEXT.encode()), True),
    "refuse text": lambda: raises(
        UnicodeDecodeError, Utf8Validator().feed, b"text\xff", True
    ),
    "serialize": lambda: partial(serialize_frame, 0x82, LARGE, MASK),
    "serialize unmasked": lambda: partial(serialize_frame, 0x82, b"little", None),
    "serialize a view": lambda: partial(serialize_frame, 0x82, VIEW, MASK),
    "serialize in pieces": lambda: partial(serialize_in_pieces, 0x82, LARGE * 9, MASK),
    "inflate": lambda: partial(
        speedups.inflate_message,
        primed(),
        apply_mask(compressed(LARGE), MASK),
        None,
        MASK,
    ),
    "inflate too much": lambda: raises(
        PayloadTooBig, speedups.inflate_message, primed(), compressed(LARGE), 10_000
    ),
    "inflate what isn't": lambda: raises(
        ProtocolError, speedups.inflate_message, primed(), b"\xff\xff", None
    ),
    # zlib may say that it has no memory, which is taken for a fault of the data.
    "inflate the first": lambda: raises(
        ProtocolError, speedups.inflate_message, deflate(), compressed(LARGE), None
    ),
    "deflate": lambda: partial(speedups.deflate_message, primed(), TEXT),
    "deflate the first": lambda: partial(speedups.deflate_message, deflate(), LARGE),
    "deflate a view": lambda: partial(
        speedups.deflate_message, primed(), memoryview(LARGE)
    ),
    "weigh compression": lambda: partial(speedups.deflate_wanted, deflate(), 5_000),
    "distribute": lambda: partial(speedups.distribute, [None] * 50, b"frame", 5, len),
    "deliver": lambda: partial(speedups.deliver, [None] * 50, b"frame", None),
}


def compactable():
    """Return a reader that has so many control frames that it forgets them."""
    reader = fed(frame(0x82, b"data"))
    for _ in range(10):
        reader.feed(frame(0x89, b"x" * 100) * 8)
        reader.scan()
    return reader


def dropped(data, more):
    """Return a reader that is told to drop what is there, and gets more."""
    reader = fed(data)
    reader.drop()
    reader.feed(more)
    return reader


# They take what they need from memory that Python keeps for such objects.
FRUGAL = {"compact", "drop", "stop", "limits", "sizeof", "weigh compression"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_allocation_may_fail(name):
    """Whichever allocation fails, the call raises MemoryError or does without it."""
    assert survive(OPERATIONS[name]) or name in FRUGAL


@pytest.mark.parametrize("name", OPERATIONS)
def test_failures_lose_nothing(name):
    """What was allocated before the one that failed is given back."""
    assert lost_blocks(OPERATIONS[name]) == 0


@pytest.mark.skipif(not sys.getallocatedblocks(), reason="PYTHONMALLOC counts nothing")
def test_a_leak_is_found():
    """What is lost when an allocation fails is counted."""
    kept = []

    def lose():
        kept.append(object())
        bytearray(LARGE)

    assert lost_blocks(lambda: lose) > 0
