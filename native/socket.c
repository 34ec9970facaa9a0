/* Transports over a socket: watching the descriptor, the end. */

#include "socket.h"

#ifdef WS_SOCKETS

#include <string.h>
#include <unistd.h>

#include "poller.h"

/* -- watching the descriptor */

static PyObject *
read_ready(PyObject *object, PyObject *Py_UNUSED(none))
{
    WsSocket *self = (WsSocket *)object;
    int rc;

    Py_INCREF(self);
    self->thorough = self->forgetful;
    rc = ws_socket_readable(self);
    self->thorough = 0;
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
write_ready(PyObject *self, PyObject *Py_UNUSED(none))
{
    int rc;

    Py_INCREF(self);
    rc = ws_socket_writable((WsSocket *)self);
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- loops that report an error once

   libuv calls back when there is an error, maybe with bytes in front of it, and watches no
   more. Reading on until the system says that there's nothing would take a system call for
   each event: 9 % of a flood of 64 KiB messages. So it's done once in a while. */

/* Seconds after the first event since then. */
#define LOOK_AGAIN_AFTER 0.25

static int
is_forgetful(PyObject *loop)
{
    return !PyObject_HasAttrString(loop, "_selector"); /* asyncio's have one */
}

static PyObject *
look_again(PyObject *object, PyObject *none)
{
    WsSocket *self = (WsSocket *)object;

    Py_CLEAR(self->timer);
    return self->watched & WS_READING ? read_ready(object, none) : Py_NewRef(Py_None);
}

static PyMethodDef look_again_method = {"look_again", look_again, METH_NOARGS, NULL};

/* 0 or -1. */
static int
look_again_later(WsSocket *self)
{
    PyObject *callback;

    if (self->timer != NULL) {
        return 0;
    }
    callback = PyCFunction_New(&look_again_method, (PyObject *)self);
    if (callback != NULL) {
        self->timer = PyObject_CallMethod(self->loop, "call_later", "dO", LOOK_AGAIN_AFTER,
                                          callback);
        Py_DECREF(callback);
    }
    return self->timer == NULL ? -1 : 0;
}

/* 0 or -1. */
static int
cancel_timer(WsSocket *self)
{
    PyObject *timer = self->timer;
    int rc = 0;

    self->timer = NULL;
    if (timer != NULL) {
        rc = ws_call(timer, NAME(self, WS_CANCEL), NULL);
        Py_DECREF(timer);
    }
    return rc;
}

/* -- watching */

static PyMethodDef read_ready_method = {"read_ready", read_ready, METH_NOARGS, NULL};
static PyMethodDef write_ready_method = {"write_ready", write_ready, METH_NOARGS, NULL};

/* Tell the loop about one of the two events: 0 or -1. */
static int
watch_by_loop(WsSocket *self, PyObject *name, PyMethodDef *method)
{
    PyObject *args[3] = {self->loop, NULL, NULL};
    PyObject *result = NULL;

    args[1] = PyLong_FromLong(self->fd);
    args[2] = method == NULL ? NULL : PyCFunction_New(method, (PyObject *)self);
    if (args[1] != NULL && (method == NULL || args[2] != NULL)) {
        result = PyObject_VectorcallMethod(
            name, args, (method == NULL ? 2 : 3) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_XDECREF(args[1]);
    Py_XDECREF(args[2]);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
ws_socket_watch(WsSocket *self, unsigned wanted)
{
    unsigned watched = self->watched;
    int rc = 0;

    if (watched == wanted && self->unread && watched & WS_READING && self->forgetful) {
        return look_again_later(self);
    }
    if (watched == wanted && !(self->edge && self->unread)) {
        return 0;
    }
    if (self->poller != NULL && ws_poller_watches(self->poller)) {
        rc = ws_poller_watch(self->poller, self, wanted);
        if (rc == 0) {
            self->watched = (uint8_t)wanted;
        }
        return rc;
    }
    /* A transport that is let go has to be out of the loop, so this tries everything. */
    if ((watched ^ wanted) & WS_READING) {
        rc = wanted & WS_READING
                 ? watch_by_loop(self, NAME(self, WS_ADD_READER), &read_ready_method)
                 : watch_by_loop(self, NAME(self, WS_REMOVE_READER), NULL);
        if (rc == 0) {
            self->watched ^= WS_READING;
            self->forgetful = wanted & WS_READING && is_forgetful(self->loop);
        }
    }
    if (rc == 0 && (watched ^ wanted) & WS_WRITING) {
        rc = wanted & WS_WRITING
                 ? watch_by_loop(self, NAME(self, WS_ADD_WRITER), &write_ready_method)
                 : watch_by_loop(self, NAME(self, WS_REMOVE_WRITER), NULL);
        if (rc == 0) {
            self->watched ^= WS_WRITING;
        }
    }
    return rc;
}

/* -- the end */

PyObject *
ws_socket_local_name(WsSocket *self)
{
    WsAddress address;
    socklen_t size = sizeof(address);

    if (self->local_name == NULL) {
        if (self->fd < 0 || getsockname(self->fd, &address.any, &size) < 0) {
            Py_RETURN_NONE;
        }
        self->local_name = ws_address(&address, size);
    }
    return Py_XNewRef(self->local_name);
}

PyObject *
ws_socket_peer_name(WsSocket *self)
{
    WsAddress address;

    if (self->peer_name == NULL) {
        memcpy(&address, self->peer, sizeof(self->peer));
        if (address.any.sa_family == AF_UNSPEC) {
            Py_RETURN_NONE;
        }
        self->peer_name = ws_address(&address, sizeof(self->peer));
    }
    return Py_XNewRef(self->peer_name);
}

/* Close the descriptor: 0 or -1. */
int
ws_socket_release(WsSocket *self)
{
    PyObject *socket = self->socket;
    int fd = self->fd;
    int rc = 0;

    if (fd < 0) {
        return 0;
    }
    self->fd = -1;
    if (socket == NULL) {
        close(fd);
    }
    else {
        rc = ws_call(socket, NAME(self, WS_CLOSE), NULL);
        Py_CLEAR(self->socket);
    }
    return rc;
}

/* Let go of everything but names: 0 or -1. */
static int
let_go(WsSocket *self)
{
    int rc = cancel_timer(self);

    self->receiver = NULL;
    self->watched = 0;
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->loop);
    return (self->poller != NULL && ws_poller_forget(self->poller, self) < 0) || rc < 0 ? -1 : 0;
}

int
ws_socket_discard(WsSocket *self)
{
    int rc = ws_socket_watch(self, 0);

    self->closing = self->lost = 1;
    ws_outgoing_clear(&self->outgoing);
    return (ws_socket_release(self) < 0) | (let_go(self) < 0) | (rc < 0) ? -1 : 0;
}

PyObject *
ws_socket_detach(WsSocket *self)
{
    PyObject *socket = self->socket;

    if (ws_socket_watch(self, 0) < 0) {
        return NULL;
    }
    self->closing = self->lost = 1;
    Py_XDECREF(ws_socket_local_name(self));
    PyErr_Clear();
    self->fd = -1;
    self->socket = NULL;
    if (let_go(self) < 0) {
        Py_CLEAR(socket);
    }
    return socket;
}

/* The end: the loop calls it, once. */
static PyObject *
report_end(PyObject *object, PyObject *exc)
{
    WsSocket *self = (WsSocket *)object;
    PyObject *protocol = self->protocol;
    PyObject *raised = NULL;

    if (protocol == NULL) {
        Py_RETURN_NONE; /* it was detached meanwhile */
    }
    Py_INCREF(protocol);
    if (ws_call(protocol, NAME(self, WS_CONNECTION_LOST), exc) < 0) {
        raised = ws_take_error();
    }
    /* It may be asked for later. */
    Py_XDECREF(ws_socket_local_name(self));
    PyErr_Clear();
    if (ws_socket_release(self) < 0 && raised == NULL) {
        raised = ws_take_error();
    }
    PyErr_Clear();
    if (let_go(self) < 0 && raised == NULL) {
        raised = ws_take_error();
    }
    PyErr_Clear();
    Py_DECREF(protocol);
    if (raised != NULL) {
        ws_raise(raised);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef end_method = {"report_end", report_end, METH_O, NULL};

/* Have the end reported by the loop: 0 or -1. */
static int
schedule_end(WsSocket *self, PyObject *exc)
{
    PyObject *args[3] = {self->loop, NULL, exc};
    PyObject *result = NULL;

    self->lost = 1;
    if (self->ending && exc == Py_None) {
        self->end_due = 1;
        return 0;
    }
    args[1] = PyCFunction_New(&end_method, (PyObject *)self);
    if (args[1] != NULL) {
        result = PyObject_VectorcallMethod(NAME(self, WS_CALL_SOON), args,
                                           3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
    }
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
ws_socket_end(WsSocket *self)
{
    PyObject *loop = Py_XNewRef(self->loop);
    PyObject *result;
    int rc = 0;

    self->end_due = 0;
    result = report_end((PyObject *)self, Py_None);
    if (result == NULL) {
        rc = ws_report(self->state, loop, "Exception in callback report_end()",
                       (PyObject *)self, NULL);
    }
    Py_XDECREF(result);
    Py_XDECREF(loop);
    return rc;
}

int
ws_socket_force_close(WsSocket *self, PyObject *exc)
{
    if (self->lost) {
        return 0;
    }
    ws_outgoing_clear(&self->outgoing);
    self->closing = 1;
    self->lost = 1;
    return ws_socket_watch(self, 0) < 0 || schedule_end(self, exc) < 0 ? -1 : 0;
}

int
ws_socket_close(WsSocket *self)
{
    if (self->closing) {
        return 0;
    }
    self->closing = 1;
    if (self->outgoing.size > 0) {
        return ws_socket_watch(self, WS_WRITING);
    }
    self->lost = 1;
    return ws_socket_watch(self, 0) < 0 || schedule_end(self, Py_None) < 0 ? -1 : 0;
}

int
ws_socket_fail(WsSocket *self, const char *message)
{
    PyObject *exc = ws_take_error();
    int rc = 0;

    if (ws_stops_loop(exc)) {
        ws_raise(exc);
        return -1;
    }
    if (self->loop == NULL) {
        /* The protocol has detached the socket, and failed then. */
        ws_raise(exc);
        PyErr_WriteUnraisable((PyObject *)self);
        return 0;
    }
    if (!PyErr_GivenExceptionMatches(exc, PyExc_OSError)) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        rc = ws_report(self->state, self->loop, message, (PyObject *)self,
                       self->protocol);
    }
    if (rc == 0) {
        rc = ws_socket_force_close(self, exc);
    }
    Py_DECREF(exc);
    return rc;
}

#endif
