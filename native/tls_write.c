/* TLS on top of another transport: writing, the end. */

#include "tls_engine.h"

#ifdef WS_SOCKETS

#include <string.h>

/* How many records go to the transport below at a time. */
#define MAX_SEALED 8

/* asyncio's limit, from which on it warns about writing to a connection that is lost. */
#define MAX_SILENT_WRITES 5

/* Encrypted bytes on their way to the transport below. */
typedef struct {
    PyObject *pieces[MAX_SEALED];
    int count;
} Sealed;

/* -- writing --------------------------------------------------------------- */

/* Hand encrypted bytes on: 0 or -1. */
static int
leave(WsTls *self, Sealed *sealed)
{
    struct iovec parts[MAX_SEALED];
    int rc = 0;

    for (int i = 0; i < sealed->count; i++) {
        parts[i].iov_base = PyBytes_AS_STRING(sealed->pieces[i]);
        parts[i].iov_len = (size_t)PyBytes_GET_SIZE(sealed->pieces[i]);
    }
    if (sealed->count > 0) {
        rc = ws_transport_send(self->below, parts, sealed->count,
                               sealed->pieces[sealed->count - 1]);
    }
    while (sealed->count > 0) {
        sealed->count--;
        Py_DECREF(sealed->pieces[sealed->count]);
    }
    return rc;
}

/* Take what TLS has encrypted: 0 or -1. */
static int
collect(WsTls *self, Sealed *sealed)
{
    PyObject *data = ws_tls_take(self);

    if (data == NULL) {
        return -1;
    }
    sealed->pieces[sealed->count++] = data;
    return sealed->count == MAX_SEALED ? leave(self, sealed) : 0;
}

/* Encrypt a record's worth: 0 or -1. */
static int
seal(WsTls *self, Sealed *sealed, const uint8_t *data, size_t size)
{
    while (size > 0) {
        Py_ssize_t written = ws_tls_write(self, data, size);

        if (written < 0 || collect(self, sealed) < 0) {
            return -1;
        }
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Small parts leave in one record, and large ones aren't copied: 0 or -1. */
static int
seal_parts(WsTls *self, Sealed *sealed, const struct iovec *parts, int count)
{
    uint8_t stage[WS_RECORD];
    size_t staged = 0;

    for (int i = 0; i < count; i++) {
        const uint8_t *data = parts[i].iov_base;
        size_t left = parts[i].iov_len;

        while (left > 0) {
            size_t room = WS_RECORD - staged;
            size_t size = left < room ? left : room;

            if (staged == 0 && (size == WS_RECORD || i == count - 1)) {
                if (seal(self, sealed, data, size) < 0) {
                    return -1;
                }
            }
            else {
                memcpy(stage + staged, data, size);
                staged += size;
                if (staged == WS_RECORD) {
                    if (seal(self, sealed, stage, staged) < 0) {
                        return -1;
                    }
                    staged = 0;
                }
            }
            data += size;
            left -= size;
        }
    }
    return seal(self, sealed, stage, staged) < 0 ? -1 : leave(self, sealed);
}

/* Write to a connection that is closed, and warn who does it again and again. */
static int
write_silently(WsTls *self)
{
    PyObject *message;
    int rc;

    if (self->silent_writes < MAX_SILENT_WRITES) {
        self->silent_writes++;
        return 0;
    }
    message = PyUnicode_FromString("SSL connection is closed");
    if (message == NULL) {
        return -1;
    }
    rc = ws_call(self->state->transports->logger, NAME(self, WS_WARNING), message);
    Py_DECREF(message);
    return rc;
}

int
ws_tls_send(PyObject *transport, const struct iovec *parts, int count,
            PyObject *Py_UNUSED(owner))
{
    WsTls *self = (WsTls *)transport;
    Sealed sealed;
    int rc;

    if (self->closing) {
        return write_silently(self);
    }
    if (self->phase != WS_TLS_OPEN) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot call write() during the TLS handshake");
        return -1;
    }
    sealed.count = 0;
    Py_INCREF(transport);
    rc = seal_parts(self, &sealed, parts, count);
    if (rc < 0) {
        while (sealed.count > 0) {
            sealed.count--;
            Py_DECREF(sealed.pieces[sealed.count]);
        }
        rc = ws_tls_fail(self, "Fatal write error on TLS transport");
    }
    Py_DECREF(transport);
    return rc;
}

int
ws_tls_flush(WsTls *self)
{
    Sealed sealed;
    Py_ssize_t waiting;

    if (self->phase == WS_TLS_LOST) {
        return 0;
    }
    self->talking = 0;
    waiting = ws_tls_waiting(self);
    if (waiting <= 0) {
        return waiting < 0 ? -1 : 0;
    }
    sealed.count = 0;
    return collect(self, &sealed) < 0 ? -1 : leave(self, &sealed);
}

/* -- the end --------------------------------------------------------------- */

int
ws_tls_abort(PyObject *transport, PyObject *exc)
{
    WsTls *self = (WsTls *)transport;

    self->closing = 1;
    if (self->phase == WS_TLS_OPEN) {
        self->phase = WS_TLS_CLOSING;
    }
    return ws_transport_abort(self->below, exc);
}

int
ws_tls_close(WsTls *self)
{
    if (self->closing) {
        return 0;
    }
    if (self->phase == WS_TLS_OPENING) {
        return ws_tls_abort((PyObject *)self, Py_None);
    }
    self->closing = 1;
    self->phase = WS_TLS_CLOSING;
    if (self->got_eof) {
        return ws_call(self->below, NAME(self, WS_CLOSE), NULL);
    }
    return ws_call(self->driver, NAME(self, WS_CLOSE), NULL);
}

int
ws_tls_tell_eof(WsTls *self)
{
    PyObject *protocol = Py_NewRef(self->protocol);
    int rc = ws_call(protocol, NAME(self, WS_EOF_RECEIVED), NULL);

    Py_DECREF(protocol);
    return rc < 0 ? ws_tls_fail(self, "Error calling eof_received()") : 0;
}

int
ws_tls_fail(WsTls *self, const char *message)
{
    PyObject *exc = ws_take_error();
    int stops = ws_stops_loop(exc);
    int raises = stops || PyErr_GivenExceptionMatches(exc, PyExc_MemoryError);
    int rc = 0;

    if (!raises && self->loop != NULL && !PyErr_GivenExceptionMatches(exc, PyExc_OSError)) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        rc = ws_report(self->state, self->loop, message, (PyObject *)self, self->protocol);
    }
    /* Tell the peer, if there's anything to tell. What was read or written may be lost,
       so this is the end in any case. */
    if (rc == 0 && !stops && ws_tls_flush(self) < 0) {
        PyErr_Clear();
    }
    if (rc == 0) {
        rc = ws_tls_abort((PyObject *)self, stops ? Py_None : exc);
    }
    if (raises) {
        PyErr_Clear(); /* this one tells more */
        ws_raise(exc);
        return -1;
    }
    Py_DECREF(exc);
    return rc;
}

static size_t
unsent(PyObject *transport)
{
    return ws_transport_unsent(((WsTls *)transport)->below);
}

static int
is_closing(PyObject *transport)
{
    WsTls *self = (WsTls *)transport;

    return self->closing || ws_transport_closing(self->below);
}

const WsTransportOps ws_tls_ops = {ws_tls_send, NULL, unsent, is_closing, ws_tls_abort};

#endif
