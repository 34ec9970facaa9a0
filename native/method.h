/* Methods that are coroutine functions to Python, and native code when called.

   Owns: the descriptor that stands for such a method in its class.
   Doesn't know: what the coroutines do. */

#ifndef WEBSOCKETS_METHOD_H
#define WEBSOCKETS_METHOD_H

#include "common.h"

int ws_add_method(PyObject *module);

/* Set an attribute of a connection, which may replace a method. */
int ws_set_attribute(PyObject *object, PyObject *name, PyObject *value);

/* What a method does; see call.c. */
enum { WS_RECV, WS_NEXT, WS_SEND, WS_KINDS };

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    WsState *state;
    PyObject *module; /* whose state that is, until the last call has ended */
    PyObject *twin; /* the coroutine function in Python */
    int kind;
} WsMethod;

#endif
