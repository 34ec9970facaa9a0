/* Frames to bytes. The Python twin, _codec/writer.py, is the specification.

   Arguments that aren't what the library passes are left to the twin: it copies what
   has to be copied, and refuses what has to be refused. */

#include "mask.h"
#include "writer.h"

#include <string.h>

/* Bytes of payload that share an object with the header when a large frame is cut; a
   multiple of the mask's size. */
#define FIRST_PIECE 16384

size_t
ws_frame_header(uint8_t header[WS_MAX_HEADER], uint8_t head, uint64_t size,
                const uint8_t *mask)
{
    uint8_t masked = mask == NULL ? 0 : 0x80;
    size_t end = 2;
    int width = 0;

    header[0] = head;
    if (size < 126) {
        header[1] = masked | (uint8_t)size;
    }
    else {
        width = size < 65536 ? 2 : 8;
        header[1] = masked | (width == 2 ? 126 : 127);
    }
    while (width-- > 0) {
        header[end++] = (uint8_t)(size >> 8 * width);
    }
    if (mask != NULL) {
        memcpy(header + end, mask, 4);
        end += 4;
    }
    return end;
}

/* What a function was called with. */
typedef struct {
    uint8_t head;
    const uint8_t *mask; /* NULL for none */
    Py_buffer payload;
} Arguments;

/* Look at the arguments: 1, and then the payload has to be released; 0 when the twin
   has to. */
static int
parse(Arguments *found, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    long head;
    int overflow;

    if (nargs != 3 || kwnames != NULL || !PyLong_CheckExact(args[0])) {
        return 0;
    }
    head = PyLong_AsLongAndOverflow(args[0], &overflow);
    if (overflow || head < 0 || head > 0xFF) {
        return 0;
    }
    found->head = (uint8_t)head;
    found->mask = NULL;
    if (args[2] != Py_None) {
        if (!PyBytes_CheckExact(args[2]) || PyBytes_GET_SIZE(args[2]) != 4) {
            return 0;
        }
        found->mask = (const uint8_t *)PyBytes_AS_STRING(args[2]);
    }
    if (!PyBytes_CheckExact(args[1]) && !PyByteArray_CheckExact(args[1])
        && !PyMemoryView_Check(args[1])) {
        return 0;
    }
    if (PyObject_GetBuffer(args[1], &found->payload, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

static PyObject *
ask_twin(const char *name, PyObject *const *args, Py_ssize_t nargs,
         PyObject *kwnames)
{
    PyObject *module = PyImport_ImportModule("websockets._codec.writer");
    PyObject *function;
    PyObject *result;

    if (module == NULL) {
        return NULL;
    }
    function = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    if (function == NULL) {
        return NULL;
    }
    result = PyObject_Vectorcall(function, args, (size_t)nargs, kwnames);
    Py_DECREF(function);
    return result;
}

/* Return some bytes, and others behind them, which are masked unless `mask` is
   NULL. */
static PyObject *
join(const uint8_t *header, size_t header_size, const uint8_t *payload,
     size_t size, const uint8_t *mask)
{
    PyObject *result;
    uint8_t *target;

    if (size > (size_t)PY_SSIZE_T_MAX - header_size) {
        return PyErr_NoMemory();
    }
    result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(header_size + size));
    if (result == NULL) {
        return NULL;
    }
    target = (uint8_t *)PyBytes_AS_STRING(result);
    memcpy(target, header, header_size);
    if (mask != NULL) {
        ws_xor(target + header_size, payload, size, mask);
    }
    else if (size) {
        memcpy(target + header_size, payload, size);
    }
    return result;
}

static PyObject *
serialize_frame(PyObject *Py_UNUSED(module), PyObject *const *args,
                Py_ssize_t nargs, PyObject *kwnames)
{
    uint8_t header[WS_MAX_HEADER];
    Arguments found;
    PyObject *frame;
    size_t size;

    if (!parse(&found, args, nargs, kwnames)) {
        return ask_twin("serialize_frame", args, nargs, kwnames);
    }
    size = ws_frame_header(header, found.head, (uint64_t)found.payload.len,
                           found.mask);
    frame = join(header, size, found.payload.buf, (size_t)found.payload.len,
                 found.mask);
    PyBuffer_Release(&found.payload);
    return frame;
}

static PyObject *
serialize_in_pieces(PyObject *Py_UNUSED(module), PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames)
{
    uint8_t header[WS_MAX_HEADER];
    const uint8_t *payload;
    size_t size, length, first;
    Arguments found;
    PyObject *start, *rest;
    PyObject *pieces = NULL;

    if (!parse(&found, args, nargs, kwnames)) {
        return ask_twin("serialize_in_pieces", args, nargs, kwnames);
    }
    if (found.mask == NULL) {
        PyBuffer_Release(&found.payload);
        return ask_twin("serialize_in_pieces", args, nargs, kwnames);
    }
    payload = found.payload.buf;
    length = (size_t)found.payload.len;
    first = length < FIRST_PIECE ? length : FIRST_PIECE;
    size = ws_frame_header(header, found.head, length, found.mask);
    start = join(header, size, payload, first, found.mask);
    rest = join(header, 0, payload + first, length - first, found.mask);
    PyBuffer_Release(&found.payload);
    if (start != NULL && rest != NULL) {
        pieces = PyList_New(2);
    }
    if (pieces == NULL) {
        Py_XDECREF(start);
        Py_XDECREF(rest);
        return NULL;
    }
    PyList_SET_ITEM(pieces, 0, start);
    PyList_SET_ITEM(pieces, 1, rest);
    return pieces;
}

#define FUNCTION(name, doc)                                                  \
    {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL | METH_KEYWORDS, \
     #name "($module, head, payload, mask)\n--\n\n" doc}

static PyMethodDef functions[] = {
    FUNCTION(serialize_frame, "Return the bytes of one frame."),
    FUNCTION(serialize_in_pieces,
             "Return the bytes of one large frame, masked, in two objects."),
    {NULL, NULL, 0, NULL},
};

int
ws_add_writer(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
