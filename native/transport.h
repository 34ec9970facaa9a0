/* What transports in C have in common, and how C code uses one.

   Owns: the operations that a connection in C calls on its transport, and those
   that a transport calls on its protocol, both without a Python call.
   Doesn't know: sockets, TLS, frames. */

#ifndef WEBSOCKETS_TRANSPORT_H
#define WEBSOCKETS_TRANSPORT_H

#include "common.h"

/* Windows has neither iovec nor descriptors for its sockets. */
#ifndef _WIN32
#define WS_SOCKETS 1
#include <sys/uio.h>

typedef struct {
    /* Write now what the system takes, and queue the rest: a copy, or as it is if the last
       part is in an object that never changes, its owner. Like write() of asyncio's
       transports it is silent after the end. 0, or -1 with an exception set: MemoryError,
       or what has to reach the loop (KeyboardInterrupt). */
    int (*send)(PyObject *transport, const struct iovec *parts, int count, PyObject *owner);
    /* While bytes wait, queue what is in such an object, to be masked when it's written.
       0 or -1. NULL: everything has to be masked at once. */
    int (*mask_later)(PyObject *transport, const struct iovec *part, PyObject *owner,
                      const uint8_t *key);
    /* Bytes that wait for the system to take them. */
    size_t (*unsent)(PyObject *transport);
    /* Whether it was closed, or lost. */
    int (*closing)(PyObject *transport);
    /* Close at once; report an exception or None to the protocol, later. 0 or -1. */
    int (*abort)(PyObject *transport, PyObject *exc);
} WsTransportOps;

/* How transports begin. asyncio.Transport is written in Python and has a slot, the
   only thing that has to be left alone in between. */
typedef struct {
    PyObject_HEAD
    PyObject *slot;
    const WsTransportOps *ops;
} WsTransport;

/* What a protocol in C offers to a transport. Its type is an entry of
   WsTransports.receivers, see ws_add_receiver. */
typedef struct {
    /* Say where to put bytes, and how many fit: 0, or -1 with an exception set. When
       it leaves *buffer at NULL, Python's methods are called this time. */
    int (*get_buffer)(PyObject *protocol, uint8_t **buffer, size_t *room);
    /* After that: replace that place, which parts[0] describes, by as many parts as are
       returned, to be filled in order. NULL, or a transport needn't ask. */
    int (*get_parts)(PyObject *protocol, struct iovec parts[3]);
    /* Process n bytes, n > 0. 1: if they filled the buffer, read on at once; 2: read on
       in any case; 0: wait for the loop to tell that there is more; -1: error. */
    int (*received)(PyObject *protocol, size_t n);
    /* Bytes are going to come: fetch what that needs, in steps, see ahead.h. May be
       NULL. */
    void (*ahead)(PyObject *protocol, int step);
    /* The peer's end is going to be reported. Say whether ours, if it follows, may be
       reported together with it, and not in the next turn of the loop. NULL: no. */
    int (*ending)(PyObject *protocol);
    /* When it said yes: all is reported. 0, or -1 with an exception set. */
    int (*ended)(PyObject *protocol);
} WsReceiverOps;

#define WS_MAX_RECEIVERS 4

typedef struct {
    PyTypeObject *type;
    const WsReceiverOps *ops;
} WsReceiver;

/* Names that are looked up often; see transport.c. */
enum {
    WS_ADD_READER,
    WS_ADD_WRITER,
    WS_ADVANCE,
    WS_BUFFER_UPDATED,
    WS_CALL_EXCEPTION_HANDLER,
    WS_CALL_SOON,
    WS_CANCEL,
    WS_CIPHER,
    WS_CLOSE,
    WS_COMPRESSION,
    WS_CONNECTION_LOST,
    WS_CONNECTION_MADE,
    WS_CONTEXT,
    WS_DATA_RECEIVED,
    WS_END,
    WS_EOF_RECEIVED,
    WS_FILENO,
    WS_GET_BUFFER,
    WS_GET_EXTRA_INFO,
    WS_GET_PEER_CERTIFICATE,
    WS_GET_WRITE_BUFFER_LIMITS,
    WS_JOIN,
    WS_LOST,
    WS_PAUSE_READING,
    WS_PAUSE_WRITING,
    WS_PENDING,
    WS_READ,
    WS_REMOVE_READER,
    WS_REMOVE_WRITER,
    WS_RESUME_READING,
    WS_RESUME_WRITING,
    WS_SETBLOCKING,
    WS_SET_WRITE_BUFFER_LIMITS,
    WS_WARNING,
    WS_WRITE,
    WS_TRANSPORT_NAMES
};

/* What is called of the ssl module, see tls_engine.c. A function is NULL if this version
   of Python has another one. */
typedef struct {
    PyObject *engine_type; /* what does the work of an ssl.SSLObject */
    PyObject *bio_type;
    PyObject *span;
    PyObject *read_args;
    PyCFunction read;
    PyCFunction write;
    PyCFunction rest;
    PyCFunction put;
    PyCFunction take;
} WsSsl;

/* Load it; visit it; let go of it. */
int ws_ssl_load(WsSsl *ssl);
int ws_ssl_traverse(WsSsl *ssl, visitproc visit, void *arg);
void ws_ssl_clear(WsSsl *ssl);

/* The part of the module's state that is about transports. */
typedef struct WsTransports {
    /* Made when the asyncio face asks for it: the sans-I/O layers don't import
       asyncio. NULL until then. */
    PyTypeObject *transport_type;
    PyTypeObject *socket_type;
    PyTypeObject *poller_type;
    PyTypeObject *tls_type;
    WsReceiver receivers[WS_MAX_RECEIVERS];
    int receiver_count;
    PyObject *buffered_protocol;
    PyObject *socket_class;
    PyObject *transport_socket_class;
    PyObject *logger;
    PyObject *want_read; /* ssl.SSLWantReadError */
    WsSsl ssl;
    /* Where bytes for protocols without a buffer are put for a moment. NULL while
       somebody has taken it, to let other threads run. */
    uint8_t *scratch;
    PyObject *names[WS_TRANSPORT_NAMES];
} WsTransports;

/* Whether an object is one of our transports, so that the functions below work. */
static inline int
ws_is_transport(WsState *state, PyObject *object)
{
    WsTransports *shared = state->transports;

    return shared != NULL && shared->transport_type != NULL
           && PyObject_TypeCheck(object, shared->transport_type);
}

static inline int
ws_transport_send(PyObject *transport, const struct iovec *parts, int count,
                  PyObject *owner)
{
    return ((WsTransport *)transport)->ops->send(transport, parts, count, owner);
}

static inline size_t
ws_transport_unsent(PyObject *transport)
{
    return ((WsTransport *)transport)->ops->unsent(transport);
}

static inline int
ws_transport_closing(PyObject *transport)
{
    return ((WsTransport *)transport)->ops->closing(transport);
}

static inline int
ws_transport_abort(PyObject *transport, PyObject *exc)
{
    return ((WsTransport *)transport)->ops->abort(transport, exc);
}

/* The memory for a moment, see above: NULL with MemoryError. */
uint8_t *ws_scratch(WsTransports *shared);

/* Let transports call protocols of a type, and of its subclasses, in C. 0, or -1 with
   an exception set. */
int ws_add_receiver(WsState *state, PyTypeObject *type, const WsReceiverOps *ops);

/* The operations of a protocol, NULL if it has Python methods only. */
const WsReceiverOps *ws_find_receiver(WsState *state, PyObject *protocol);

/* Put a protocol in place of another one, and find its operations. Return 1 when it is an
   asyncio.BufferedProtocol, 0 when it isn't, -1 with an exception set. */
int ws_take_protocol(WsState *state, PyObject *protocol, PyObject **slot,
                     const WsReceiverOps **receiver);

#endif

/* Add what belongs to transports to the module; visit it; let go of it; release the
   memory, when no transport exists any more. */
int ws_add_transports(PyObject *module);
int ws_traverse_transports(WsState *state, visitproc visit, void *arg);
void ws_clear_transports(WsState *state);
void ws_free_transports(WsState *state);

#endif
