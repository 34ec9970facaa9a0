/* The connections of a server: accepting them, and who has which descriptor. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include "poller.h"

#ifdef WS_SOCKETS

#include <errno.h>
#include <fcntl.h>
#include <structmember.h>
#include <unistd.h>

/* -- connections */

/* Keep a socket: 0, or -1 with MemoryError set. */
static int
keep(WsPoller *self, WsSocket *socket)
{
    size_t fd = (size_t)socket->fd;

    if (fd >= self->room) {
        size_t room = self->room == 0 ? 64 : self->room;
        WsSocket **sockets;

        while (room <= fd) {
            room *= 2;
        }
        sockets = PyMem_Realloc(self->sockets, room * sizeof(WsSocket *));
        if (sockets == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = self->room; i < room; i++) {
            sockets[i] = NULL;
        }
        self->sockets = sockets;
        self->room = room;
    }
    if (self->sockets[fd] != NULL) {
        PyErr_Format(PyExc_RuntimeError, "descriptor %zu was closed by somebody else", fd);
        return -1;
    }
    Py_INCREF(self);
    Py_INCREF(socket);
    socket->poller = self;
    socket->slot = (int)fd;
    socket->generation = ++self->generation;
    self->sockets[fd] = socket;
    self->count++;
    return 0;
}

/* Do what waited for the last connection: 0 or -1. */
static int
maybe_emptied(WsPoller *self)
{
    PyObject *emptied = self->emptied;
    int rc = 0;

    if (!self->closing || self->count > 0) {
        return 0;
    }
    rc = ws_poller_close(self);
    self->emptied = NULL;
    if (emptied != NULL) {
        PyObject *result = rc < 0 ? NULL : PyObject_CallNoArgs(emptied);

        rc = result == NULL ? -1 : 0;
        Py_XDECREF(result);
        Py_DECREF(emptied);
    }
    return rc;
}

int
ws_poller_forget(WsPoller *self, WsSocket *socket)
{
    size_t slot = (size_t)socket->slot;
    int rc = 0;

    socket->poller = NULL;
    if (slot < self->room && self->sockets[slot] == socket) {
        self->sockets[slot] = NULL;
        self->count--;
        rc = maybe_emptied(self);
        Py_DECREF(socket);
    }
    Py_DECREF(self);
    return rc;
}

/* Make a transport and a protocol for a socket that was accepted. 0, or -1 with an
   exception that has to reach the loop; then, and when the program's code fails, the
   socket is closed. */
static int
welcome(WsPoller *self, int fd, const WsAddress *peer, socklen_t peer_size,
        PyObject *factory)
{
    WsSocket *socket = ws_socket_new(self->state, self->loop, fd, peer, peer_size);
    PyObject *protocol = NULL;
    PyObject *exc;
    int rc;

    if (socket == NULL) {
        close(fd);
    }
    else {
        protocol = PyObject_CallNoArgs(factory);
        if (protocol != NULL && keep(self, socket) == 0
            && ws_socket_start(socket, protocol) == 0) {
            Py_DECREF(protocol);
            Py_DECREF(socket);
            return 0;
        }
        exc = ws_take_error();
        if (ws_socket_discard(socket) < 0) {
            PyErr_Clear(); /* the first one tells more */
        }
        ws_raise(exc);
    }
    rc = ws_report(self->state, self->loop,
                   "Error on transport creation for incoming connection",
                   (PyObject *)socket, protocol);
    Py_XDECREF(protocol);
    Py_XDECREF(socket);
    return rc;
}

static int
accept_one(int listener, WsAddress *peer, socklen_t *size)
{
#ifdef __linux__
    return accept4(listener, &peer->any, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listener, &peer->any, size);

    if (fd >= 0
        && (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
            || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)) {
        close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    return fd;
#endif
}

static PyObject *
accept_connections(WsPoller *self, PyObject *args)
{
    PyObject *factory;
    int listener;
    int limit;

    if (!PyArg_ParseTuple(args, "iiO:accept", &listener, &limit, &factory)) {
        return NULL;
    }
    /* If there's no descriptor for this, let connections wait where they are. */
    if (ws_poller_open(self) < 0) {
        return NULL;
    }
    for (int i = 0; i < limit && !self->closing; i++) {
        WsAddress peer;
        socklen_t size = sizeof(peer);
        int fd = accept_one(listener, &peer, &size);

        if (fd < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
                || errno == ECONNABORTED) {
                break;
            }
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (welcome(self, fd, &peer, size, factory) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
transports(WsPoller *self, PyObject *Py_UNUSED(none))
{
    PyObject *list = PyList_New(0);

    for (size_t fd = 0; list != NULL && fd < self->room; fd++) {
        if (self->sockets[fd] != NULL
            && PyList_Append(list, (PyObject *)self->sockets[fd]) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
close_poller(WsPoller *self, PyObject *emptied)
{
    if (self->closing) {
        PyErr_SetString(PyExc_RuntimeError, "closed before");
        return NULL;
    }
    self->closing = 1;
    self->emptied = Py_NewRef(emptied);
    return maybe_emptied(self) < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- the object */

static PyObject *
new_poller(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"loop", NULL};
    PyObject *loop;
    WsPoller *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:Poller", keywords, &loop)) {
        return NULL;
    }
    self = (WsPoller *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = ws_state(PyType_GetModule(type));
        self->loop = Py_NewRef(loop);
        self->epoll = -1;
    }
    return (PyObject *)self;
}

static int
traverse(WsPoller *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->emptied);
    for (size_t fd = 0; fd < self->room; fd++) {
        Py_VISIT(self->sockets[fd]);
    }
    return 0;
}

static int
clear(WsPoller *self)
{
    for (size_t fd = 0; fd < self->room; fd++) {
        Py_CLEAR(self->sockets[fd]);
    }
    self->room = 0;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->emptied);
    return 0;
}

static void
dealloc(WsPoller *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)clear(self);
    PyMem_Free(self->sockets);
    if (self->epoll >= 0) {
        close(self->epoll);
    }
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"accept", (PyCFunction)accept_connections, METH_VARARGS,
     "accept($self, fileno, limit, factory)\n--\n\n"
     "Accept connections that wait; make a protocol for each."},
    {"close", (PyCFunction)close_poller, METH_O,
     "close($self, emptied)\n--\n\n"
     "Accept no more; call something when the last connection has gone."},
    {"transports", (PyCFunction)transports, METH_NOARGS,
     "transports($self)\n--\n\nReturn the transports of the connections."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Poller(loop)\n--\n\nThe connections that a server has accepted."},
    {Py_tp_new, new_poller},
    {Py_tp_methods, methods},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.Poller",
    .basicsize = sizeof(WsPoller),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

PyTypeObject *
ws_make_poller_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

#endif
