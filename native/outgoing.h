/* Bytes that wait to be written to a socket.

   Owns: a queue of pieces, counted, and the memory they are in.
   Doesn't know: who writes, or when. */

#ifndef WEBSOCKETS_OUTGOING_H
#define WEBSOCKETS_OUTGOING_H

#include "transport.h"

#ifdef WS_SOCKETS

typedef struct WsPiece WsPiece;

/* All zeros: an empty queue. */
typedef struct {
    WsPiece *first;
    WsPiece *last;
    size_t size;
} WsOutgoing;

/* Append what remains of some parts after their first `skip` bytes: a copy, except of the
   last part if that is in an object which never changes, its owner, and not small. 0, or
   -1 with MemoryError set and nothing appended. */
int ws_outgoing_add(WsOutgoing *queue, const struct iovec *parts, int count, size_t skip,
                    PyObject *owner);

/* Append what is in such an object: it's masked when it's written. */
int ws_outgoing_mask_later(WsOutgoing *queue, const struct iovec *part, PyObject *owner,
                           const uint8_t *key);

/* Describe the beginning of the queue in at most `room` parts; return how many, or -1 with
   MemoryError set. */
int ws_outgoing_parts(WsOutgoing *queue, struct iovec *parts, int room);

/* Forget the first `size` bytes, which were written. */
void ws_outgoing_written(WsOutgoing *queue, size_t size);

/* Forget everything. */
void ws_outgoing_clear(WsOutgoing *queue);

#endif
#endif
