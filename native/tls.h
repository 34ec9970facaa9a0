/* TLS on top of another transport of ours, by way of ssl.SSLObject.

   Owns: what moves between the SSLObject, its two MemoryBIOs, the transport below and
   the protocol above, while the connection is open; pausing; the end.
   Doesn't know: how a handshake or a closure goes (see asyncio/_tls.py, the "driver"),
   sockets, WebSocket.

   What can't leave waits in the transport below, encrypted; what isn't wanted yet waits
   in the incoming MemoryBIO, which is bounded since the transport below is paused then.
   Nothing else holds bytes. */

#ifndef WEBSOCKETS_TLS_H
#define WEBSOCKETS_TLS_H

#include "socket.h"

#ifdef WS_SOCKETS

/* Bytes in a record, at most. */
#define WS_RECORD 16384

/* Of its header: type, version, length. */
#define WS_RECORD_HEADER 5

typedef enum {
    WS_TLS_OPENING, /* the driver has what arrives */
    WS_TLS_OPEN,
    WS_TLS_CLOSING, /* the driver again, or nobody */
    WS_TLS_LOST
} WsTlsPhase;

/* Bytes from below that haven't been put into incoming. */
typedef struct {
    const uint8_t *data;
    size_t size;
} WsArrived;

typedef struct WsTls {
    WsTransport base;
    WsState *state;
    PyObject *loop;         /* NULL after the end, like protocol and driver */
    PyObject *protocol;
    PyObject *driver;
    PyObject *below;        /* a transport of ours */
    PyObject *object;       /* ssl.SSLObject */
    PyObject *engine;       /* the same, or what does its work, and is quicker to call */
    PyObject *incoming;     /* MemoryBIOs */
    PyObject *outgoing;
    PyObject *weakrefs;
    const WsReceiverOps *receiver;
    uint8_t *own;           /* see get_buffer() */
    WsArrived *arrived;     /* what is being processed, or NULL */
    uint16_t left;          /* bytes of a record that haven't come; see next_record() */
    uint8_t header[WS_RECORD_HEADER];
    uint8_t header_size;
    uint32_t records;       /* in incoming, unread; maybe fewer */
    uint8_t silent_writes;  /* writes after the end */
    uint8_t phase;          /* WsTlsPhase */
    unsigned buffered : 1;  /* the protocol is an asyncio.BufferedProtocol */
    unsigned reading_paused : 1;
    unsigned quick : 1;     /* ssl's own functions can be called, see tls_engine.c */
    unsigned talking : 1;   /* TLS may have put something into outgoing by itself */
    unsigned resuming : 1;  /* the loop is going to call go_on() */
    unsigned got_eof : 1;   /* from below */
    unsigned closing : 1;
} WsTls;

/* Process bytes from below. 0, or -1 with an exception that has to reach the loop. */
int ws_tls_receive(WsTls *self, const uint8_t *data, size_t size);

/* Process what is here already. */
int ws_tls_process(WsTls *self, const uint8_t *data, size_t size);

/* Read and forget what is here. 1: the peer has said goodbye; 0; -1. */
int ws_tls_discard(WsTls *self);

/* Send what TLS has to say for itself. 0 or -1. */
int ws_tls_flush(WsTls *self);

int ws_tls_send(PyObject *transport, const struct iovec *parts, int count, PyObject *owner);
extern const WsTransportOps ws_tls_ops;
extern const WsReceiverOps ws_tls_receiver;

/* Say goodbye, and close. 0 or -1. */
int ws_tls_close(WsTls *self);

/* Close at once. */
int ws_tls_abort(PyObject *transport, PyObject *exc);

/* Tell the protocol that nothing more will come. 0 or -1. */
int ws_tls_tell_eof(WsTls *self);

/* Give up because of the current exception. Errors of the network, and TLS, are what
   programs live with, others are reported. 0, or -1 with an exception that has to reach
   the loop, or the program. */
int ws_tls_fail(WsTls *self, const char *message);

int ws_tls_set_protocol(WsTls *self, PyObject *protocol);

PyTypeObject *ws_make_tls_type(PyObject *module, PyObject *transport_type);

#endif
#endif
