/* Large frames leave in parts on our sockets: a part is masked, written, and the next one
   uses the same memory, so the processor's cache serves for all of it. What the system
   doesn't take stays where it is, if nobody can change it there. */

#include "writing.h"

#include "mask.h"
#include "transport.h"
#include "writer.h"

#include <string.h>

/* A multiple of the mask's size. */
#define PART 262144

#define HEADER 14

/* Room for it, which leaves what follows aligned. */
#define ROOM 16

int
ws_may_write(WsHot *hot)
{
    if (ws_slot(hot->output, hot->state->output_paused) != Py_False) {
        return 0;
    }
#ifdef WS_SOCKETS
    if (hot->socket) {
        return !ws_transport_closing(hot->transport)
               && ws_transport_unsent(hot->transport) == 0;
    }
#endif
    return 1;
}

int
ws_after_writing(WsHot *hot, size_t size)
{
    PyObject *result;

    hot->written += size;
    if (ws_may_write(hot)) {
        return 1;
    }
    result = PyObject_CallMethodNoArgs((PyObject *)hot,
                                       hot->state->name_check_congestion);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 1;
}

/* -- transports in Python -------------------------------------------------- */

/* transport.write(data) */
static int
call_write(WsHot *hot, PyObject *data)
{
    PyObject *result = PyObject_CallMethodOneArg(hot->transport,
                                                 hot->state->name_write, data);

    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

/* In one new object. */
static int
write_joined(WsHot *hot, const uint8_t *header, size_t length, const uint8_t *data,
             size_t size, const uint8_t *key)
{
    PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(length + size));
    uint8_t *target;
    int result;

    if (frame == NULL) {
        return -1;
    }
    target = (uint8_t *)PyBytes_AS_STRING(frame);
    if (length) {
        memcpy(target, header, length);
    }
    if (key != NULL) {
        ws_xor(target + length, data, size, key);
    }
    else if (size) {
        memcpy(target + length, data, size);
    }
    result = call_write(hot, frame);
    Py_DECREF(frame);
    return result;
}

/* -- transports of ours ---------------------------------------------------- */

#ifdef WS_SOCKETS

/* Does part of the frame wait already, and can the rest wait as it is? */
static int
can_mask_later(WsHot *hot, PyObject *owner)
{
    return owner != NULL && ((WsTransport *)hot->transport)->ops->mask_later != NULL
           && ws_transport_unsent(hot->transport) > 0;
}

static int
write_masked(WsHot *hot, const uint8_t *header, size_t length, const uint8_t *data,
             size_t size, const uint8_t *key, PyObject *owner)
{
    /* The header stands before the first part: one piece costs the system less. */
    uint8_t *memory = PyMem_Malloc(ROOM + (size < PART ? size : PART));
    uint8_t *part;
    size_t done = 0;
    int result = 0;

    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    part = memory + ROOM;
    memcpy(part - length, header, length);
    while (done < size && result == 0) {
        size_t step = size - done < PART ? size - done : PART;

        if (done && can_mask_later(hot, owner)) {
            struct iovec rest = {(void *)(data + done), size - done};

            step = size - done;
            result = ((WsTransport *)hot->transport)
                         ->ops->mask_later(hot->transport, &rest, owner, key);
        }
        else {
            size_t before = done ? 0 : length;
            struct iovec piece = {part - before, before + step};

            ws_xor(part, data + done, step, key);
            result = ws_transport_send(hot->transport, &piece, 1, NULL);
        }
        if (result < 0 && done) {
            /* Half a frame has gone: nothing can follow it. */
            PyObject *error = ws_take_error();

            if (ws_transport_abort(hot->transport, error) < 0) {
                PyErr_Clear();
            }
            ws_raise(error);
        }
        done += step;
    }
    PyMem_Free(memory);
    return result;
}

#endif

/* -- both ------------------------------------------------------------------ */

int
ws_write_bytes(WsHot *hot, const uint8_t *data, size_t size)
{
#ifdef WS_SOCKETS
    if (hot->socket) {
        struct iovec part = {(void *)data, size};

        return ws_transport_send(hot->transport, &part, 1, NULL);
    }
#endif
    return write_joined(hot, NULL, 0, data, size, NULL);
}

int
ws_write_object(WsHot *hot, PyObject *data)
{
#ifdef WS_SOCKETS
    if (hot->socket) {
        struct iovec part = {PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)};

        return ws_transport_send(hot->transport, &part, 1, data);
    }
#endif
    return call_write(hot, data);
}

int
ws_write_frame(WsHot *hot, uint8_t head, const uint8_t *data, size_t size,
               const uint8_t *key, PyObject *owner)
{
    uint8_t header[HEADER];
    size_t length = ws_frame_header(header, head, size, key);

#ifdef WS_SOCKETS
    if (hot->socket && key != NULL) {
        return write_masked(hot, header, length, data, size, key, owner);
    }
    if (hot->socket) {
        struct iovec parts[2] = {{header, length}, {(void *)data, size}};

        return ws_transport_send(hot->transport, parts, 2, owner);
    }
#endif
    return write_joined(hot, header, length, data, size, key);
}
