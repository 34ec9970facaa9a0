"""Text, messages and frames to bytes: the native code does what the twin does."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given

from tests.codec.implementations import native, twin


TEXT = "a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff".encode()
BROKEN = [b"\x80", b"\xc1", b"\xed\xa0\x80", b"\xf4\x90", b"\xf0\x9f\x98", b"\xe2\x82A"]

# Text that has long stretches of ASCII, and mistakes.
texts = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([TEXT, TEXT * 3, b"x" * 7, b"x" * 70, *BROKEN]),
)
# The same bytes, cut anywhere.
cut_texts = st.builds(
    lambda parts, cuts: [
        b"".join(parts)[a:b]
        for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)
    ],
    st.lists(texts, max_size=5),
    st.lists(st.integers(0, 100), max_size=6),
)


def outcome(function, *args):
    """Return what a call returns or raises."""
    try:
        result = function(*args)
    except UnicodeDecodeError as exc:
        return exc.encoding, exc.object, exc.start, exc.end, exc.reason
    return result, type(result)


@given(st.lists(st.tuples(cut_texts, st.booleans()), max_size=3))
@example([([b"\xed", b"\xa0"], False)])
def test_any_text(messages):
    """Both accept and refuse the same pieces, with the same words."""
    validators = [find("Utf8Validator")() for find in (twin, native)]
    for pieces, convert in messages:
        for i, piece in enumerate(pieces):
            data = bytearray(piece) if convert else piece
            final = i == len(pieces) - 1
            outcomes = [outcome(each.feed, data, final) for each in validators]
            assert outcomes[0] == outcomes[1]
            if len(outcomes[0]) > 2:
                return  # they must not be used again
            one, other = validators
            assert (one.pending, one.position) == (other.pending, other.position)


appended = st.tuples(
    texts | st.sampled_from([bytes(1023), bytes(1024), bytes(5000)]),
    st.booleans(),
    st.just(False),
)
steps = st.lists(
    st.one_of(appended, appended, st.sampled_from(["take", "take_fragment"])),
    max_size=20,
)
ATTRIBUTES = ["text", "compressed", "complete", "size", "frames", "checked"]


def state(message):
    values = [getattr(message, name) for name in ATTRIBUTES]
    return [*values, message.streamed, message.exhausted], [type(x) for x in values]


@given(steps, st.booleans(), st.booleans(), st.none() | texts, texts, st.booleans())
def test_any_message(steps, text, compressed, data, last, fragments):
    """Both keep, check and return the same payload, whatever is taken when."""
    messages = [find("Message")(text, compressed, data) for find in (twin, native)]
    ends = ["take_fragment"] * 12 if fragments else ["take"]
    for step in [*steps, (last, True, True), *ends]:
        if isinstance(step, str):
            outcomes = [outcome(getattr(message, step)) for message in messages]
        else:
            outcomes = [outcome(message.append, *step) for message in messages]
        assert outcomes[0] == outcomes[1]
        if len(outcomes[0]) > 2:
            return
        assert state(messages[0]) == state(messages[1])


payloads = st.one_of(
    st.binary(max_size=10),
    st.sampled_from([0, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536]).map(bytes),
)
converters = st.sampled_from(
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(data)[::2],
        lambda data: memoryview(data + data).cast("H"),
        lambda data: data.decode("latin-1"),
        lambda data: len(data),
    ]
)
masks = st.sampled_from([None, b"1234", bytearray(b"1234"), b"123", "1234", 5])


def attempt(function, *args, **kwargs):
    """Return what a call returns or raises, whatever it is."""
    try:
        return function(*args, **kwargs)
    except Exception as exc:
        return type(exc), str(exc)


@given(st.integers(-1, 256) | st.just(1.5), payloads, converters, masks, st.booleans())
def test_any_frame(head, payload, convert, mask, named):
    """Both write the same bytes, or refuse the arguments with the same words."""
    payload = convert(payload)
    for name in ("serialize_frame", "serialize_in_pieces"):
        if named:
            values = {"mask": mask, "payload": payload, "head": head}
            results = [attempt(find(name), **values) for find in (twin, native)]
        else:
            values = head, payload, mask
            results = [attempt(find(name), *values) for find in (twin, native)]
        assert results[0] == results[1]


def test_too_few_arguments():
    """A missing argument is the same TypeError."""
    for name in ("serialize_frame", "serialize_in_pieces"):
        one, other = (attempt(find(name), 0x81, b"") for find in (twin, native))
        assert one == other
