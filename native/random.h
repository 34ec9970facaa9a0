/* Mask keys (RFC 6455 sections 5.3 and 10.3).

   Owns: a small pool of bytes from the system's generator, which costs a call of the
   system for each request.
   Doesn't know: frames. */

#ifndef WEBSOCKETS_RANDOM_H
#define WEBSOCKETS_RANDOM_H

#include "common.h"

/* Write an unpredictable key, which nobody gets twice: 0, or -1 with an exception. */
int ws_mask_key(WsState *state, uint8_t key[4]);

int ws_add_random(PyObject *module);

#endif
