/* Transports over a socket: making one. */

#include "socket.h"

#ifdef WS_SOCKETS

#include <netinet/tcp.h>
#include <string.h>

PyObject *
ws_socket_create(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwds))
{
    WsSocket *self = (WsSocket *)type->tp_alloc(type, 0);

    if (self == NULL) {
        return NULL;
    }
    self->base.ops = &ws_socket_ops;
    self->state = ws_state(PyType_GetModule(type));
    self->fd = -1;
    /* Until there is a socket, it's like one that was closed. */
    self->closing = self->lost = 1;
    self->high = WS_HIGH_WATER;
    self->low = WS_HIGH_WATER / 4;
    return (PyObject *)self;
}

/* Look at the socket: 0, or -1 with an exception set. `peer` is NULL when there's none
   any more. */
static int
take_descriptor(WsSocket *self, PyObject *loop, int fd, int family, const WsAddress *peer,
                socklen_t peer_size)
{
    int on = 1;

    if (!ws_known_family(family)) {
        PyErr_Format(PyExc_ValueError, "unsupported address family: %d", family);
        return -1;
    }
    if (family != AF_UNIX) {
        /* It fails with what isn't TCP. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (peer != NULL && family != AF_UNIX) {
        memcpy(self->peer, peer, sizeof(self->peer));
    }
    else if (peer != NULL) {
        /* A path may be longer than what there is room for in the object. */
        self->peer_name = ws_address(peer, peer_size);
        if (self->peer_name == NULL) {
            return -1;
        }
    }
    self->loop = Py_NewRef(loop);
    self->fd = fd;
    self->closing = self->lost = 0;
    return 0;
}

WsSocket *
ws_socket_new(WsState *state, PyObject *loop, int fd, const WsAddress *peer,
              socklen_t peer_size)
{
    WsSocket *self = (WsSocket *)ws_socket_create(state->transports->socket_type, NULL, NULL);

    if (self != NULL && take_descriptor(self, loop, fd, peer->any.sa_family, peer, peer_size) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

int
ws_socket_init(PyObject *object, PyObject *args, PyObject *kwds)
{
    WsSocket *self = (WsSocket *)object;
    static char *keywords[] = {"loop", "sock", NULL};
    PyObject *loop;
    PyObject *socket;
    PyObject *number;
    WsAddress peer;
    socklen_t size = sizeof(peer);
    long fd;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO:SocketTransport", keywords, &loop,
                                     &socket)) {
        return -1;
    }
    if (self->fd >= 0 || self->socket != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a transport is made once");
        return -1;
    }
    number = PyObject_CallMethodNoArgs(socket, NAME(self, WS_FILENO));
    if (number == NULL) {
        return -1;
    }
    fd = PyLong_AsLong(number);
    Py_DECREF(number);
    if (fd == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (getpeername((int)fd, &peer.any, &size) == 0) {
        rc = take_descriptor(self, loop, (int)fd, peer.any.sa_family, &peer, size);
    }
    else {
        /* The peer is gone already; that is noticed when reading. */
        size = sizeof(peer);
        if (getsockname((int)fd, &peer.any, &size) < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        rc = take_descriptor(self, loop, (int)fd, peer.any.sa_family, NULL, 0);
    }
    if (rc < 0) {
        return -1;
    }
    self->socket = Py_NewRef(socket);
    return 0;
}

int
ws_socket_set_protocol(WsSocket *self, PyObject *protocol)
{
    int buffered = ws_take_protocol(self->state, protocol, &self->protocol, &self->receiver);

    if (buffered < 0) {
        return -1;
    }
    self->buffered = buffered;
    return 0;
}

int
ws_socket_start(WsSocket *self, PyObject *protocol)
{
    if (ws_socket_set_protocol(self, protocol) < 0
        || ws_call(protocol, NAME(self, WS_CONNECTION_MADE), (PyObject *)self) < 0) {
        return -1;
    }
    if (self->closing || self->reading_paused) {
        return 0;
    }
    return ws_socket_watch(self, self->watched | WS_READING);
}

#endif
