/* Mask keys from a pool. */

#include "random.h"

#include <string.h>

/* Fill the pool: 0, or -1 with an exception. Other threads may run, and fill it, too:
   then it's filled twice, each time with fresh bytes. */
static int
fill(WsState *state)
{
    PyObject *module = PyImport_ImportModule("os");
    PyObject *bytes;
    int result = -1;

    if (module == NULL) {
        return -1;
    }
    bytes = PyObject_CallMethod(module, "urandom", "n",
                                (Py_ssize_t)sizeof(state->random));
    Py_DECREF(module);
    if (bytes == NULL) {
        return -1;
    }
    if (PyBytes_Check(bytes)
        && (size_t)PyBytes_GET_SIZE(bytes) == sizeof(state->random)) {
        memcpy(state->random, PyBytes_AS_STRING(bytes), sizeof(state->random));
        state->random_left = sizeof(state->random);
        result = 0;
    }
    else {
        PyErr_Format(PyExc_RuntimeError, "os.urandom() didn't return %zu bytes",
                     sizeof(state->random));
    }
    Py_DECREF(bytes);
    return result;
}

int
ws_mask_key(WsState *state, uint8_t key[4])
{
    uint8_t *next;

    if (state->random_left < 4 && fill(state) < 0) {
        return -1;
    }
    state->random_left -= 4;
    next = state->random + state->random_left;
    memcpy(key, next, 4);
    /* Who reads the memory of this process learns no key of the past. */
    memset(next, 0, 4);
    return 0;
}

static PyObject *
mask_key(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    uint8_t key[4];

    if (ws_mask_key(ws_state(module), key) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)key, 4);
}

static PyMethodDef functions[] = {
    {"mask_key", mask_key, METH_NOARGS,
     "mask_key($module, /)\n--\n\nReturn four unpredictable bytes."},
    {NULL, NULL, 0, NULL},
};

/* After fork(), parent and child have the same pool: the child empties its own. */
static PyObject *
after_fork(PyObject *reference, PyObject *Py_UNUSED(ignored))
{
    PyObject *module = PyObject_CallNoArgs(reference);

    if (module == NULL) {
        return NULL;
    }
    if (module != Py_None) {
        WsState *state = ws_state(module);

        memset(state->random, 0, sizeof(state->random));
        state->random_left = 0;
    }
    return module;
}

static PyMethodDef after_fork_method = {
    "_forget_mask_keys", after_fork, METH_NOARGS,
    "Empty the pool of mask keys in a child process.",
};

int
ws_add_random(PyObject *module)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *reference = NULL;
    PyObject *function = NULL;
    PyObject *registered = NULL;
    PyObject *arguments = NULL;
    PyObject *named = NULL;
    int result = -1;

    if (os == NULL) {
        return -1;
    }
    registered = PyObject_GetAttrString(os, "register_at_fork");
    Py_DECREF(os);
    if (registered == NULL) {
        /* There is no fork() on Windows. */
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return PyModule_AddFunctions(module, functions);
    }
    /* It is registered for ever; the module may go before. */
    reference = PyWeakref_NewRef(module, NULL);
    if (reference != NULL) {
        function = PyCFunction_New(&after_fork_method, reference);
    }
    if (function != NULL) {
        arguments = PyTuple_New(0);
        named = Py_BuildValue("{sO}", "after_in_child", function);
    }
    if (arguments != NULL && named != NULL) {
        PyObject *none = PyObject_Call(registered, arguments, named);

        if (none != NULL) {
            Py_DECREF(none);
            result = PyModule_AddFunctions(module, functions);
        }
    }
    Py_XDECREF(named);
    Py_XDECREF(arguments);
    Py_XDECREF(function);
    Py_XDECREF(reference);
    Py_DECREF(registered);
    return result;
}
