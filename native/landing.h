/* Where received bytes are put.

   Owns: the loop's read buffer; the choice between it and the message they belong to.
   Doesn't know: tasks, what happens to messages. */

#ifndef WEBSOCKETS_LANDING_H
#define WEBSOCKETS_LANDING_H

#include "hot.h"

/* Add the type of read buffers to the module. */
int ws_add_buffer(PyObject *module);

/* Whether the message that ws_hot_get_buffer() gave a part of still goes on there. */
int ws_target_stands(WsHot *hot);

/* From this size on, it is worth the while to expect another such message. */
#define WS_LARGE 32768

/* Remember the size of a large binary message that came in one frame, and was taken. */
void ws_note_size(WsHot *hot, size_t size);

/* Bytes came where ws_hot_get_parts() had them put. When they begin the message that was
   expected, make it the one that arrives, and say in hot->target and hot->room where its
   payload is; else put all into the read buffer. `start` is where the rest begins there;
   `size` is what is left with that payload. */
void ws_land(WsHot *hot, size_t *start, size_t *size);

#endif
