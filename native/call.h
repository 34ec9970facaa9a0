/* Awaitables of a connection's native methods.

   Owns: the coroutine protocol (PEP 492) around what a call does.
   Doesn't know: frames, sockets. */

#ifndef WEBSOCKETS_CALL_H
#define WEBSOCKETS_CALL_H

#include "hot.h"
#include "method.h"

int ws_add_call(PyObject *module);
void ws_clear_call(WsState *state);

/* Return a coroutine that does what the method does when it is awaited. */
PyObject *ws_call_new(WsMethod *method, WsHot *hot, PyObject *argument);

#endif
