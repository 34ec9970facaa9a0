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

/* Append what remains of some parts after their first `skip` bytes: as a copy. 0, or
   -1 with MemoryError set and nothing appended. */
int ws_outgoing_copy(WsOutgoing *queue, const struct iovec *parts, int count,
                     size_t skip);

/* Append what remains of a bytes object: without copying it. */
int ws_outgoing_keep(WsOutgoing *queue, PyObject *bytes, size_t skip);

/* Describe the beginning of the queue in at most `room` parts; return how many. */
int ws_outgoing_parts(const WsOutgoing *queue, struct iovec *parts, int room);

/* Forget the first `size` bytes, which were written. */
void ws_outgoing_written(WsOutgoing *queue, size_t size);

/* Forget everything. */
void ws_outgoing_clear(WsOutgoing *queue);

#endif
#endif
