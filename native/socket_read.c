/* Transports over a socket: reading. */

#include "socket.h"

#ifdef WS_SOCKETS

#include <errno.h>

/* How often one event reads: others want their turn. */
#define MAX_TURNS 4

static int
tell_eof(WsSocket *self)
{
    PyObject *result;
    int keep;

    self->got_eof = 1;
    result = PyObject_CallMethodNoArgs(self->protocol, NAME(self, WS_EOF_RECEIVED));
    keep = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    if (keep < 0) {
        return ws_socket_fail(self, "Fatal error: protocol.eof_received() call failed.");
    }
    if (self->closing) {
        return 0;
    }
    return keep ? ws_socket_watch(self, self->watched & ~WS_READING)
                : ws_socket_close(self);
}

static int
receive_eof(WsSocket *self)
{
    const WsReceiverOps *receiver = self->receiver;
    PyObject *protocol;
    PyObject *raised = NULL;

    if (receiver == NULL || receiver->ending == NULL
        || !receiver->ending(self->protocol)) {
        return tell_eof(self);
    }
    /* Nobody but the loop is there to see the difference, and the tasks that wait for
       the end can go on here. */
    protocol = Py_NewRef(self->protocol);
    self->ending = 1;
    if (tell_eof(self) < 0) {
        raised = ws_take_error();
    }
    self->ending = 0;
    if (self->end_due && ws_socket_end(self) < 0) {
        Py_XSETREF(raised, ws_take_error());
    }
    if (receiver->ended(protocol) < 0) {
        Py_XSETREF(raised, ws_take_error());
    }
    Py_DECREF(protocol);
    if (raised != NULL) {
        ws_raise(raised);
        return -1;
    }
    return 0;
}

/* readv(2): the number of bytes, 0 at the end, -1 if there's nothing, -2 if it failed
   and the transport gave up, -3 with an exception set. */
static Py_ssize_t
receive_parts(WsSocket *self, const struct iovec *parts, int count, size_t room)
{
    ssize_t size;

    do {
        size = count == 1 ? recv(self->fd, parts->iov_base, parts->iov_len, 0)
                          : readv(self->fd, parts, count);
    } while (size < 0 && errno == EINTR);
    self->unread = size <= 0                ? 0
                   : (size_t)size == room   ? WS_FULL
                   : self->thorough         ? WS_SHORT
                                            : 0;
    if (size >= 0) {
        return (Py_ssize_t)size;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return -1;
    }
    PyErr_SetFromErrno(PyExc_OSError);
    return ws_socket_fail(self, "Fatal read error on socket transport") < 0 ? -3 : -2;
}

static Py_ssize_t
receive(WsSocket *self, void *buffer, size_t room)
{
    struct iovec part = {buffer, room};

    return receive_parts(self, &part, 1, room);
}

/* Read into the buffer of a protocol in C. 1: go on; 0: enough; -1: exception. */
static int
read_in_c(WsSocket *self, uint8_t *buffer, size_t room)
{
    PyObject *protocol = self->protocol;
    struct iovec parts[3] = {{buffer, room}, {NULL, 0}, {NULL, 0}};
    int count = 1;
    Py_ssize_t size;
    int rc;

    if (self->receiver->get_parts != NULL) {
        count = self->receiver->get_parts(protocol, parts);
    }
    room = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len;
    size = receive_parts(self, parts, count, room);
    if (size <= 0) {
        return size == 0 ? receive_eof(self) : size == -3 ? -1 : 0;
    }
    Py_INCREF(protocol);
    rc = self->receiver->received(protocol, (size_t)size);
    Py_DECREF(protocol);
    if (rc < 0) {
        return ws_socket_fail(self, "Fatal error: protocol.buffer_updated() call failed.");
    }
    return rc > 1 || (rc && (size_t)size == room);
}

/* Read into the buffer of a protocol in Python: the same. */
static int
read_into_buffer(WsSocket *self)
{
    PyObject *args[2] = {self->protocol, NULL};
    PyObject *object = NULL;
    PyObject *result = NULL;
    Py_buffer view;
    Py_ssize_t room;
    Py_ssize_t size;

    args[1] = PyLong_FromLong(-1);
    if (args[1] != NULL) {
        object = PyObject_VectorcallMethod(NAME(self, WS_GET_BUFFER), args,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
    }
    if (object == NULL || PyObject_GetBuffer(object, &view, PyBUF_WRITABLE) < 0) {
        Py_XDECREF(object);
        return ws_socket_fail(self, "Fatal error: protocol.get_buffer() call failed.");
    }
    Py_DECREF(object);
    room = view.len;
    if (room == 0) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
        return ws_socket_fail(self, "Fatal error: protocol.get_buffer() call failed.");
    }
    if (self->fd < 0 || self->closing) {
        PyBuffer_Release(&view); /* get_buffer() closed the transport */
        return 0;
    }
    size = receive(self, view.buf, (size_t)room);
    PyBuffer_Release(&view);
    if (size <= 0) {
        return size == 0 ? receive_eof(self) : size == -3 ? -1 : 0;
    }
    args[0] = self->protocol;
    args[1] = PyLong_FromSsize_t(size);
    if (args[1] != NULL) {
        result = PyObject_VectorcallMethod(NAME(self, WS_BUFFER_UPDATED), args,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
    }
    Py_XDECREF(result);
    if (result == NULL) {
        return ws_socket_fail(self, "Fatal error: protocol.buffer_updated() call failed.");
    }
    return size == room;
}

/* Read and hand a bytes object to the protocol: the same. */
static int
read_data(WsSocket *self)
{
    uint8_t *scratch = ws_scratch(self->state->transports);
    PyObject *data;
    Py_ssize_t size;
    int rc = -1;

    if (scratch == NULL) {
        return ws_socket_fail(self, "Fatal read error on socket transport");
    }
    size = receive(self, scratch, WS_SCRATCH_SIZE);
    if (size <= 0) {
        return size == 0 ? receive_eof(self) : size == -3 ? -1 : 0;
    }
    data = PyBytes_FromStringAndSize((char *)scratch, size);
    if (data != NULL) {
        rc = ws_call(self->protocol, NAME(self, WS_DATA_RECEIVED), data);
        Py_DECREF(data);
    }
    if (rc < 0) {
        return ws_socket_fail(self, "Fatal error: protocol.data_received() call failed.");
    }
    return size == WS_SCRATCH_SIZE;
}

int
ws_socket_readable(WsSocket *self)
{
    int more = 1;

    for (int turn = 0; more == 1 && turn < MAX_TURNS; turn++) {
        uint8_t *buffer = NULL;
        size_t room = 0;

        if (self->closing || self->got_eof) {
            return 0;
        }
        if (self->reading_paused && self->edge) {
            self->unread = WS_FULL;
            return 0;
        }
        if (self->reading_paused) {
            /* Pausing costs nothing until something arrives. */
            return ws_socket_watch(self, self->watched & ~WS_READING);
        }
        if (self->receiver != NULL
            && self->receiver->get_buffer(self->protocol, &buffer, &room) < 0) {
            return ws_socket_fail(self, "Fatal error: protocol.get_buffer() call failed.");
        }
        more = buffer != NULL   ? read_in_c(self, buffer, room)
               : self->buffered ? read_into_buffer(self)
                                : read_data(self);
        if (more == 0 && self->thorough && self->edge && self->unread) {
            more = 1;
        }
    }
    if (more < 0) {
        return -1;
    }
    /* Others have their turn; it is reported again. When reading is paused, resuming sees
       to that. */
    return self->reading_paused || self->closing || self->got_eof
               ? 0
               : ws_socket_watch(self, self->watched);
}

#endif
