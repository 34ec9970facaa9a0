/* The connections that a server has accepted, and one watch for all of them.

   Owns: accepting; who has which descriptor; on Linux, an epoll instance inside the
   loop's own, so that a connection costs the loop nothing.
   Doesn't know: listening, protocols, what connections do. */

#ifndef WEBSOCKETS_POLLER_H
#define WEBSOCKETS_POLLER_H

#include "socket.h"

#ifdef WS_SOCKETS

/* Elsewhere, and with WS_NO_EPOLL, the loop watches each descriptor. */
#if defined(__linux__) && !defined(WS_NO_EPOLL)
#define WS_EPOLL 1
#endif

typedef struct WsPoller {
    PyObject_HEAD
    WsState *state;
    PyObject *loop;
    PyObject *emptied;   /* called when the last connection has gone */
    WsSocket **sockets;  /* by descriptor; these are references */
    size_t room;
    size_t count;
    uint32_t generation;
    int epoll;           /* -1 while there's nothing to watch */
    int closing;
} WsPoller;

/* Whether this system has what it takes; else loops watch each descriptor. */
static inline int
ws_poller_watches(WsPoller *Py_UNUSED(self))
{
#ifdef WS_EPOLL
    return 1;
#else
    return 0;
#endif
}

/* Have an epoll instance, which the loop watches; close it again. 0 or -1. */
int ws_poller_open(WsPoller *self);
int ws_poller_close(WsPoller *self);

/* Watch a socket for what is wanted from now on, and report it if it is the case
   already: 0, or -1 with an exception set. */
int ws_poller_watch(WsPoller *self, WsSocket *socket, unsigned wanted);

/* Let go of a socket, which is closed; this may free it. 0, or -1 with an exception
   of the program set. */
int ws_poller_forget(WsPoller *self, WsSocket *socket);

PyTypeObject *ws_make_poller_type(PyObject *module);

#endif
#endif
