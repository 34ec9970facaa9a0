/* What Python sees of deflate.c, so that it can be compared with its twin. */

#include "deflate.h"

#include <string.h>

/* Return None for "PerMessageDeflate has to do it". */
static PyObject *
outcome(int found, PyObject *result)
{
    if (found < 0) {
        return NULL;
    }
    return found ? result : Py_NewRef(Py_None);
}

static const char inflate_doc[] =
    "inflate_message($module, deflate, payload, max_size, mask=None, /)\n"
    "--\n"
    "\n"
    "Inflate a whole message, or return None where PerMessageDeflate.inflate() has to.";

/* PerMessageDeflate.inflate() for a payload in one piece; max_size may be None. */
static PyObject *
inflate_message(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Py_buffer payload, mask;
    PyObject *result = NULL;
    Py_ssize_t max_size = -1;
    int masked = nargs == 4 && args[3] != Py_None;
    int found = -1;

    if (nargs < 3 || nargs > 4) {
        PyErr_Format(PyExc_TypeError,
                     "inflate_message() takes 3 or 4 arguments (%zd given)", nargs);
        return NULL;
    }
    if (args[2] != Py_None) {
        max_size = PyNumber_AsSsize_t(args[2], PyExc_OverflowError);
        if (max_size < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "max_size must not be negative");
            }
            return NULL;
        }
    }
    if (PyObject_GetBuffer(args[1], &payload, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (masked && PyObject_GetBuffer(args[3], &mask, PyBUF_SIMPLE) < 0) {
        PyBuffer_Release(&payload);
        return NULL;
    }
    if (masked && mask.len != 4) {
        PyErr_SetString(PyExc_ValueError, "mask must contain 4 bytes");
    }
    else {
        found = ws_inflate_message(ws_state(module), args[0], payload.buf,
                                   (size_t)payload.len, masked ? mask.buf : NULL,
                                   max_size, &result);
    }
    if (masked) {
        PyBuffer_Release(&mask);
    }
    PyBuffer_Release(&payload);
    return outcome(found, result);
}

static const char deflate_doc[] =
    "deflate_message($module, deflate, data, /)\n"
    "--\n"
    "\n"
    "Compress a whole message, or return None where PerMessageDeflate.deflate() has to.";

static PyObject *
deflate_message(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = NULL;
    size_t size = 0;
    int found;

    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError,
                     "deflate_message() takes 2 arguments (%zd given)", nargs);
        return NULL;
    }
    found = ws_deflate_message(ws_state(module), args[0], args[1], &result, &size);
    if (found > 0 && (size_t)PyBytes_GET_SIZE(result) != size
        && _PyBytes_Resize(&result, (Py_ssize_t)size) < 0) {
        return NULL;
    }
    return outcome(found, result);
}

static const char wanted_doc[] =
    "deflate_wanted($module, deflate, size, /)\n"
    "--\n"
    "\n"
    "PerMessageDeflate.worth_compressing() for a whole message of that size.";

static PyObject *
deflate_wanted(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    size_t size;
    int wanted;

    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError,
                     "deflate_wanted() takes 2 arguments (%zd given)", nargs);
        return NULL;
    }
    size = PyLong_AsSize_t(args[1]);
    if (size == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    wanted = ws_deflate_wanted(ws_state(module), args[0], size);
    return wanted < 0 ? NULL : PyBool_FromLong(wanted);
}

static PyMethodDef functions[] = {
    {"inflate_message", (PyCFunction)(void (*)(void))inflate_message, METH_FASTCALL,
     inflate_doc},
    {"deflate_message", (PyCFunction)(void (*)(void))deflate_message, METH_FASTCALL,
     deflate_doc},
    {"deflate_wanted", (PyCFunction)(void (*)(void))deflate_wanted, METH_FASTCALL,
     wanted_doc},
    {NULL, NULL, 0, NULL},
};

int
ws_add_deflate(PyObject *module)
{
    WsDeflate *known = &ws_state(module)->deflate;
    const struct {
        PyObject **name;
        const char *text;
    } names[] = {
        {&known->name_compress, "compress"},
        {&known->name_flush, "flush"},
        {&known->name_decompress, "decompress"},
        {&known->name_eof, "eof"},
        {&known->name_go_on, "_go_on"},
        {&known->name_refuse, "_refuse"},
        {&known->name_new_deflater, "_new_deflater"},
        {&known->name_new_inflater, "_new_inflater"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *names[i].name = PyUnicode_InternFromString(names[i].text);
        if (*names[i].name == NULL) {
            return -1;
        }
    }
    /* zlib.Z_SYNC_FLUSH, the same number for every engine. */
    known->sync_flush = PyLong_FromLong(2);
    known->zero = PyLong_FromLong(0);
    if (known->sync_flush == NULL || known->zero == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}

int
ws_deflate_traverse(WsState *state, visitproc visit, void *arg)
{
    Py_VISIT(state->deflate.type);
    Py_VISIT(state->deflate.too_big);
    return 0;
}

void
ws_deflate_clear(WsState *state)
{
    WsDeflate *known = &state->deflate;

    Py_CLEAR(known->type);
    Py_CLEAR(known->too_big);
    Py_CLEAR(known->sync_flush);
    Py_CLEAR(known->zero);
    Py_CLEAR(known->name_compress);
    Py_CLEAR(known->name_flush);
    Py_CLEAR(known->name_decompress);
    Py_CLEAR(known->name_eof);
    Py_CLEAR(known->name_go_on);
    Py_CLEAR(known->name_refuse);
    Py_CLEAR(known->name_new_deflater);
    Py_CLEAR(known->name_new_inflater);
}
