/* What the native code needs of the Python code around it; see bind.c. */

#ifndef WEBSOCKETS_BIND_H
#define WEBSOCKETS_BIND_H

#include "common.h"

int ws_add_names(PyObject *module);
void ws_clear_names(WsState *state);

/* Find where a slot of a class is in its instances: its offset, or -1. */
Py_ssize_t ws_slot_offset(PyObject *type, const char *name);

PyObject *ws_bind(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

extern const char ws_bind_doc[];

#endif
