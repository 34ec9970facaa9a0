/* The connections of a server.

   A handler may close any connection, and a new one may get its descriptor, while
   events of the old one wait in the batch. So an event carries the descriptor and the
   generation of who had it, and means nothing to anybody else. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif

#include "poller.h"

#include "ahead.h"

#ifdef WS_SOCKETS

#include <errno.h>
#include <fcntl.h>
#include <structmember.h>
#include <unistd.h>

#ifdef WS_EPOLL
#include <sys/epoll.h>

/* Events handled at a time. More wait for the loop's next turn. */
#define BATCH 256

/* Connections from which what they need is fetched before: fewer stay in the cache. */
#define MANY 64

static PyMethodDef ready_method;

/* Call loop.add_reader or remove_reader for the epoll instance: 0 or -1. */
static int
tell_loop(WsPoller *self, int name)
{
    PyObject *method = PyObject_GetAttr(self->loop, NAME(self, name));
    PyObject *callback = PyCFunction_New(&ready_method, (PyObject *)self);
    PyObject *fd = PyLong_FromLong(self->epoll);
    PyObject *result = NULL;

    if (method != NULL && callback != NULL && fd != NULL) {
        /* It is called in the context of now, which is that of the callback that accepts:
           handlers see what context variables were when the server was started. */
        result = PyObject_CallFunctionObjArgs(
            method, fd, name == WS_ADD_READER ? callback : NULL, NULL);
    }
    Py_XDECREF(method);
    Py_XDECREF(callback);
    Py_XDECREF(fd);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Have an epoll instance, which the loop watches: 0 or -1. */
static int
open_epoll(WsPoller *self)
{
    if (self->epoll >= 0) {
        return 0;
    }
    if (self->loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the poller is being collected");
        return -1;
    }
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (tell_loop(self, WS_ADD_READER) < 0) {
        close(self->epoll);
        self->epoll = -1;
        return -1;
    }
    return 0;
}

/* Close it again: 0 or -1. */
static int
close_epoll(WsPoller *self)
{
    int rc;

    if (self->epoll < 0) {
        return 0;
    }
    rc = self->loop == NULL ? 0 : tell_loop(self, WS_REMOVE_READER);
    close(self->epoll);
    self->epoll = -1;
    return rc;
}

int
ws_poller_watch(WsPoller *self, WsSocket *socket, unsigned wanted)
{
    struct epoll_event event = {0};
    int change = socket->watched == 0 ? EPOLL_CTL_ADD
                 : wanted == 0        ? EPOLL_CTL_DEL
                                      : EPOLL_CTL_MOD;

    if (wanted & WS_READING) {
        event.events |= EPOLLIN;
    }
    if (wanted & WS_WRITING) {
        event.events |= EPOLLOUT;
    }
    event.data.u64 = (uint64_t)socket->generation << 32 | (uint32_t)socket->fd;
    if (open_epoll(self) < 0) {
        return -1;
    }
    if (epoll_ctl(self->epoll, change, socket->fd, &event) < 0
        /* Somebody else has closed it, which is as good. */
        && !(change == EPOLL_CTL_DEL && (errno == EBADF || errno == ENOENT))) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

/* Handle an event: 0, or -1 with an exception that has to reach the loop. */
static int
handle(WsPoller *self, const struct epoll_event *event)
{
    size_t fd = (uint32_t)event->data.u64;
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    WsSocket *socket = fd < self->room ? self->sockets[fd] : NULL;
    int rc = 0;

    if (socket == NULL || socket->generation != generation) {
        return 0;
    }
    Py_INCREF(socket);
    /* Errors show when one does what was waited for. */
    if (event->events & ~(uint32_t)EPOLLOUT && socket->watched & WS_READING) {
        rc = ws_socket_readable(socket);
    }
    if (rc == 0 && event->events & ~(uint32_t)EPOLLIN && socket->watched & WS_WRITING) {
        rc = ws_socket_writable(socket);
    }
    Py_DECREF(socket);
    return rc;
}

/* Have the memory deliver what the next events need, while this one is handled. */
static void
look_ahead(WsPoller *self, const struct epoll_event *events, int left)
{
    for (int step = 0; step < WS_AHEAD_STEPS; step++) {
        int next = WS_AHEAD_STEPS - step;
        size_t fd = next < left ? (uint32_t)events[next].data.u64 : self->room;

        if (fd < self->room && self->sockets[fd] != NULL) {
            ws_ahead_of_message(self->sockets[fd], step);
        }
    }
}

static PyObject *
ready(PyObject *object, PyObject *Py_UNUSED(none))
{
    WsPoller *self = (WsPoller *)object;
    struct epoll_event events[BATCH];
    int count;
    int rc = 0;

    if (self->epoll < 0) {
        Py_RETURN_NONE;
    }
    count = epoll_wait(self->epoll, events, BATCH, 0);
    if (count < 0 && errno != EINTR) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_INCREF(self);
    for (int i = 0; rc == 0 && i < count; i++) {
        look_ahead(self, events + i, self->count < MANY ? 0 : count - i);
        rc = handle(self, &events[i]); /* what is left is reported again */
    }
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef ready_method = {"ready", ready, METH_NOARGS, NULL};

#else

static int
close_epoll(WsPoller *Py_UNUSED(self))
{
    return 0;
}

int
ws_poller_watch(WsPoller *Py_UNUSED(self), WsSocket *Py_UNUSED(socket),
                unsigned Py_UNUSED(wanted))
{
    PyErr_SetString(PyExc_SystemError, "no epoll here");
    return -1;
}

#endif

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
    rc = close_epoll(self);
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
#ifdef WS_EPOLL
    /* If there's no descriptor for this, let connections wait where they are. */
    if (open_epoll(self) < 0) {
        return NULL;
    }
#endif
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
