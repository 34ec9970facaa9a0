/* Sending messages.

   Owns: the bytes of a frame on their way to the system; corking.
   Doesn't know: awaitables, what the peer sends. */

#ifndef WEBSOCKETS_SENDING_H
#define WEBSOCKETS_SENDING_H

#include "hot.h"

/* A task that does nothing but send never suspends while the system takes its bytes.
   After this many messages without anything received, large ones counted several times,
   it lets others run: as in the twin. */
#define WS_BURST 256

/* Is it so that nothing else waits to be written, and a message may begin? */
int ws_is_clear(WsHot *hot);

/* Send a message, whole. 1 when it's written or queued, 0 if Python has to do it,
   -1 with an exception. */
int ws_send(WsHot *hot, PyObject *message);

/* Write the bytes of a whole frame for all: the same three results. */
int ws_send_frame(WsHot *hot, PyObject *frame);

/* Let what is corked leave: 0 or -1. */
int ws_flush(WsHot *hot);

#endif
