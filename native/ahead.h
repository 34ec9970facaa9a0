/* What a connection is going to touch, fetched before.

   With thousands of connections, what one of them needs isn't in the processor's cache any
   more when its turn comes, and is waited for line by line. While one connection is served,
   the memory can deliver what the next ones need. Each step follows pointers that the step
   before it has had fetched.

   Owns: which memory that is.
   Doesn't know: who is next. */

#ifndef WEBSOCKETS_AHEAD_H
#define WEBSOCKETS_AHEAD_H

#include "hot.h"
#include "socket.h"

/* For ws_ahead_of_frame(): writing a frame to a connection of ours, at any step from 0
   to this. */
#define WS_AHEAD_FRAME_STEPS 3

void ws_ahead_of_frame(WsHot *hot, int step);

#ifdef WS_SOCKETS

/* For ws_ahead_of_message(): receiving a message and answering it. */
#define WS_AHEAD_STEPS 5

void ws_ahead_of_message(WsSocket *socket, int step);

/* The part of it that a connection knows, see WsReceiverOps. */
void ws_hot_ahead(PyObject *connection, int step);

#endif
#endif
