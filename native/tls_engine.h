/* Calls of the ssl module.

   Owns: how an SSLObject and MemoryBIOs are called. Those of the ssl module get memory
   as it is, and no new objects as arguments; what stands for one is called as usual.
   Doesn't know: records, transports, protocols. */

#ifndef WEBSOCKETS_TLS_ENGINE_H
#define WEBSOCKETS_TLS_ENGINE_H

#include "tls.h"

#ifdef WS_SOCKETS

/* What reading has met. */
typedef enum { WS_DATA, WS_NOTHING_LEFT, WS_GOODBYE, WS_FAILED } WsOutcome;

/* Put bytes into incoming. 0 or -1. */
int ws_tls_put(WsTls *self, const uint8_t *data, size_t size);

/* engine.read(size, buffer), which may be NULL. NULL with *outcome when there's none. */
PyObject *ws_tls_read(WsTls *self, size_t size, PyObject *buffer, WsOutcome *outcome);

/* Read into memory: the number of bytes, and *outcome. */
size_t ws_tls_get(WsTls *self, uint8_t *buffer, size_t room, WsOutcome *outcome);

/* Bytes of the current record that haven't been read; -1 with an exception set. */
Py_ssize_t ws_tls_rest(WsTls *self);

/* Encrypt: the number of bytes, which is positive, or -1. */
Py_ssize_t ws_tls_write(WsTls *self, const uint8_t *data, size_t size);

/* Everything in outgoing, as bytes; NULL with an exception set. */
PyObject *ws_tls_take(WsTls *self);

/* How many bytes that is; -1 with an exception set. */
Py_ssize_t ws_tls_waiting(WsTls *self);

/* What MemoryBIOs return is bytes; what stands for one may return anything. 0 or -1. */
int ws_tls_check_bytes(PyObject *data);

/* Whether ssl's own functions can be called for an engine and two MemoryBIOs. */
int ws_ssl_knows(const WsSsl *ssl, PyObject *engine, PyObject *incoming,
                 PyObject *outgoing);

#endif
#endif
