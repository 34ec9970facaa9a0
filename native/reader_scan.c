/* The cursor of a reader that looks ahead, and the end of reading. The Python twin,
   _codec/reader.py, is the specification. */

#include "mask.h"
#include "reader_rules.h"

#include <string.h>

/* Control frames returned by one scan. */
#define MAX_FOUND 64

/* Bytes of control frames that may stay behind data that waits. */
#define MAX_SKIPPED 4096

/* Return a position that may lie far behind all bytes, as a candidate. */
static int64_t
as_candidate(uint64_t end)
{
    return end > INT64_MAX ? INT64_MAX : (int64_t)end;
}

/* Start the scan behind the frame being taken. */
static void
sync_scan(WsReader *reader)
{
    int in_message = reader->missing ? !(reader->head & WS_FIN)
                                     : reader->in_message;

    reader->scan = reader->pos + reader->missing;
    reader->scan_in_message = in_message & 1;
    reader->scan_compressed = reader->compressed;
    reader->scan_size = reader->message_size;
    reader->scan_fragments = reader->fragments;
    reader->scan_length = reader->length;
    reader->candidate = in_message ? -1 : as_candidate(reader->scan);
    reader->boundary = -1;
}

/* Count a data frame; apply to it the limits that read() will apply. */
static int
scan_frame(WsReader *reader, const WsHeader *header, uint64_t end, int quiet)
{
    int in_message = reader->scan_in_message;
    int compressed = in_message ? reader->scan_compressed
                                : (header->head & WS_RSV1) != 0;
    uint64_t size = in_message ? reader->scan_size : 0;
    uint64_t fragments = in_message ? reader->scan_fragments + 1 : 1;
    int result = ws_check_limits(reader, header->length, size, fragments,
                                 in_message, compressed, quiet);

    if (result != WS_FINE) {
        return result;
    }
    reader->scan_compressed = compressed & 1;
    reader->scan_fragments = fragments;
    reader->scan_size = size + header->length;
    reader->scan_length = header->length;
    reader->scan_in_message = !(header->head & WS_FIN);
    reader->ahead++;
    if (header->head & WS_FIN) {
        if (reader->candidate <= (int64_t)reader->size) {
            reader->boundary = reader->candidate;
        }
        reader->candidate = as_candidate(end);
    }
    return WS_FINE;
}

/* Append a control frame to what a scan has found: 0 or -1. */
static int
report(const WsReader *reader, const uint8_t *data, const WsHeader *header,
       PyObject *found)
{
    WsPart part = {
        .payload = (uint8_t *)data + header->size,
        .size = (size_t)header->length,
        .masked = reader->masked,
    };
    PyObject *head, *payload, *item;
    int result;

    if (reader->masked) {
        memcpy(part.key, part.payload - 4, 4);
    }
    head = PyLong_FromLong(header->head);
    payload = ws_part_bytes(&part);
    item = head == NULL || payload == NULL ? NULL
                                           : PyTuple_Pack(2, head, payload);
    Py_XDECREF(head);
    Py_XDECREF(payload);
    if (item == NULL) {
        return -1;
    }
    result = PyList_Append(found, item);
    Py_DECREF(item);
    return result;
}

/* Walk over headers. `found` takes the control frames; NULL to stop before them and
   before everything else that isn't certain. WS_WAIT when there is nothing more to
   see, else as for ws_header(). */
static int
walk(WsReader *reader, PyObject *found)
{
    int quiet = found == NULL;
    uint64_t pos;

    if (!reader->keeping && reader->scan <= reader->pos + reader->missing) {
        sync_scan(reader);
    }
    pos = reader->scan;
    while (pos < reader->size) {
        const uint8_t *data = reader->buf + pos;
        size_t there = reader->size - (size_t)pos;
        WsHeader header;
        uint64_t end;
        int over = 0;
        int result = ws_header(reader, data, there, reader->scan_in_message,
                               quiet, &header);

        if (result != WS_FINE) {
            return result;
        }
        end = pos + header.size + header.length;
        if (header.head & WS_CONTROL) {
            if (reader->size < end) {
                return WS_WAIT;
            }
            if (quiet) {
                return WS_ASIDE;
            }
            if (report(reader, data, &header, found) < 0) {
                return WS_RAISED;
            }
            if (!reader->keeping) {
                if (reader->pos == pos) {
                    /* No data waits before it. */
                    reader->pos = (size_t)end;
                }
                else {
                    reader->skipped += (size_t)(end - pos);
                }
            }
            if ((header.head & 0x0F) == WS_CLOSE) {
                ws_reader_close(reader, (size_t)end);
                over = 1;
            }
            else if (PyList_GET_SIZE(found) == MAX_FOUND) {
                over = 1;
            }
        }
        else {
            result = scan_frame(reader, &header, end, quiet);
            if (result != WS_FINE) {
                return result;
            }
        }
        reader->scan = pos = end;
        if (over) {
            break;
        }
    }
    return WS_WAIT;
}

/* Delete bytes from `from` to `to`: 0, or -1 with MemoryError. */
static int
cut_out(WsReader *reader, size_t from, size_t to)
{
    size_t rest = reader->size - to;

    if (rest) {
        size_t pos = reader->pos;

        if (reader->owner == WS_BUFFER_HELD) {
            if (ws_reader_own(reader) < 0) {
                return -1;
            }
            from -= pos - reader->pos;
            to -= pos - reader->pos;
        }
        memmove(reader->buf + from, reader->buf + to, rest);
    }
    reader->size = from + rest;
    return 0;
}

/* Delete the bytes that the scan has passed and nobody will take: 0 or -1. */
static int
discard(WsReader *reader)
{
    size_t end = reader->size;
    size_t count;

    if (reader->error == NULL && reader->scan < end) {
        end = (size_t)reader->scan;
    }
    if (end <= reader->keep) {
        return 0;
    }
    count = end - reader->keep;
    if (cut_out(reader, reader->keep, end) < 0) {
        return -1;
    }
    reader->scan = reader->scan > reader->keep + count ? reader->scan - count
                                                       : reader->keep;
    ws_reader_shrink(reader);
    return 0;
}

/* Return the size of the legal frame at `from`; the last one may end at `end`. */
static size_t
frame_size(WsReader *reader, size_t from, size_t end)
{
    const uint8_t *data = reader->buf + from;
    size_t there = end - from;
    WsHeader header;

    /* Where it stands in a message was checked. */
    if (ws_header(reader, data, there, (data[0] & 0x0F) == 0, 1, &header)
            == WS_FINE
        && header.length < there && header.size + header.length < there) {
        return header.size + (size_t)header.length;
    }
    return there;
}

/* Forget control frames behind data: a peer may send them for months. 0 or -1. */
static int
compact(WsReader *reader, PyObject *found)
{
    size_t start, end, from, to;

    if (reader->owner == WS_BUFFER_HELD && ws_reader_own(reader) < 0) {
        return -1;
    }
    start = reader->pos + (size_t)reader->missing;
    end = reader->scan < reader->size ? (size_t)reader->scan : reader->size;
    from = to = start;
    while (from < end) {
        size_t size = frame_size(reader, from, end);

        if (!(reader->buf[from] & WS_CONTROL)) {
            memmove(reader->buf + to, reader->buf + from, size);
            to += size;
        }
        from += size;
    }
    (void)cut_out(reader, to, from); /* it's writable */
    reader->skipped = reader->ahead = 0;
    reader->scan = 0;
    sync_scan(reader);
    ws_reader_shrink(reader);
    /* Over again: but for the last part of a frame, only data frames are left. */
    return walk(reader, found) == WS_RAISED ? -1 : 0;
}

PyObject *
ws_reader_scan(WsReader *reader)
{
    PyObject *found = PyList_New(0);
    size_t allowed;

    if (found == NULL) {
        return NULL;
    }
    if (reader->error == NULL && walk(reader, found) == WS_RAISED) {
        reader->error = ws_peers_error();
        if (reader->error == NULL) {
            goto failed;
        }
    }
    if (reader->keeping) {
        if (!reader->closed && discard(reader) < 0) {
            goto failed;
        }
    }
    else {
        allowed = (reader->size - reader->pos) >> 2;
        if (reader->error == NULL && PyList_GET_SIZE(found) == 0
            && reader->skipped > (allowed > MAX_SKIPPED ? allowed : MAX_SKIPPED)
            && compact(reader, found) < 0) {
            goto failed;
        }
    }
    ws_reader_trimmed(reader);
    return found;
failed:
    Py_DECREF(found);
    return NULL;
}

int
ws_reader_scan_data(WsReader *reader)
{
    int result;

    if (reader->error != NULL) {
        return 1;
    }
    result = walk(reader, NULL);
    if (result != WS_WAIT) {
        return result == WS_RAISED ? -1 : 0;
    }
    return !reader->keeping && reader->skipped <= MAX_SKIPPED;
}

/* -- the end */

int
ws_reader_drop(WsReader *reader)
{
    int64_t keep;
    size_t start;

    if (reader->keeping) {
        return 0;
    }
    if (reader->scan <= reader->pos + reader->missing) {
        sync_scan(reader);
    }
    keep = reader->candidate <= (int64_t)reader->size ? reader->candidate
                                                      : reader->boundary;
    if (keep < (int64_t)reader->pos) {
        /* The message being taken, if there is one, never ends. */
        keep = (int64_t)reader->pos;
        reader->missing = 0;
        reader->in_message = 0;
    }
    reader->keep = (size_t)keep;
    reader->keeping = 1;
    /* Control frames before that place are skipped one day, others are deleted. */
    reader->skipped = 0;
    start = reader->pos + (size_t)reader->missing;
    while (start < reader->keep) {
        size_t size = frame_size(reader, start, reader->keep);

        if (reader->buf[start] & WS_CONTROL) {
            reader->skipped += size;
        }
        start += size;
    }
    return discard(reader);
}

void
ws_reader_clear(WsReader *reader)
{
    ws_reader_release(reader);
    reader->size = reader->pos = reader->keep = reader->skipped = 0;
    reader->scan = 0;
    reader->keeping = 1;
    reader->missing = 0;
    reader->ahead = 0;
    reader->in_message = 0;
    reader->closed = 1;
}

int
ws_reader_stop(WsReader *reader)
{
    int result = ws_reader_drop(reader);

    ws_reader_close(reader, reader->keep);
    if (result == 0) {
        ws_reader_shrink(reader);
    }
    return result;
}

void
ws_reader_close(WsReader *reader, size_t end)
{
    reader->closed = 1;
    reader->size = reader->keeping ? reader->keep : end;
}

PyObject *
ws_reader_unfinished(const WsReader *reader)
{
    uint64_t start = reader->pos;

    if (reader->missing && reader->scan < reader->pos + reader->missing) {
        /* Nobody scanned: all bytes that are there have been taken. */
        return Py_BuildValue("(KK)",
                             (unsigned long long)(reader->length - reader->missing),
                             (unsigned long long)reader->length);
    }
    if (reader->scan > reader->size) {
        int64_t there = (int64_t)(reader->scan_length
                                  - (reader->scan - reader->size));

        if (there < 0) {
            /* The mask stands before the payload. */
            return Py_BuildValue("(Li)", (long long)(4 + there), 4);
        }
        return Py_BuildValue("(LK)", (long long)there,
                             (unsigned long long)reader->scan_length);
    }
    if (reader->scan > start) {
        start = reader->scan;
    }
    return ws_missing_part(reader, (size_t)start);
}
