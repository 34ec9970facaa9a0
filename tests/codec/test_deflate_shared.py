"""One compressed message for many connections: lineages (extensions/_deflate.py)."""

from __future__ import annotations

import types
import zlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.engines import StrictReader, engine_named
from websockets.extensions.permessage_deflate import PerMessageDeflate


TEXT = b", ".join(b"%d" % (i * i % 991) for i in range(300))


def make(fresh=False, bits=12, settings=None, engine=zlib):
    """Return the extension of a sender."""
    return PerMessageDeflate(False, fresh, 15, bits, settings, engine=engine)


def share(group, data, fresh=False):
    """Compress a message once for a group; return its payload."""
    payload, history = group[0].deflate_shared(data, fresh)
    for extension in group:
        extension.adopt(history)
    return payload


def test_a_lineage_shares_its_history():
    """Those who send the same keep one history, and one compressor, without any loss."""
    group = [make() for _ in range(3)]
    alone, reader = make(), StrictReader(12)
    for number in range(5):
        assert len({extension.lineage for extension in group}) == 1
        data = TEXT + b"%d" % number
        payload = share(group, data)
        assert payload == alone.deflate(data, final=True)
        assert reader.receive(payload) == data
    assert len({id(extension._deflater) for extension in group}) == 1


def test_who_sends_something_else_leaves():
    """A message of one's own makes a history of one's own; the others' isn't touched."""
    group = [make() for _ in range(3)]
    readers = [StrictReader(12) for _ in group]
    payload = share(group, TEXT)
    for reader in readers:
        assert reader.receive(payload) == TEXT
    lineage = group[0].lineage
    assert group[2].lineage is lineage
    data = group[2].deflate(TEXT, final=True)
    assert len(data) < len(payload) / 2
    assert readers[2].receive(data) == TEXT
    assert group[2].lineage is None
    assert group[0].lineage is group[1].lineage is lineage
    payload = share(group[:2], TEXT + TEXT)
    for reader in readers[:2]:
        assert reader.receive(payload) == TEXT + TEXT
    data = group[2].deflate(TEXT, final=True)
    assert readers[2].receive(data) == TEXT


def test_who_misses_a_message_stays_behind():
    """A message for some leaves the history of the others as it was."""
    group = [make() for _ in range(4)]
    readers = [StrictReader(12) for _ in group]
    groups = [group, group[:2], group[2:], group[:2]]
    for number, some in enumerate(groups):
        data = TEXT + b"%d" % number
        payload = share(some, data)
        for extension, reader in zip(group, readers, strict=True):
            if extension in some:
                assert reader.receive(payload) == data
    assert group[0].lineage is group[1].lineage
    assert group[2].lineage is group[3].lineage
    assert group[0].lineage is not group[2].lineage


def test_beginning_anew():
    """A fresh message is for anybody; all have its history in common afterwards."""
    group = [make() for _ in range(3)]
    readers = [StrictReader(12) for _ in group]
    for number, (extension, reader) in enumerate(zip(group, readers, strict=True)):
        data = extension.deflate(b"%d" % number + TEXT, final=True)
        assert reader.receive(data) == b"%d" % number + TEXT
        assert extension.lineage is None
    payload = share(group, TEXT, fresh=True)
    assert payload == make().deflate(TEXT, final=True)
    again = share(group, TEXT)
    assert len(again) < len(payload) / 2
    for reader in readers:
        assert reader.receive(payload) == reader.receive(again) == TEXT


def test_without_context_takeover():
    """Who takes no context over has no history: any message can be shared."""
    group = [make(fresh=True) for _ in range(3)]
    payloads = []
    for extension in group:
        extension.deflate(b"something else", final=True)
    for _ in range(2):
        assert {extension.lineage for extension in group} == {group[0].share_key}
        payloads.append(share(group, TEXT))
        assert all(extension._deflater is None for extension in group)
    assert payloads[0] == payloads[1] == make().deflate(TEXT, final=True)


def test_engines_whose_compressors_cannot_be_copied():
    """With isal there are no lineages; fresh messages can be shared."""
    engine = engine_named("isal.isal_zlib")
    group = [make(engine=engine) for _ in range(2)]
    assert [extension.lineage for extension in group] == [None, None]
    assert not group[0].share_key.copies
    readers = [StrictReader(12) for _ in group]
    for _ in range(2):
        payload = share(group, TEXT, fresh=True)
        assert all(extension._deflater is None for extension in group)
        for extension, reader in zip(group, readers, strict=True):
            assert reader.receive(payload) == TEXT
            data = extension.deflate(TEXT, final=True)
            assert reader.receive(data) == TEXT
    assert make(engine=engine, fresh=True).lineage is not None


def test_share_key():
    """Connections share when window, settings and engine are equal, whatever they receive."""
    first = make(settings={"level": 1, "memLevel": 5})
    settings = {"memLevel": 5, "level": 1}
    alike = PerMessageDeflate(True, True, 9, 12, settings, engine=zlib)
    assert alike.share_key is first.share_key
    assert alike.share_key is alike.share_key
    others = [
        make(),
        make(settings={"level": 2, "memLevel": 5}),
        make(settings={"level": 1, "memLevel": 5}, bits=9),
        make(settings={"level": 1, "memLevel": 5}, engine=None),
        # Nobody can tell whether these are equal.
        make(engine=types.SimpleNamespace(compressobj=zlib.compressobj)),
        make(settings={"zdict": bytearray(b"abc")}),
    ]
    keys = [extension.share_key for extension in [first, *others]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_shared_messages_of_any_size(size):
    """A shared message may be empty, the first or not, or larger than zlib's buffers."""
    group = [make(), make()]
    text = bytes(i * i % 251 for i in range(size))
    readers = [StrictReader(12) for _ in group]
    for _ in range(2):
        payload = share(group, text)
        for reader in readers:
            assert reader.receive(payload) == text
    assert readers[0].receive(group[0].deflate(text, final=True)) == text


@given(
    fresh=st.lists(st.booleans(), min_size=4, max_size=4),
    bits=st.sampled_from([9, 12]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["own", "shared", "anew"]),
            st.sets(st.integers(0, 3), min_size=1),
            st.sampled_from([b"", b"Hello", TEXT[:60], TEXT]),
        ),
        max_size=20,
    ),
)
def test_any_order(fresh, bits, steps):
    """Whatever is sent to whom, strict peers understand it."""
    senders = [make(fresh=each, bits=bits) for each in fresh]
    readers = [StrictReader(bits, each) for each in fresh]
    for kind, chosen, text in steps:
        groups = {}
        for number in chosen:
            lineage = senders[number].lineage
            if kind == "anew":
                lineage = senders[number].share_key
            if kind == "own" or lineage is None:
                lineage = number
            groups.setdefault(lineage, []).append(number)
        for lineage, numbers in groups.items():
            group = [senders[number] for number in numbers]
            if isinstance(lineage, int):
                payload = group[0].deflate(text, final=True)
            else:
                payload = share(group, text, fresh=kind == "anew")
            for number in numbers:
                assert readers[number].receive(payload) == text
