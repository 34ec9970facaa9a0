/* Bytes in, frames out. The Python twin, _codec/reader.py, is the specification.

   Owns: the bytes received and not yet taken, and both cursors over them.
   Doesn't know: UTF-8 across frames, replies, state of the connection, sockets.

   reader.c has the bytes and the cursor that takes, reader_scan.c the one that looks
   ahead, and the end; reader_rules.c what is legal; reader_type.c what Python sees.
   The hot path calls the functions below; they and the methods share one state, so
   calls can be mixed. */

#ifndef WEBSOCKETS_READER_H
#define WEBSOCKETS_READER_H

#include "common.h"

/* Whose memory the buffer is. */
enum {
    WS_BUFFER_NONE, /* there is none: everything was taken */
    WS_BUFFER_OWN,  /* allocated by the reader */
    WS_BUFFER_LENT, /* of a caller who calls ws_reader_keep() in time; writable */
    WS_BUFFER_HELD, /* of a bytes object; never written to */
};

/* Positions count from the start of the buffer. What the twin may have before it
   stands at its start here: every comparison comes out the same. */
typedef struct {
    PyObject_HEAD
    WsState *state;

    /* What every message touches comes first, for the processor's cache. */
    uint8_t *buf;
    size_t size;       /* bytes of it that are filled */
    size_t pos;        /* the next byte to take */
    uint64_t missing;  /* of the payload of the frame being taken */
    uint64_t scan;     /* where the scan is */
    int64_t boundary;  /* end of the last message scanned that is complete */
    int64_t candidate; /* end of the last message scanned, here or to come */
    size_t ahead;      /* data frames scanned and not taken */
    size_t skipped;    /* bytes of control frames that the scan has passed */
    size_t capacity;   /* bytes of the buffer, when it's our own */
    PyObject *held;    /* bytes object that it belongs to, or NULL */
    PyObject *error;   /* the first error that the scan met, or NULL */
    int64_t plain_limit; /* what a message in one frame is held to */

    uint8_t key[4]; /* of the frame being taken */
    uint8_t head;
    uint8_t reserved; /* bits that extensions allow */
    uint8_t owner;    /* WS_BUFFER_... */
    uint8_t masked : 1;
    uint8_t odd_limits : 1; /* not small integers, or no fragment at all: ask Python */
    uint8_t closed : 1;
    uint8_t keeping : 1;
    uint8_t in_message : 1;
    uint8_t compressed : 1;
    uint8_t scan_in_message : 1;
    uint8_t scan_compressed : 1;

    size_t keep;     /* read() stops here, when `keeping`; set by drop() */
    uint64_t length; /* of the frame being taken, when its payload isn't complete */

    /* The message being taken. */
    uint64_t message_size;
    uint64_t fragments;

    /* The same for the scan. */
    uint64_t scan_size;
    uint64_t scan_fragments;
    uint64_t scan_length;

    /* Limits as they were given; and as numbers, -1 for none. */
    PyObject *message_limit;
    PyObject *fragment_limit;
    PyObject *max_fragments;
    int64_t message_bytes;
    int64_t fragment_bytes;
    int64_t fragment_count;
} WsReader;

/* Payload of a frame, or a part of it, inside the reader's buffer. */
typedef struct {
    uint8_t *payload; /* still masked; valid until the next call on the reader */
    size_t size;
    size_t end;       /* where it ends in the buffer, for ws_reader_commit() */
    uint8_t key[4];   /* of the first byte of payload; zeros when not masked */
    uint8_t head;     /* first byte of the frame */
    uint8_t masked;
    uint8_t complete; /* whether the frame ends here */
    uint8_t writable; /* whether the payload may be unmasked in place */
} WsPart;

int ws_add_reader(PyObject *module);

/* -- bytes in; all ignore bytes after a Close or an error, as feed() does */

/* Copy bytes into own memory: 0, or -1 with MemoryError. */
int ws_reader_feed(WsReader *reader, const uint8_t *data, size_t size);

/* The same, but borrow the memory, which is written to, when nothing else is
   buffered. Whatever happens then, call ws_reader_keep() before it is reused. */
int ws_reader_lend(WsReader *reader, uint8_t *data, size_t size);

/* End of the loan: copy what is left into own memory: 0, or -1 with MemoryError,
   and then what was left is lost. */
int ws_reader_keep(WsReader *reader);

/* -- the take cursor */

/* If the next frame is a complete message in one frame, legal in every respect,
   describe it and return 1; change nothing. Else return 0: read() knows why.
   RSV1 is accepted when `allow_rsv1` and the extensions reserve it. */
int ws_reader_peek_plain(WsReader *reader, int allow_rsv1, WsPart *part);

/* Take the frame that ws_reader_peek_plain() described in the call before; its
   payload isn't valid any more. */
void ws_reader_commit(WsReader *reader, const WsPart *part);

/* Take the next data frame or what has arrived of its payload, as read() does,
   and skip control frames that the scan has passed: 1; 0 when more bytes are
   needed; 2 when read() has to see to it (a control frame or an error). -1 with
   an exception that isn't the peer's fault. After 1, the payload is valid until
   the next call on the reader. */
int ws_reader_take_data(WsReader *reader, WsPart *part);

/* -- the scan cursor */

/* Scan data frames as scan() does. 1 when nothing is left to scan; 0 when scan()
   has to go on (a control frame, an error, bytes to drop); -1 with an exception
   that isn't the peer's fault. */
int ws_reader_scan_data(WsReader *reader);

/* -- payload received elsewhere */

/* Number of bytes missing of the payload of the frame being taken, when nothing
   is buffered; 0 when bytes have to pass through the buffer. */
uint64_t ws_reader_missing(const WsReader *reader);

/* Account for 1 to ws_reader_missing() bytes of payload that came elsewhere, and
   unmask them there. Return whether the frame is complete; `head` is its first
   byte. */
int ws_reader_received(WsReader *reader, uint8_t *payload, size_t size,
                       uint8_t *head);

/* -- payload out */

/* Return payload, unmasked, as a new bytes object, or NULL with MemoryError. */
PyObject *ws_part_bytes(const WsPart *part);

/* Make what recv() returns of a plain message in one frame: str or bytes, 1. 0 when
   text isn't UTF-8, and the payload is as it was. -1 with another exception.
   May unmask in place: take the frame afterwards, and do this once. */
int ws_part_message(const WsPart *part, PyObject **message);

/* -- for the files of the reader */

/* Let go of the buffer, which may hold bytes; positions stay as they are. */
void ws_reader_release(WsReader *reader);

/* Make the buffer writable and our own, with what it holds: 0, or -1 with
   MemoryError. */
int ws_reader_own(WsReader *reader);

/* Let go of a buffer of which everything was taken. */
void ws_reader_trimmed(WsReader *reader);

/* Give back memory that was needed for bytes that were dropped. */
void ws_reader_shrink(WsReader *reader);

/* Take a frame as read() does, or as ws_reader_take_data() when `quiet`. */
int ws_reader_take(WsReader *reader, int quiet, WsPart *part);

/* Account for payload of the frame being taken; tell whether it's complete. */
int ws_reader_account(WsReader *reader, size_t size);

/* Ignore what follows a Close that ends at `end`. */
void ws_reader_close(WsReader *reader, size_t end);

/* The methods of the same names: 0, or -1 with an exception; scan() returns a list
   or NULL. */
PyObject *ws_reader_scan(WsReader *reader);
int ws_reader_drop(WsReader *reader);
int ws_reader_stop(WsReader *reader);
void ws_reader_clear(WsReader *reader);
PyObject *ws_reader_unfinished(const WsReader *reader);

#endif
