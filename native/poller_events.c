/* The connections of a server: what happens to them.

   A handler may close any connection, and a new one may get its descriptor, while
   events of the old one wait in the batch. So an event carries the descriptor and the
   generation of who had it, and means nothing to anybody else.

   What can be read is reported once, when it arrives (EPOLLET). Otherwise the kernel looks
   at every connection a second time, to see that it was read, when nothing of it is in the
   cache any more. Who leaves bytes unread has to watch again. A read that fills its room
   may have left some, and so may one after an event that says more than that there are
   bytes: the end, for example. A read from a Unix socket may stop where descriptors were
   passed; those are reported as long as there is something, and so is who has to write. */

#include "poller.h"

#ifdef WS_SOCKETS

#ifdef WS_EPOLL

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ahead.h"

/* Events taken at a time: few, since the kernel looks at their connections then, and they
   should be in the cache when they are served. */
#define BATCH 32

/* Events handled before others in the loop have their turn. */
#define MOST 256

/* Connections from which what they need is fetched before: fewer stay in the cache. */
#define MANY 64

typedef struct {
    struct epoll_event events[WS_AHEAD_STEPS + BATCH];
    int next;
    int count;
    int total; /* with those that were handled */
    int more;  /* there may be more to take */
} Taken;

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

int
ws_poller_open(WsPoller *self)
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

int
ws_poller_close(WsPoller *self)
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

/* Whether a short read means that there's no more. Sockets of other families have no
   address in the object; what has an address of the Internet is a stream of bytes. */
static int
is_tcp(WsSocket *socket)
{
    struct sockaddr peer;

    memcpy(&peer, socket->peer, sizeof(peer));
    return peer.sa_family == AF_INET || peer.sa_family == AF_INET6;
}

int
ws_poller_watch(WsPoller *self, WsSocket *socket, unsigned wanted)
{
    struct epoll_event event = {0};
    int change = socket->watched == 0 ? EPOLL_CTL_ADD
                 : wanted == 0        ? EPOLL_CTL_DEL
                                      : EPOLL_CTL_MOD;
    int edge = wanted == WS_READING && is_tcp(socket);

    if (wanted & WS_READING) {
        event.events |= EPOLLIN;
    }
    if (wanted & WS_WRITING) {
        event.events |= EPOLLOUT;
    }
    if (edge) {
        event.events |= EPOLLET | EPOLLRDHUP | EPOLLPRI;
    }
    event.data.u64 = (uint64_t)socket->generation << 32 | (uint32_t)socket->fd;
    if (ws_poller_open(self) < 0) {
        return -1;
    }
    if (epoll_ctl(self->epoll, change, socket->fd, &event) < 0
        /* Somebody else has closed it, which is as good. */
        && !(change == EPOLL_CTL_DEL && (errno == EBADF || errno == ENOENT))) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    socket->edge = edge;
    socket->unread = 0;
    return 0;
}

/* The socket that an event is for, or NULL. */
static WsSocket *
find(WsPoller *self, const struct epoll_event *event)
{
    size_t fd = (uint32_t)event->data.u64;
    WsSocket *socket = fd < self->room ? self->sockets[fd] : NULL;

    return socket != NULL && socket->generation == (uint32_t)(event->data.u64 >> 32)
               ? socket
               : NULL;
}

/* Handle an event: 0, or -1 with an exception that has to reach the loop. */
static int
handle(WsPoller *self, const struct epoll_event *event)
{
    WsSocket *socket = find(self, event);
    int rc = 0;

    if (socket == NULL) {
        return 0;
    }
    Py_INCREF(socket);
    socket->thorough = socket->edge && event->events != EPOLLIN;
    /* Errors show when one does what was waited for. */
    if (event->events & ~(uint32_t)EPOLLOUT && socket->watched & WS_READING) {
        rc = ws_socket_readable(socket);
    }
    if (rc == 0 && event->events & ~(uint32_t)EPOLLIN && socket->watched & WS_WRITING) {
        rc = ws_socket_writable(socket);
    }
    socket->thorough = 0;
    Py_DECREF(socket);
    return rc;
}

/* An exception stops the loop: have what is left reported again. */
static void
give_back(WsPoller *self, const struct epoll_event *events, int left)
{
    PyObject *exc = ws_take_error();

    for (int i = 0; i < left; i++) {
        WsSocket *socket = find(self, &events[i]);

        if (socket != NULL && socket->edge && socket->watched == WS_READING
            && ws_poller_watch(self, socket, WS_READING) < 0) {
            PyErr_Clear();
        }
    }
    ws_raise(exc);
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

/* Take more events behind those that are left: 0, or -1 with an exception. */
static int
take_events(WsPoller *self, Taken *taken)
{
    int left = taken->count - taken->next;
    int count;

    memmove(taken->events, taken->events + taken->next,
            (size_t)left * sizeof(*taken->events));
    taken->next = 0;
    taken->count = left;
    count = epoll_wait(self->epoll, taken->events + left, BATCH, 0);
    if (count < 0 && errno != EINTR) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (count > 0) {
        taken->count += count;
        taken->total += count;
    }
    taken->more = count == BATCH && taken->total < MOST;
    return 0;
}

/* Handle the next event, if there is one: 1, 0 at the end, -1 with an exception. */
static int
handle_next(WsPoller *self, Taken *taken)
{
    const struct epoll_event *event;
    int left = taken->count - taken->next;

    if (taken->more && left <= WS_AHEAD_STEPS && self->epoll >= 0) {
        if (take_events(self, taken) < 0) {
            return -1;
        }
        left = taken->count;
    }
    if (left == 0) {
        return 0;
    }
    event = &taken->events[taken->next];
    look_ahead(self, event, self->count < MANY ? 0 : left);
    if (handle(self, event) < 0) {
        return -1;
    }
    taken->next++;
    return 1;
}

static PyObject *
ready(PyObject *object, PyObject *Py_UNUSED(none))
{
    WsPoller *self = (WsPoller *)object;
    Taken taken;
    int rc = 1;

    taken.next = taken.count = taken.total = 0;
    taken.more = 1;
    Py_INCREF(self);
    while (rc > 0) {
        rc = handle_next(self, &taken);
    }
    if (rc < 0) {
        give_back(self, taken.events + taken.next, taken.count - taken.next);
    }
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef ready_method = {"ready", ready, METH_NOARGS, NULL};

#else

int
ws_poller_open(WsPoller *Py_UNUSED(self))
{
    return 0;
}

int
ws_poller_close(WsPoller *Py_UNUSED(self))
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

#endif
