"""Who gets a broadcast compressed together with whom; connections are stand-ins."""

from __future__ import annotations

import logging
import random
import sys
import types
import zlib

import pytest

from tests.codec.engines import StrictReader, engine_named
from websockets.asyncio import _broadcast, _native
from websockets.asyncio._broadcast import Compressed, Skipped
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import CLIENT, OPEN, SERVER


HEAD = 0xC1
LARGE = b", ".join(b"%d" % (i * i % 991) for i in range(500))
SMALL = LARGE[:100]


@pytest.fixture(autouse=True)
def in_python(monkeypatch):
    """The native loops know real connections only."""
    monkeypatch.setattr(_broadcast, "native", None)


class Stub:
    """A connection, its protocol, and the peer that reads what it sends."""

    attached = True
    state = OPEN
    debug = expect_continuation_frame = sends_itself = False
    _output = types.SimpleNamespace(paused=False)
    logger = logging.getLogger("stub")

    def __init__(
        self, *, fresh=False, bits=12, side=SERVER, engine=zlib, settings=None
    ):
        self.protocol = self
        self.side = side
        self.deflate = PerMessageDeflate(
            False, fresh, 15, bits, settings, engine=engine
        )
        self.reader = StrictReader(bits, fresh)
        self.received = []
        self.sizes = []
        self.broken = False

    def send_prepared(self, frame):
        """Read what is sent."""
        if self.broken:
            raise OSError("broken")
        head, size = frame[:2]
        assert head == HEAD
        position = 2
        if size & 0x7F == 126:
            position = 4
        mask = None
        if size & 0x80:
            mask, position = frame[position : position + 4], position + 4
        payload = frame[position:]
        if mask is not None:
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.received.append(self.reader.receive(payload))
        self.sizes.append(len(payload))

    def send(self, data):
        """Send a message that is for this connection only."""
        data = self.deflate.deflate(data, final=True)
        frame = _broadcast.serialize_frame(HEAD, data, None)
        self.send_prepared(frame)


def send(group, data, skipped=None):
    """Send a message to a group; return how often it was compressed."""
    compressed = Compressed(data, HEAD, skipped or Skipped(True))
    for stub in group:
        compressed.add(stub, stub.deflate)
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        for name in ("deflate", "deflate_shared"):
            method = getattr(PerMessageDeflate, name)

            def spy(self, *args, method=method, **settings):
                calls.append(method.__name__)
                return method(self, *args, **settings)

            patch.setattr(PerMessageDeflate, name, spy)
        compressed.send()
    for stub in group:
        assert stub.broken or stub.received[-1] == data
    return calls


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("fresh", [False, True])
def test_an_audience_that_only_listens(data, fresh):
    """Messages are compressed once, and take as few bytes as if each had its own."""
    group = [Stub(fresh=fresh) for _ in range(5)]
    alone = PerMessageDeflate(False, fresh, 15, 12, engine=zlib)
    for number in range(10):
        message = data + b"%d" % number
        assert send(group, message) == ["deflate_shared"]
        expected = len(alone.deflate(message, final=True))
        assert {stub.sizes[-1] for stub in group} == {expected}


def test_a_single_connection():
    """Who is alone compresses as for any message."""
    stub = Stub()
    for _ in range(3):
        assert send([stub], LARGE) == ["deflate"]
        assert not stub.deflate._is_shared


def test_nobody():
    """Without connections nothing is compressed."""
    assert send([], LARGE) == []


def test_small_messages_keep_the_history():
    """Small messages for connections with histories of their own cost no bytes."""
    group = [Stub() for _ in range(3)]
    twin = PerMessageDeflate(False, False, 15, 12, engine=zlib)
    twin.deflate(LARGE, final=True)
    for stub in group:
        stub.send(LARGE)
    assert send(group, SMALL) == ["deflate"] * 3
    expected = len(twin.deflate(SMALL, final=True))
    assert {stub.sizes[-1] for stub in group} == {expected}


def test_large_messages_begin_anew():
    """A large message is compressed once, whatever was sent before, and shared from then."""
    group = [Stub() for _ in range(3)]
    for number, stub in enumerate(group):
        stub.send(b"%d" % number)
    assert send(group, LARGE) == ["deflate_shared"]
    assert send(group, SMALL) == ["deflate_shared"]
    # One that has said something else has nobody to begin anew with.
    group[0].send(SMALL)
    assert send(group, LARGE) == ["deflate", "deflate_shared"]
    newcomer = Stub()
    assert send([*group, newcomer], LARGE) == ["deflate_shared"] * 2
    assert send([*group, newcomer], SMALL) == ["deflate_shared"] * 2


def test_a_long_streak_of_small_messages():
    """Connections that only listen for long find together; one that speaks doesn't."""
    group = [Stub() for _ in range(3)]
    for number, stub in enumerate(group):
        stub.send(b"welcome %d" % number)
    for number in range(_broadcast.LONG_STREAK):
        assert send(group, SMALL) == ["deflate"] * 3
        if number == 5:
            group[2].send(b"by the way")
    assert send(group, SMALL) == ["deflate", "deflate_shared"]
    assert send(group, SMALL) == ["deflate", "deflate_shared"]
    lonely = _broadcast.LONG_STREAK
    assert send([group[2]] * 1, SMALL) == ["deflate"]
    for _ in range(lonely):
        assert send(group, SMALL) == ["deflate", "deflate_shared"]


def test_many_newcomers():
    """Connections that come one by one don't make ever more groups."""
    group = [Stub() for _ in range(20)]
    counts = []
    for number in range(40):
        group.append(Stub())
        counts.append(len(send(group, SMALL + b"%d" % number)))
    assert max(counts) == _broadcast.MAX_LINEAGES
    # The largest group isn't disturbed.
    assert len({stub.deflate.lineage for stub in group[:20]}) == 1
    for stub in group[:20]:
        assert max(stub.sizes[1:]) < stub.sizes[0] / 2


def test_many_newcomers_of_two_kinds():
    """The largest group of each kind remains when there are too many."""
    groups = {bits: [Stub(bits=bits) for _ in range(10)] for bits in (9, 12)}
    for number in range(20):
        groups[9 if number % 2 else 12].append(Stub(bits=9 if number % 2 else 12))
        send(groups[9] + groups[12], SMALL + b"%d" % number)
    for group in groups.values():
        assert len({stub.deflate.lineage for stub in group[:10]}) == 1
        for stub in group[:10]:
            assert max(stub.sizes[1:]) < stub.sizes[0] / 2


def test_windows_and_settings_are_kept_apart():
    """Only connections that agreed on the same share."""
    group = [Stub(bits=9), Stub(bits=9), Stub(), Stub(), Stub(settings={"level": 1})]
    for _ in range(2):
        assert send(group, LARGE) == ["deflate_shared"] * 3


def test_with_and_without_takeover():
    """Both get the same fresh message; only one kind remembers it."""
    group = [Stub(), Stub(), Stub(fresh=True), Stub(fresh=True)]
    assert send(group, LARGE) == ["deflate_shared"]
    assert send(group, LARGE) == ["deflate_shared"] * 2
    assert group[0].sizes[-1] < group[2].sizes[-1] / 2


def test_an_engine_without_copies():
    """With isal small messages are compressed one by one, large ones once and anew."""
    engine = engine_named("isal.isal_zlib")
    group = [Stub(engine=engine) for _ in range(3)]
    for _ in range(_broadcast.LONG_STREAK + 2):
        assert send(group, SMALL) == ["deflate"] * 3
    assert send(group, LARGE) == ["deflate_shared"]
    assert send(group, SMALL) == ["deflate"] * 3


@pytest.mark.parametrize("fresh", [False, True])
def test_a_connection_in_the_group_twice(fresh):
    """Who is in the audience twice gets the message twice, and can read it."""
    group = [Stub(fresh=fresh) for _ in range(3)]
    for _ in range(3):
        assert "deflate_shared" in send([*group, group[1]], LARGE)
    assert [len(stub.received) for stub in group] == [3, 6, 3]
    send(group, SMALL)


def test_clients():
    """Frames of clients differ by their masks only."""
    group = [Stub(side=CLIENT), Stub(side=CLIENT), Stub()]
    for _ in range(2):
        assert send(group, LARGE) == ["deflate_shared"]


@pytest.mark.parametrize("alone", [False, True])
def test_a_failure(alone):
    """Who fails gets nothing; if it goes on, it has forgotten what the peer may not know."""
    group = [Stub() for _ in range(3)]
    if alone:
        group[1].send(SMALL)
    else:
        send(group, SMALL)
    group[1].broken = True
    skipped = Skipped(True)
    send(group, SMALL, skipped)
    (failure,) = skipped.exceptions
    assert str(failure.__cause__) == "broken"
    if not alone:
        assert group[1].deflate._deflater is None
        group[1].broken = False
        for _ in range(2):
            send(group, LARGE)


def test_a_failure_of_the_engine():
    """When compressing fails, nobody of the group gets the message."""

    class Engine:
        decompressobj = staticmethod(zlib.decompressobj)
        broken = False

        def compressobj(self, **settings):
            if self.broken:
                raise ArithmeticError("mine")
            return zlib.compressobj(**settings)

    engine = Engine()
    group = [Stub(engine=engine), Stub(engine=engine), Stub(), Stub()]
    for stub in group:
        assert stub.deflate.lineage is not None
        stub.broken = stub in group[:2]
    engine.broken = True
    skipped = Skipped(True)
    assert send(group, LARGE, skipped) == ["deflate_shared"] * 2
    assert [str(exc.__cause__) for exc in skipped.exceptions] == ["mine"] * 2
    assert len(group[2].received) == len(group[3].received) == 1


# -- the native loops


@pytest.mark.parametrize("native", [False, True])
def test_the_choice(monkeypatch, native):
    """The native loops are used when there is native code."""
    fake = types.SimpleNamespace(distribute=1, deliver=2)
    monkeypatch.setitem(sys.modules, "websockets.speedups", fake)
    monkeypatch.setattr(_native, "NATIVE", native)
    assert _native.native_broadcast() == ((1, 2) if native else None)


def test_what_native_loops_leave(monkeypatch):
    """They serve some, and fail with some; the others share what was compressed."""
    served = []

    def write(stub, frame, history):
        stub.send_prepared(frame)
        stub.deflate.adopt(history)
        served.append(stub)

    def distribute(connections, frame, size, compress):
        assert (frame, size) == (b"\x81\x7e\x03\xe8" + LARGE[:1000], 1000)
        write(connections[0], *compress(connections[0].deflate))
        lineage = connections[3].deflate.lineage
        left = {lineage: connections[3:5]}
        return connections[6:], left, [(connections[5], OSError("first"))]

    def deliver(group, frame, history):
        if group == [stalled]:
            return group, []
        write(group[0], frame, history)
        return group[2:], [(group[1], OSError("second"))]

    group = [Stub() for _ in range(3)]
    more = [Stub() for _ in range(3)]
    stalled = Stub()
    send([*group, stalled], SMALL)
    send(more, LARGE)
    monkeypatch.setattr(_broadcast, "native", (distribute, deliver))
    everybody = [*group, *more, stalled]
    text = LARGE[:1000].decode()
    with pytest.raises(ExceptionGroup) as raised:
        _broadcast.broadcast(everybody, text, raise_exceptions=True)
    causes = [str(exc.__cause__) for exc in raised.value.exceptions]
    assert causes == ["first", "second"]
    assert served == [group[0], more[0]]
    assert stalled.received[-1] == group[0].received[-1] == LARGE[:1000]
    assert stalled.deflate.lineage is group[0].deflate.lineage


@pytest.mark.parametrize("seed", range(5))
def test_any_order(seed):
    """Whatever is sent to whom, and whoever comes and goes, strict peers understand it."""
    chance = random.Random(seed)
    group = []
    for _ in range(150):
        choice = chance.random()
        text = LARGE[chance.randrange(900) :][: chance.choice([1, 60, 300, 1500])]
        if choice < 0.2 or len(group) < 3:
            group.append(
                Stub(fresh=chance.random() < 0.3, bits=chance.choice([9, 12, 12]))
            )
        elif choice < 0.3:
            group.pop(chance.randrange(len(group)))
        elif choice < 0.5:
            chance.choice(group).send(text)
        else:
            some = group if choice < 0.8 else chance.sample(group, 2)
            send(some, text)
