/* From frames to the transport.

   Owns: how bytes are handed to a transport, of ours or in Python; large frames.
   Doesn't know: messages, who waits. */

#ifndef WEBSOCKETS_WRITING_H
#define WEBSOCKETS_WRITING_H

#include "hot.h"

/* Is the transport open, and may it be given bytes, past the queue in Python? */
int ws_may_write(WsHot *hot);

/* Hand over bytes; they are copied if they can't leave at once. 0 or -1. */
int ws_write_bytes(WsHot *hot, const uint8_t *data, size_t size);

/* The same for a bytes object. */
int ws_write_object(WsHot *hot, PyObject *data);

/* Hand over a frame that is too large for the stack. `key` is NULL on servers; `owner` is
   an object with the data that never changes, or NULL. */
int ws_write_frame(WsHot *hot, uint8_t head, const uint8_t *data, size_t size,
                   const uint8_t *key, PyObject *owner);

/* Count what was handed over; note in Python when the system didn't take it all: 1, or
   -1 with an exception. */
int ws_after_writing(WsHot *hot, size_t size);

#endif
