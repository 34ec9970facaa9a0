/* TLS on top of another transport: reading.

   TLS is asked for data only when a whole record is there: that it wants more is an
   exception, which takes as long as decrypting a small record. A few records at a time
   are put into the incoming MemoryBIO, whose memory grows as needed and stays.

   A read returns what one record holds. So when as many reads have returned data as there
   were records, there was nothing else among them, and TLS has nothing to answer. */

#include "tls_engine.h"

#ifdef WS_SOCKETS

#include <string.h>

/* TLS 1.2 allows records to grow this much by encryption (RFC 5246 section 6.2.3). */
#define MAX_GROWTH 2048

/* Types of records (RFC 8446 section 5.1), and of RFC 6520. */
#define FIRST_TYPE 20
#define LAST_TYPE 24

/* Data that a protocol in Python gets at a time. */
#define PIECE 65536

/* -- records --------------------------------------------------------------- */

/* Return how many bytes it takes to the end of the current record, or of what is here.
   The record has ended if header_size is 0 afterwards. */
static size_t
next_record(WsTls *self, const uint8_t *data, size_t size)
{
    const uint8_t *header = self->header;
    size_t taken = 0;
    size_t rest;

    while (self->header_size < WS_RECORD_HEADER) {
        if (taken == size) {
            return taken;
        }
        self->header[self->header_size++] = data[taken++];
        if (self->header_size == WS_RECORD_HEADER) {
            self->left = (uint16_t)(header[3] << 8 | header[4]);
            if (header[0] < FIRST_TYPE || header[0] > LAST_TYPE || header[1] != 3
                || self->left > WS_RECORD + MAX_GROWTH) {
                self->left = 0; /* nonsense, which TLS is to see without delay */
            }
        }
    }
    rest = size - taken < self->left ? size - taken : self->left;
    self->left -= (uint16_t)rest;
    if (self->left == 0) {
        self->header_size = 0;
    }
    return taken + rest;
}

/* Put whole records into incoming, some kilobytes, or else the beginning of one.
   0 or -1. */
static int
put_records(WsTls *self, WsArrived *arrived)
{
    size_t size = 0;
    size_t whole = 0;

    while (size < arrived->size && size < WS_RECORD) {
        size += next_record(self, arrived->data + size, arrived->size - size);
        if (self->header_size == 0) {
            self->records++;
            whole = size;
        }
    }
    if (whole > 0) {
        self->header_size = 0;
        size = whole;
    }
    if (ws_tls_put(self, arrived->data, size) < 0) {
        return -1;
    }
    arrived->data += size;
    arrived->size -= size;
    return 0;
}

/* Put everything into incoming, for whoever is going to read it. 0 or -1. */
static int
put_rest(WsTls *self, WsArrived *arrived)
{
    size_t done = 0;

    if (arrived == NULL || arrived->size == 0) {
        return 0;
    }
    while (done < arrived->size) {
        done += next_record(self, arrived->data + done, arrived->size - done);
        self->records += self->header_size == 0;
    }
    arrived->size = 0;
    return ws_tls_put(self, arrived->data, done);
}

/* A read took all that there was room for: has it taken all of the record? 0 or -1. */
static int
check_rest(WsTls *self)
{
    Py_ssize_t rest = ws_tls_rest(self);

    if (rest == 0) {
        self->records--;
    }
    return rest < 0 ? -1 : 0;
}

/* Decrypt into memory: how many bytes. Where a record is full, the next ones may belong
   to the same message, which has a place of its own when it's known. */
static size_t
fill(WsTls *self, WsArrived *arrived, uint8_t *buffer, size_t room, WsOutcome *outcome)
{
    size_t filled = 0;
    size_t size = 0;

    *outcome = WS_DATA;
    while (filled < room && size < WS_RECORD) {
        while (self->records == 0) {
            if (arrived->size == 0) {
                *outcome = WS_NOTHING_LEFT;
                return filled;
            }
            if (put_records(self, arrived) < 0) {
                *outcome = WS_FAILED;
                return filled;
            }
        }
        size = ws_tls_get(self, buffer + filled, room - filled, outcome);
        filled += size;
        if (size == 0) {
            self->talking = 1;
            if (*outcome != WS_NOTHING_LEFT) {
                return filled;
            }
            self->records = 0;
        }
        else if (filled < room) {
            self->records--;
        }
        else if (check_rest(self) < 0) {
            *outcome = WS_FAILED;
        }
    }
    return filled;
}

/* -- to the protocol ------------------------------------------------------- */

/* The peer has said goodbye: so do we. 0 or -1. */
static int
answer_goodbye(WsTls *self)
{
    self->records = 0;
    if (ws_tls_tell_eof(self) < 0) {
        return -1;
    }
    return ws_tls_close(self) < 0 ? ws_tls_fail(self, "Fatal error on TLS transport") : 0;
}

/* To a protocol in C. 1: there is more to process; 0; -1: exception. */
static int
deliver_in_c(WsTls *self, WsArrived *arrived, uint8_t *buffer, size_t room)
{
    /* An SSLObject of a program's own may replace the protocol. */
    PyObject *protocol = Py_NewRef(self->protocol);
    const WsReceiverOps *receiver = self->receiver;
    PyObject *exc = NULL;
    WsOutcome outcome;
    size_t size = fill(self, arrived, buffer, room, &outcome);
    int rc = 0;

    if (outcome == WS_FAILED) {
        exc = ws_take_error();
    }
    if (size > 0) {
        rc = receiver->received(protocol, size);
    }
    Py_DECREF(protocol);
    if (rc < 0) {
        Py_XDECREF(exc);
        return ws_tls_fail(self, "Fatal error: protocol.buffer_updated() call failed.");
    }
    if (outcome == WS_FAILED) {
        ws_raise(exc);
        return ws_tls_fail(self, "Fatal error on TLS transport");
    }
    if (outcome == WS_GOODBYE) {
        return self->phase == WS_TLS_OPEN ? answer_goodbye(self) : 0;
    }
    return self->records > 0 || arrived->size > 0;
}

/* The same with data that was read for a protocol in Python. */
static int
deliver_object(WsTls *self, PyObject *data, WsOutcome outcome, PyObject *method,
               const char *message)
{
    PyObject *protocol = self->protocol;
    int goodbye;
    int rc;

    if (data == NULL) {
        self->records = 0;
        self->talking = 1;
        return outcome == WS_NOTHING_LEFT ? 0
                                       : ws_tls_fail(self, "Fatal error on TLS transport");
    }
    goodbye = PyObject_Not(data);
    if (goodbye || check_rest(self) < 0) {
        Py_DECREF(data);
        return goodbye > 0 ? answer_goodbye(self)
                           : ws_tls_fail(self, "Fatal error on TLS transport");
    }
    Py_INCREF(protocol);
    rc = ws_call(protocol, method, data);
    Py_DECREF(protocol);
    Py_DECREF(data);
    return rc < 0 ? ws_tls_fail(self, message) : self->records > 0;
}

/* Into the buffer of a protocol in Python: the same. */
static int
deliver_into_buffer(WsTls *self)
{
    PyObject *args[2] = {self->protocol, PyLong_FromLong(-1)};
    PyObject *buffer = NULL;
    PyObject *data;
    Py_ssize_t room;
    WsOutcome outcome = WS_FAILED;

    if (args[1] != NULL) {
        buffer = PyObject_VectorcallMethod(NAME(self, WS_GET_BUFFER), args,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
    }
    room = buffer == NULL ? -1 : PyObject_Size(buffer);
    if (room == 0) {
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    }
    if (room <= 0) {
        Py_XDECREF(buffer);
        return ws_tls_fail(self, "Fatal error: protocol.get_buffer() call failed.");
    }
    if (self->phase != WS_TLS_OPEN) {
        Py_DECREF(buffer); /* get_buffer() closed the transport */
        return 0;
    }
    data = ws_tls_read(self, (size_t)room, buffer, &outcome);
    Py_DECREF(buffer);
    return deliver_object(self, data, outcome, NAME(self, WS_BUFFER_UPDATED),
                          "Fatal error: protocol.buffer_updated() call failed.");
}

/* One buffer full. 1: there is more to process; 0; -1: exception. */
static int
deliver(WsTls *self, WsArrived *arrived)
{
    uint8_t *buffer = NULL;
    size_t room = 0;
    WsOutcome outcome = WS_FAILED;
    PyObject *data;

    if (self->receiver != NULL
        && self->receiver->get_buffer(self->protocol, &buffer, &room) < 0) {
        return ws_tls_fail(self, "Fatal error: protocol.get_buffer() call failed.");
    }
    if (buffer != NULL) {
        return deliver_in_c(self, arrived, buffer, room);
    }
    if (put_rest(self, arrived) < 0) {
        return ws_tls_fail(self, "Fatal error on TLS transport");
    }
    if (self->records == 0) {
        return 0;
    }
    if (self->buffered) {
        return deliver_into_buffer(self);
    }
    data = ws_tls_read(self, PIECE, NULL, &outcome);
    return deliver_object(self, data, outcome, NAME(self, WS_DATA_RECEIVED),
                          "Fatal error: protocol.data_received() call failed.");
}

int
ws_tls_process(WsTls *self, const uint8_t *data, size_t size)
{
    WsArrived arrived = {data, size};
    WsArrived *before = self->arrived;
    int more = 1;

    /* A program may run the loop inside a callback: what came first comes first. */
    if (put_rest(self, before) < 0) {
        return ws_tls_fail(self, "Fatal error on TLS transport");
    }
    self->arrived = &arrived;
    while (more > 0 && self->phase == WS_TLS_OPEN && !self->reading_paused) {
        more = deliver(self, &arrived);
    }
    self->arrived = before;
    if (more < 0 || self->phase == WS_TLS_LOST) {
        return more < 0 ? -1 : 0;
    }
    if (put_rest(self, &arrived) < 0
        || ((self->talking || self->records > 0) && ws_tls_flush(self) < 0)) {
        return ws_tls_fail(self, "Fatal error on TLS transport");
    }
    return 0;
}

int
ws_tls_discard(WsTls *self)
{
    WsOutcome outcome = WS_FAILED;
    PyObject *data;
    int goodbye = 0;

    if (put_rest(self, self->arrived) < 0) {
        return -1;
    }
    while (!goodbye) {
        data = ws_tls_read(self, PIECE, NULL, &outcome);
        if (data == NULL) {
            return outcome == WS_NOTHING_LEFT ? 0 : -1;
        }
        goodbye = PyObject_Not(data);
        Py_DECREF(data);
    }
    return goodbye;
}

/* -- from below ------------------------------------------------------------ */

int
ws_tls_receive(WsTls *self, const uint8_t *data, size_t size)
{
    if (self->phase == WS_TLS_OPEN) {
        return ws_tls_process(self, data, size);
    }
    if (self->phase == WS_TLS_LOST) {
        return 0;
    }
    if (ws_tls_put(self, data, size) < 0
        || ws_call(self->driver, NAME(self, WS_ADVANCE), NULL) < 0) {
        return ws_tls_fail(self, "Fatal error on TLS transport");
    }
    return 0;
}

/* Bytes are on their way through here for a moment. Sockets are read without letting
   other threads run; TLS isn't, so that above TLS the memory has to be our own. */
static int
get_buffer(PyObject *transport, uint8_t **buffer, size_t *room)
{
    WsTls *self = (WsTls *)transport;
    WsTransports *shared = self->state->transports;

    if (Py_IS_TYPE(self->below, shared->socket_type)) {
        *buffer = ws_scratch(shared);
        *room = WS_SCRATCH_SIZE;
        return *buffer == NULL ? -1 : 0;
    }
    if (self->own == NULL && (self->own = PyMem_Malloc(WS_RECORD)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *buffer = self->own;
    *room = WS_RECORD;
    return 0;
}

static int
received(PyObject *transport, size_t size)
{
    WsTls *self = (WsTls *)transport;
    WsTransports *shared = self->state->transports;
    uint8_t *own = self->own;
    int rc;

    if (own == NULL) {
        /* Loops in other threads read while this decrypts: not into the same memory. */
        uint8_t *scratch = shared->scratch;

        shared->scratch = NULL;
        rc = ws_tls_receive(self, scratch, size);
        PyMem_Free(shared->scratch);
        shared->scratch = scratch;
    }
    else {
        self->own = NULL;
        rc = ws_tls_receive(self, own, size);
        PyMem_Free(own);
    }
    return rc < 0 ? -1 : 1;
}

const WsReceiverOps ws_tls_receiver = {get_buffer, NULL, received, NULL, NULL, NULL};

#endif
