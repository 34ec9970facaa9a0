/* The bytes of a reader, and the cursor that takes frames. The Python twin,
   _codec/reader.py, is the specification. */

#include "mask.h"
#include "reader_rules.h"

#include <string.h>

/* Memory not worth an allocation to give it back. */
#define ENOUGH 1024

/* -- the buffer */

void
ws_reader_release(WsReader *reader)
{
    if (reader->owner == WS_BUFFER_OWN) {
        PyMem_Free(reader->buf);
    }
    reader->buf = NULL;
    reader->capacity = 0;
    reader->owner = WS_BUFFER_NONE;
    Py_CLEAR(reader->held);
}

/* Let positions count from the byte at `count`. */
static void
shift(WsReader *reader, size_t count)
{
    reader->pos -= count;
    reader->size -= count;
    reader->scan = reader->scan > count ? reader->scan - count : 0;
    if (reader->keeping) {
        reader->keep -= count;
    }
    if (reader->boundary >= 0) {
        reader->boundary = reader->boundary >= (int64_t)count
                               ? reader->boundary - (int64_t)count
                               : -1;
    }
    if (reader->candidate >= 0) {
        reader->candidate = reader->candidate >= (int64_t)count
                                ? reader->candidate - (int64_t)count
                                : -1;
    }
}

/* Move what is left to memory of our own, with room for more: 0 or -1. */
static int
move(WsReader *reader, size_t capacity)
{
    size_t left = reader->size - reader->pos;
    uint8_t *memory;

    if (capacity > PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    if (reader->owner == WS_BUFFER_OWN && reader->pos == 0) {
        memory = PyMem_Realloc(reader->buf, capacity);
        if (memory == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    else {
        memory = PyMem_Malloc(capacity);
        if (memory == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (left) {
            memcpy(memory, reader->buf + reader->pos, left);
        }
        ws_reader_release(reader);
        shift(reader, reader->pos);
    }
    reader->buf = memory;
    reader->capacity = capacity;
    reader->owner = WS_BUFFER_OWN;
    return 0;
}

int
ws_reader_own(WsReader *reader)
{
    size_t left = reader->size - reader->pos;

    if (reader->owner == WS_BUFFER_OWN || reader->owner == WS_BUFFER_NONE) {
        return 0;
    }
    if (left == 0) {
        ws_reader_trimmed(reader);
        return 0;
    }
    return move(reader, left);
}

void
ws_reader_shrink(WsReader *reader)
{
    size_t left = reader->size - reader->pos;

    if (left == 0) {
        ws_reader_trimmed(reader);
        return;
    }
    if (reader->owner == WS_BUFFER_LENT
        || (reader->owner == WS_BUFFER_OWN
            && reader->capacity / 2 <= left + ENOUGH)) {
        return;
    }
    if (reader->owner == WS_BUFFER_HELD
        && PyBytes_GET_SIZE(reader->held) / 2
               <= (Py_ssize_t)(left + ENOUGH)) {
        return;
    }
    if (move(reader, left) < 0) {
        /* Then it stays. */
        PyErr_Clear();
    }
}

void
ws_reader_trimmed(WsReader *reader)
{
    size_t left = reader->size - reader->pos;

    if (left == 0) {
        ws_reader_release(reader);
        shift(reader, reader->pos);
    }
}

/* Add bytes behind those that are there: 0 or -1. */
static int
append(WsReader *reader, const uint8_t *data, size_t size)
{
    size_t left = reader->size - reader->pos;

    if (reader->owner != WS_BUFFER_OWN
        || reader->capacity - reader->size < size) {
        if (reader->owner == WS_BUFFER_OWN && reader->pos >= left
            && reader->capacity - left >= size) {
            /* At least as many bytes were taken as are moved. */
            memmove(reader->buf, reader->buf + reader->pos, left);
            shift(reader, reader->pos);
        }
        else if (move(reader, left == 0
                                  ? size
                                  : left + size + (left + size) / 8 + 16) < 0) {
            return -1;
        }
    }
    memcpy(reader->buf + reader->size, data, size);
    reader->size += size;
    return 0;
}

int
ws_reader_feed(WsReader *reader, const uint8_t *data, size_t size)
{
    if (size == 0 || reader->closed || reader->error != NULL) {
        return 0;
    }
    ws_reader_trimmed(reader);
    return append(reader, data, size);
}

int
ws_reader_lend(WsReader *reader, uint8_t *data, size_t size)
{
    if (size == 0 || reader->closed || reader->error != NULL) {
        return 0;
    }
    ws_reader_trimmed(reader);
    if (reader->size) {
        return append(reader, data, size);
    }
    reader->buf = data;
    reader->size = size;
    reader->owner = WS_BUFFER_LENT;
    return 0;
}

int
ws_reader_keep(WsReader *reader)
{
    ws_reader_trimmed(reader);
    if (reader->owner == WS_BUFFER_LENT && ws_reader_own(reader) < 0) {
        reader->pos = reader->size;
        ws_reader_trimmed(reader);
        return -1;
    }
    return 0;
}

/* -- the take cursor */

/* Take what has arrived of the payload of the current frame. */
static int
take_payload(WsReader *reader, WsPart *part)
{
    size_t there = reader->size - reader->pos;

    if (there == 0) {
        return WS_WAIT;
    }
    if (there > reader->missing) {
        there = (size_t)reader->missing;
    }
    part->payload = reader->buf + reader->pos;
    part->size = there;
    part->head = reader->head;
    part->masked = reader->masked;
    part->writable = reader->owner != WS_BUFFER_HELD;
    memcpy(part->key, reader->key, 4);
    reader->pos += there;
    part->end = reader->pos;
    part->complete = (uint8_t)ws_reader_account(reader, there);
    return WS_FINE;
}

int
ws_reader_account(WsReader *reader, size_t size)
{
    uint8_t key[4];

    reader->missing -= size;
    if (reader->missing == 0) {
        reader->in_message = !(reader->head & WS_FIN);
        return 1;
    }
    memcpy(key, reader->key, 4);
    for (size_t i = 0; i < 4; i++) {
        reader->key[i] = key[(size + i) & 3];
    }
    return 0;
}

/* Account for a data frame that starts or continues the message being taken. */
static int
begin(WsReader *reader, const WsHeader *header, int quiet)
{
    int first = (header->head & 0x0F) != 0;
    int compressed = first ? (header->head & WS_RSV1) != 0 : reader->compressed;
    uint64_t size = first ? 0 : reader->message_size;
    uint64_t fragments = first ? 1 : reader->fragments + 1;
    int result = ws_check_limits(reader, header->length, size,
                                 header->plain ? 0 : fragments, !first,
                                 compressed, quiet);

    if (result == WS_FINE) {
        reader->compressed = compressed & 1;
        reader->message_size = size + header->length;
        reader->fragments = fragments;
    }
    return result;
}

int
ws_reader_take(WsReader *reader, int quiet, WsPart *part)
{
    size_t limit = reader->keeping ? reader->keep : reader->size;
    WsHeader header;
    size_t there;
    int scanned;
    int result;

    if (reader->missing) {
        return take_payload(reader, part);
    }
    for (;;) {
        there = limit - reader->pos;
        if (there < 2) {
            return WS_WAIT;
        }
        part->payload = reader->buf + reader->pos;
        result = ws_header(reader, part->payload, there, reader->in_message,
                           quiet, &header);
        if (result != WS_FINE) {
            return result;
        }
        if (there < header.size) {
            if (reader->error == NULL) {
                return WS_WAIT;
            }
            if (quiet) {
                return WS_ASIDE;
            }
            /* The scan didn't need the mask to refuse this frame. */
            PyErr_SetObject((PyObject *)Py_TYPE(reader->error), reader->error);
            return WS_RAISED;
        }
        scanned = reader->pos < reader->scan;
        there -= header.size;
        if (!(header.head & WS_CONTROL)) {
            break;
        }
        if (there < header.length) {
            return WS_WAIT;
        }
        if (!scanned && quiet) {
            return WS_ASIDE;
        }
        reader->pos += header.size + (size_t)header.length;
        if (!scanned) {
            break;
        }
        reader->skipped -= header.size + (size_t)header.length;
    }

    part->head = header.head;
    part->masked = reader->masked;
    part->writable = reader->owner != WS_BUFFER_HELD;
    memset(part->key, 0, 4);
    part->payload += header.size;
    if (reader->masked) {
        memcpy(part->key, part->payload - 4, 4);
    }
    if (header.head & WS_CONTROL) {
        part->size = (size_t)header.length;
        part->end = reader->pos;
        part->complete = 1;
        if ((header.head & 0x0F) == WS_CLOSE) {
            ws_reader_close(reader, reader->pos);
        }
        return WS_FINE;
    }

    /* A data frame. Nothing of it was consumed before this point. */
    result = begin(reader, &header, quiet);
    if (result != WS_FINE) {
        return result;
    }
    if (scanned) {
        reader->ahead--;
    }
    reader->pos += header.size;
    if (header.length <= there) {
        reader->pos += (size_t)header.length;
        reader->in_message = !(header.head & WS_FIN);
        part->size = (size_t)header.length;
        part->end = reader->pos;
        part->complete = 1;
        return WS_FINE;
    }
    reader->in_message = 1;
    reader->head = header.head;
    reader->length = reader->missing = header.length;
    memcpy(reader->key, part->key, 4);
    return take_payload(reader, part);
}

int
ws_reader_take_data(WsReader *reader, WsPart *part)
{
    int result = ws_reader_take(reader, 1, part);

    if (result == WS_WAIT) {
        ws_reader_trimmed(reader);
    }
    return result;
}

int
ws_reader_peek_plain(WsReader *reader, int allow_rsv1, WsPart *part)
{
    const uint8_t *data;
    WsHeader header;
    unsigned head;
    size_t there = reader->size - reader->pos;

    if (there < 2 || reader->missing || reader->in_message || reader->keeping
        || reader->error != NULL || reader->odd_limits) {
        return 0;
    }
    data = reader->buf + reader->pos;
    head = data[0];
    if (allow_rsv1 && reader->reserved & WS_RSV1) {
        head &= ~(unsigned)WS_RSV1;
    }
    if ((head != 0x81 && head != 0x82)
        || ws_header(reader, data, there, 0, 1, &header) != WS_FINE
        || there < header.size || there - header.size < header.length
        || (reader->plain_limit >= 0
            && header.length > (uint64_t)reader->plain_limit)) {
        return 0;
    }
    part->payload = reader->buf + reader->pos + header.size;
    part->size = (size_t)header.length;
    part->end = reader->pos + header.size + part->size;
    part->head = header.head;
    part->masked = reader->masked;
    part->complete = 1;
    part->writable = reader->owner != WS_BUFFER_HELD;
    if (reader->masked) {
        memcpy(part->key, part->payload - 4, 4);
    }
    else {
        memset(part->key, 0, 4);
    }
    return 1;
}

void
ws_reader_commit(WsReader *reader, const WsPart *part)
{
    /* Size, fragments and compression of a message that is complete don't count. */
    if (reader->pos < reader->scan) {
        reader->ahead--;
    }
    reader->pos = part->end;
    ws_reader_trimmed(reader);
}

/* -- payload received elsewhere */

uint64_t
ws_reader_missing(const WsReader *reader)
{
    if (reader->pos != reader->size || reader->closed || reader->keeping
        || reader->error != NULL) {
        return 0;
    }
    return reader->missing;
}

int
ws_reader_received(WsReader *reader, uint8_t *payload, size_t size,
                   uint8_t *head)
{
    if (reader->masked) {
        ws_xor(payload, payload, size, reader->key);
    }
    *head = reader->head;
    ws_reader_trimmed(reader);
    /* As if the bytes had been fed and taken. */
    reader->size = reader->pos = size;
    ws_reader_trimmed(reader);
    return ws_reader_account(reader, size);
}

/* -- payload out */

PyObject *
ws_part_bytes(const WsPart *part)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)part->size);

    if (bytes != NULL && part->size) {
        uint8_t *target = (uint8_t *)PyBytes_AS_STRING(bytes);

        if (part->masked) {
            ws_xor(target, part->payload, part->size, part->key);
        }
        else {
            memcpy(target, part->payload, part->size);
        }
    }
    return bytes;
}

int
ws_part_message(const WsPart *part, PyObject **message)
{
    PyObject *copy = NULL;
    const uint8_t *text = part->payload;

    if ((part->head & 0x0F) != 1) {
        *message = ws_part_bytes(part);
        return *message == NULL ? -1 : 1;
    }
    if (part->masked && part->writable) {
        ws_xor(part->payload, part->payload, part->size, part->key);
    }
    else if (part->masked) {
        copy = ws_part_bytes(part);
        if (copy == NULL) {
            return -1;
        }
        text = (const uint8_t *)PyBytes_AS_STRING(copy);
    }
    *message = PyUnicode_DecodeUTF8((const char *)text, (Py_ssize_t)part->size,
                                    NULL);
    Py_XDECREF(copy);
    if (*message != NULL) {
        return 1;
    }
    if (part->masked && part->writable) {
        ws_xor(part->payload, part->payload, part->size, part->key);
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}
