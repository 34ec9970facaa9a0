/* The counterpart in Python is Connection.send(), and what it calls down to the
   transport. This does the same in ordinary circumstances.

   Corking. A handler that answers a burst of messages would make one system call per
   answer. While messages of the burst are left, small answers are kept; they leave with
   the answer to the last message, or when there are enough of them, or when the handler
   waits for anything. At other times each message leaves at once. */

#include "sending.h"

#include "deflate.h"
#include "mask.h"
#include "random.h"
#include "take.h"
#include "writer.h"
#include "writing.h"

#include <string.h>

#define FIN 0x80
#define RSV1 0x40
#define TEXT 1
#define BINARY 2

/* Up to this size, header and payload are copied into one piece. */
#define SMALL 4096

/* Frames corked: what a few packets of a local network carry. */
#define CORK 16384

#define HEADER 14

/* A message as bytes. */
typedef struct {
    const uint8_t *data;
    size_t size;
    PyObject *owner; /* of the data, if it never changes; else NULL */
    Py_buffer view;
    int viewed;
    uint8_t head;
} Payload;

static void
release(Payload *payload)
{
    if (payload->viewed) {
        PyBuffer_Release(&payload->view);
    }
    Py_XDECREF(payload->owner);
}

/* 1, 0 if it isn't one piece of memory, -1 with an exception. */
static int
acquire(PyObject *message, Payload *payload)
{
    payload->viewed = 0;
    payload->head = FIN | BINARY;
    if (PyUnicode_CheckExact(message)) {
        payload->head = FIN | TEXT;
        if (PyUnicode_IS_COMPACT_ASCII(message)) {
            payload->data = (const uint8_t *)PyUnicode_DATA(message);
            payload->size = (size_t)PyUnicode_GET_LENGTH(message);
            payload->owner = Py_NewRef(message);
            return 1;
        }
        /* The other way would leave a copy with the program's object. */
        message = PyUnicode_AsUTF8String(message);
        if (message == NULL) {
            return -1;
        }
    }
    else if (PyBytes_CheckExact(message)) {
        Py_INCREF(message);
    }
    else {
        payload->owner = NULL;
        if (PyObject_GetBuffer(message, &payload->view, PyBUF_SIMPLE) < 0) {
            PyErr_Clear();
            return 0;
        }
        payload->viewed = 1;
        payload->data = payload->view.buf;
        payload->size = (size_t)payload->view.len;
        return 1;
    }
    payload->owner = message;
    payload->data = (const uint8_t *)PyBytes_AS_STRING(message);
    payload->size = (size_t)PyBytes_GET_SIZE(message);
    return 1;
}

/* -- circumstances --------------------------------------------------------- */

int
ws_is_clear(WsHot *hot)
{
    WsState *state = hot->state;
    PyObject *writes;

    /* Programs may set the state, have the protocol queue what they like, and replace
       its send_frame(). */
    if (!hot->fast || hot->congested || hot->sending_fragments
        || ws_slot(hot->protocol, state->protocol_state) != state->open
        || ws_slot(hot->protocol, state->protocol_continues) != Py_False
        || ws_slot(hot->protocol, state->protocol_send_frame) != Py_None
        || !ws_may_write(hot)) {
        return 0;
    }
    writes = ws_slot(hot->protocol, state->protocol_writes);
    return writes != NULL && PyList_CheckExact(writes) && PyList_GET_SIZE(writes) == 0;
}

/* -- corking --------------------------------------------------------------- */

int
ws_flush(WsHot *hot)
{
    uint8_t *cork = hot->cork;
    size_t size = (size_t)hot->corked;
    int result;

    if (cork == NULL) {
        return 0;
    }
    hot->cork = NULL;
    hot->corked = 0;
    result = ws_write_bytes(hot, cork, size);
    PyMem_Free(cork);
    if (result == 0) {
        result = ws_after_writing(hot, size) < 0 ? -1 : 0;
    }
    return result;
}

/* Keep a frame until others are there: 1 if it was kept. */
static int
cork(WsHot *hot, const uint8_t *frame, size_t size)
{
    int more = size <= SMALL && (hot->corking || ws_has_message(hot));

    if (!more && hot->cork == NULL) {
        return 0;
    }
    if ((size_t)hot->corked + size > CORK) {
        if (ws_flush(hot) < 0) {
            return -1;
        }
        if (!more || hot->congested) {
            return 0;
        }
    }
    if (hot->cork == NULL) {
        hot->cork = PyMem_Malloc(CORK);
        if (hot->cork == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (!hot->waking && !hot->flushing) {
            PyObject *handle = PyObject_CallMethodNoArgs(
                (PyObject *)hot, hot->state->name_flush_soon);

            if (handle == NULL) {
                PyMem_Free(hot->cork);
                hot->cork = NULL;
                return -1;
            }
            Py_DECREF(handle);
            hot->flushing = 1;
        }
    }
    memcpy(hot->cork + hot->corked, frame, size);
    hot->corked += (Py_ssize_t)size;
    if (!more) {
        return ws_flush(hot) < 0 ? -1 : 1;
    }
    return 1;
}

static int
send_small(WsHot *hot, const Payload *payload, const uint8_t *key)
{
    uint8_t frame[HEADER + SMALL];
    size_t header = ws_frame_header(frame, payload->head, payload->size, key);
    int corked;

    if (key != NULL) {
        ws_xor(frame + header, payload->data, payload->size, key);
    }
    else {
        memcpy(frame + header, payload->data, payload->size);
    }
    corked = cork(hot, frame, header + payload->size);
    if (corked != 0) {
        return corked;
    }
    if (ws_write_bytes(hot, frame, header + payload->size) < 0) {
        return -1;
    }
    return ws_after_writing(hot, header + payload->size);
}

/* -- sending --------------------------------------------------------------- */

/* Compress a payload that's worth it. 1 with what is to be sent, 0 if Python has to do
   it, -1 with an exception. */
static int
compress(WsHot *hot, PyObject *message, Payload *payload)
{
    PyObject *compressed;
    size_t size;
    int wanted = ws_deflate_wanted(hot->state, hot->deflate, payload->size);

    if (wanted <= 0) {
        return wanted < 0 ? -1 : 1;
    }
    wanted = ws_deflate_message(hot->state, hot->deflate,
                                payload->viewed ? message : payload->owner, &compressed,
                                &size);
    if (wanted > 0) {
        release(payload);
        payload->viewed = 0;
        payload->owner = compressed;
        payload->data = (const uint8_t *)PyBytes_AS_STRING(compressed);
        payload->size = size;
        payload->head |= RSV1;
    }
    return wanted;
}

int
ws_send(WsHot *hot, PyObject *message)
{
    uint8_t buffer[4];
    const uint8_t *key = NULL;
    Payload payload;
    size_t size;
    int result;

    if (!ws_is_clear(hot)) {
        return 0;
    }
    result = acquire(message, &payload);
    if (result <= 0) {
        return result;
    }
    if (hot->deflate != NULL) {
        result = compress(hot, message, &payload);
        if (result <= 0) {
            release(&payload);
            return result;
        }
    }
    if (hot->client) {
        if (ws_mask_key(hot->state, buffer) < 0) {
            result = -1;
            goto done;
        }
        key = buffer;
    }
    if (payload.size <= SMALL) {
        result = send_small(hot, &payload, key);
    }
    else if (ws_flush(hot) < 0
             || ws_write_frame(hot, payload.head, payload.data, payload.size, key,
                               payload.owner)
                    < 0) {
        result = -1;
    }
    else {
        /* The length of the header isn't known here, and doesn't matter. */
        result = ws_after_writing(hot, payload.size);
    }
done:
    if (result < 0 && payload.head & RSV1) {
        ws_deflate_forget(hot->state, hot->deflate);
    }
    size = payload.size;
    release(&payload);
    hot->burst += 1 + (int)((size >> 14) & 0xFFFF);
    return result;
}

int
ws_send_frame(WsHot *hot, PyObject *frame)
{
    if (hot->client || !ws_is_clear(hot)) {
        return 0;
    }
    if (ws_flush(hot) < 0 || ws_write_object(hot, frame) < 0) {
        return -1;
    }
    return ws_after_writing(hot, (size_t)PyBytes_GET_SIZE(frame));
}
