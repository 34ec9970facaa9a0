/* Transports over a socket: writing. */

#include "socket.h"

#ifdef WS_SOCKETS

#include <errno.h>

/* Where the system would rather kill the process than return EPIPE. Python ignores
   that signal, but a program may change that. */
#ifdef MSG_NOSIGNAL
#define SEND_FLAGS MSG_NOSIGNAL
#else
#define SEND_FLAGS 0
#endif

/* How often one event writes: others want their turn. */
#define MAX_TURNS 4
/* How many parts are written at a time. */
#define MAX_PARTS 64
/* asyncio's limit, from which on it warns about writing to a connection that is lost. */
#define MAX_SILENT_WRITES 5

/* send(2): the number of bytes, maybe 0; -1 with an exception set. */
static Py_ssize_t
write_now(int fd, const struct iovec *parts, int count)
{
    struct msghdr message = {0};
    ssize_t size;

    message.msg_iov = (struct iovec *)parts;
    message.msg_iovlen = count;
    do {
        size = count == 1 ? send(fd, parts->iov_base, parts->iov_len, SEND_FLAGS)
                          : sendmsg(fd, &message, SEND_FLAGS);
    } while (size < 0 && errno == EINTR);
    if (size >= 0) {
        return (Py_ssize_t)size;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return 0;
    }
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Let the protocol pause or go on. 0, or -1 with an exception set. */
static int
tell_protocol(WsSocket *self, int pause)
{
    PyObject *protocol = self->protocol;
    int rc;

    self->writing_paused = pause;
    Py_INCREF(protocol);
    rc = ws_call(protocol, NAME(self, pause ? WS_PAUSE_WRITING : WS_RESUME_WRITING),
                 NULL);
    if (rc < 0 && self->loop != NULL) {
        rc = ws_report(self->state, self->loop,
                       pause ? "protocol.pause_writing() failed"
                             : "protocol.resume_writing() failed",
                       (PyObject *)self, protocol);
    }
    Py_DECREF(protocol);
    return rc;
}

int
ws_socket_check_high(WsSocket *self)
{
    return self->outgoing.size > self->high && !self->writing_paused
                   && self->protocol != NULL
               ? tell_protocol(self, 1)
               : 0;
}

/* Write to a connection that is lost, and warn who does it again and again. */
static int
write_silently(WsSocket *self)
{
    PyObject *message;
    int rc;

    if (self->silent_writes < MAX_SILENT_WRITES - 1) {
        self->silent_writes++;
        return 0;
    }
    message = PyUnicode_FromString("socket.send() raised exception.");
    if (message == NULL) {
        return -1;
    }
    rc = ws_call(self->state->transports->logger, NAME(self, WS_WARNING), message);
    Py_DECREF(message);
    return rc;
}

/* Half of something was written, and there's no memory for the rest: the connection
   can't go on. Return -1 with the same exception. */
static int
break_off(WsSocket *self)
{
    PyObject *exc = ws_take_error();

    if (ws_socket_force_close(self, exc) < 0) {
        PyErr_Clear(); /* this one tells more */
    }
    ws_raise(exc);
    return -1;
}

int
ws_socket_send(PyObject *transport, const struct iovec *parts, int count, PyObject *owner)
{
    WsSocket *self = (WsSocket *)transport;
    Py_ssize_t written = 0;
    size_t size = 0;

    if (self->wrote_eof) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot call write() after write_eof()");
        return -1;
    }
    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    if (size == 0) {
        return 0;
    }
    if (self->lost) {
        return write_silently(self);
    }
    if (self->outgoing.size == 0) {
        written = write_now(self->fd, parts, count);
        if (written > 0 && self->forgetful && self->unread == WS_SHORT) {
            self->unread = 0; /* it would have failed if there was an error to read */
        }
        if ((size_t)written == size) {
            return 0;
        }
        if (written < 0) {
            return ws_socket_fail(self, "Fatal write error on socket transport");
        }
    }
    if (ws_outgoing_add(&self->outgoing, parts, count, (size_t)written, owner) < 0) {
        return written > 0 ? break_off(self) : -1;
    }
    if (ws_socket_watch(self, self->watched | WS_WRITING) < 0) {
        return ws_socket_fail(self, "Fatal write error on socket transport");
    }
    return ws_socket_check_high(self);
}

int
ws_socket_write_bytes(WsSocket *self, PyObject *bytes)
{
    struct iovec part = {PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};

    return ws_socket_send((PyObject *)self, &part, 1, bytes);
}

static int
mask_later(PyObject *transport, const struct iovec *part, PyObject *owner,
           const uint8_t *key)
{
    WsSocket *self = (WsSocket *)transport;

    if (ws_outgoing_mask_later(&self->outgoing, part, owner, key) < 0) {
        return -1;
    }
    return ws_socket_check_high(self);
}

int
ws_socket_shutdown(WsSocket *self)
{
    if (shutdown(self->fd, SHUT_WR) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

/* Everything is written: do what waited for that. 0 or -1. */
static int
finish_writing(WsSocket *self)
{
    if (ws_socket_watch(self, self->watched & ~WS_WRITING) < 0) {
        return ws_socket_fail(self, "Fatal write error on socket transport");
    }
    if (self->closing) {
        return ws_socket_force_close(self, Py_None);
    }
    if (self->wrote_eof && ws_socket_shutdown(self) < 0) {
        return ws_socket_fail(self, "Fatal write error on socket transport");
    }
    return 0;
}

int
ws_socket_writable(WsSocket *self)
{
    struct iovec parts[MAX_PARTS];

    if (self->lost) {
        return 0;
    }
    for (int turn = 0; turn < MAX_TURNS && self->outgoing.size > 0; turn++) {
        int count = ws_outgoing_parts(&self->outgoing, parts, MAX_PARTS);
        size_t size = 0;
        Py_ssize_t written = count < 0 ? -1 : write_now(self->fd, parts, count);

        if (written < 0) {
            return ws_socket_fail(self, "Fatal write error on socket transport");
        }
        for (int i = 0; i < count; i++) {
            size += parts[i].iov_len;
        }
        ws_outgoing_written(&self->outgoing, (size_t)written);
        if ((size_t)written < size) {
            break;
        }
    }
    /* It may write more, or close the transport. */
    if (self->writing_paused && self->outgoing.size <= self->low
        && tell_protocol(self, 0) < 0) {
        return -1;
    }
    return self->lost || self->outgoing.size > 0 ? 0 : finish_writing(self);
}

static size_t
unsent(PyObject *transport)
{
    return ((WsSocket *)transport)->outgoing.size;
}

static int
is_closing(PyObject *transport)
{
    return ((WsSocket *)transport)->closing;
}

static int
abort_socket(PyObject *transport, PyObject *exc)
{
    return ws_socket_force_close((WsSocket *)transport, exc);
}

const WsTransportOps ws_socket_ops = {ws_socket_send, mask_later, unsent, is_closing, abort_socket};

#endif
