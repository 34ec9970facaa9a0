/* Taking messages out of what has arrived.

   Owns: how the next message becomes an object of Python's; waiting for one.
   Doesn't know: sockets, tasks. */

#ifndef WEBSOCKETS_TAKE_H
#define WEBSOCKETS_TAKE_H

#include "hot.h"

/* Is the next message there, complete, and ordinary? */
int ws_has_message(WsHot *hot);

/* Take it. `decode` is the argument of recv(). 1 with the message, 0 if there is none, 2
   if Python has to look, -1 with an exception. */
int ws_take(WsHot *hot, PyObject *decode, PyObject **result);

/* Has the iteration come to its end: nothing is left to take, and both sides closed the
   connection as they should? 1, 0 if Python has to look, -1 with an exception. */
int ws_is_over(WsHot *hot);

/* May recv() wait here, for more bytes? */
int ws_may_wait(WsHot *hot);

void ws_begin_waiting(WsHot *hot);
void ws_end_waiting(WsHot *hot);

#endif
