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
    PyTypeObject *reader_type;
} WsState;

/* Return the state of the module. */
static inline WsState *
ws_state(PyObject *module)
{
    return (WsState *)PyModule_GetState(module);
}

/* Take the exception that is set, as an object. */
static inline PyObject *
ws_take_error(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
#endif
}

/* Set an exception; it takes the reference. */
static inline void
ws_raise(PyObject *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

#endif
