/* What all files of the extension share.

   Owns: the state of the module, one per interpreter. Objects keep a pointer to
   it; their type keeps the module alive.
   Doesn't know: any subject. */

#ifndef WEBSOCKETS_COMMON_H
#define WEBSOCKETS_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

/* Each subject adds its types here, and the names that it looks up often. */
typedef struct {
    int initialized;
} WsState;

/* Return the state of the module. */
static inline WsState *
ws_state(PyObject *module)
{
    return (WsState *)PyModule_GetState(module);
}

#endif
