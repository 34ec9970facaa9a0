/* Transports over a socket of the process, on loops with add_reader().

   Owns: the descriptor; reading into the protocol's buffer, writing at once and what
   the system hasn't taken; pausing, the two ends, errors: what asyncio's transports
   do, with the same calls of the same protocol methods.
   Doesn't know: TLS, WebSocket, how the socket came about. */

#ifndef WEBSOCKETS_SOCKET_H
#define WEBSOCKETS_SOCKET_H

#include "address.h"
#include "outgoing.h"
#include "transport.h"

#ifdef WS_SOCKETS

/* Enough for whatever protocols without a buffer have to do. */
#define WS_SCRATCH_SIZE 65536

/* asyncio's. */
#define WS_HIGH_WATER 65536

/* How the last read left it open whether there is more: it was short, where that means
   nothing, or it filled its room. */
#define WS_SHORT 1
#define WS_FULL 2

/* What is watched for. */
#define WS_READING 1
#define WS_WRITING 2

#define NAME(self, name) ((self)->state->transports->names[name])

struct WsPoller;

typedef struct WsSocket {
    WsTransport base;
    WsState *state;
    PyObject *loop;             /* NULL after the end, like the next two */
    PyObject *protocol;
    struct WsPoller *poller;    /* who watches the descriptor; NULL: the loop */
    const WsReceiverOps *receiver;
    PyObject *socket;           /* the socket.socket that owns it; NULL: we do */
    PyObject *local_name;       /* made when they are asked for */
    PyObject *peer_name;
    PyObject *weakrefs;
    PyObject *timer;            /* runs before a forgetful loop is asked again, or NULL */
    WsOutgoing outgoing;
    size_t high;                /* water marks of the same */
    size_t low;
    int fd;                     /* -1 after the end */
    int slot;                   /* what it was, for the poller */
    uint32_t generation;        /* tells it from who had the descriptor before */
    uint8_t watched;            /* WS_READING, WS_WRITING */
    uint8_t silent_writes;      /* writes after the end */
    unsigned reading_paused : 1;
    unsigned writing_paused : 1; /* the protocol was told so */
    unsigned buffered : 1;      /* the protocol is an asyncio.BufferedProtocol */
    unsigned got_eof : 1;
    unsigned wrote_eof : 1;
    unsigned closing : 1;
    unsigned lost : 1;          /* connection_lost() is going to be called, or was */
    unsigned ending : 1;        /* it may be called where the peer's end is reported */
    unsigned end_due : 1;       /* and has to be */
    unsigned edge : 1;          /* the poller reports only what is new */
    unsigned forgetful : 1;     /* the loop reports an error once, maybe with bytes */
    unsigned thorough : 1;      /* a short read doesn't mean that there is no more */
    unsigned unread : 2;        /* WS_SHORT, WS_FULL: there may be more of what edge and
                                   forgetful don't have reported again */
    unsigned char peer[sizeof(struct sockaddr_in6)]; /* if it's IPv4 or IPv6 */
} WsSocket;

/* Make a transport over a connected socket, non-blocking, whose address families are
   known. It owns the descriptor from then on; when it fails, it doesn't. The address
   of the peer may be given. */
WsSocket *ws_socket_new(WsState *state, PyObject *loop, int fd,
                        const WsAddress *peer, socklen_t peer_size);

/* Take part: call connection_made() and read. 0, or -1 with an exception set. */
int ws_socket_start(WsSocket *self, PyObject *protocol);

/* What happens when the descriptor is ready. 0, or -1 with an exception that has to
   reach the loop. The caller holds a reference. */
int ws_socket_readable(WsSocket *self);
int ws_socket_writable(WsSocket *self);

/* Close at once; report an exception or None to the protocol, later. 0 or -1. */
int ws_socket_force_close(WsSocket *self, PyObject *exc);

/* What the files of this subject share. */
PyObject *ws_socket_create(PyTypeObject *type, PyObject *args, PyObject *kwds);
int ws_socket_init(PyObject *object, PyObject *args, PyObject *kwds);
int ws_socket_watch(WsSocket *self, unsigned wanted);
int ws_socket_send(PyObject *transport, const struct iovec *parts, int count, PyObject *owner);
int ws_socket_shutdown(WsSocket *self);
int ws_socket_write_bytes(WsSocket *self, PyObject *bytes);
int ws_socket_close(WsSocket *self);
int ws_socket_set_protocol(WsSocket *self, PyObject *protocol);
int ws_socket_check_high(WsSocket *self);
PyObject *ws_socket_local_name(WsSocket *self);
PyObject *ws_socket_peer_name(WsSocket *self);
int ws_socket_release(WsSocket *self);

/* Report the end that is due. 0, or -1 with an exception that has to reach the loop. */
int ws_socket_end(WsSocket *self);

/* End without a word to the protocol. 0 or -1. */
int ws_socket_discard(WsSocket *self);

/* The same, and hand the socket over, which has to exist. */
PyObject *ws_socket_detach(WsSocket *self);

/* Give up because of the current exception. Errors of the network are what programs
   live with, others are reported. 0, or -1 with an exception that has to reach the
   loop. */
int ws_socket_fail(WsSocket *self, const char *message);

extern const WsTransportOps ws_socket_ops;
PyTypeObject *ws_make_socket_type(PyObject *module, PyObject *transport_type);

/* Call a method with an argument or NULL: 0 or -1. */
int ws_call(PyObject *object, PyObject *name, PyObject *argument);

/* Tell the loop's exception handler about the current exception, unless it has to
   reach the loop. 0, or -1 with an exception set. */
int ws_report(WsState *state, PyObject *loop, const char *message,
              PyObject *transport, PyObject *protocol);

/* Whether an exception stops the loop, and nobody on the way handles it. */
int ws_stops_loop(PyObject *exc);

#endif
#endif
