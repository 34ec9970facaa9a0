/* Whole messages through permessage-deflate. The specification is PerMessageDeflate in
   extensions/_deflate.py; this does the same to the same object, whose slots it reads
   and writes, when nothing is out of the ordinary: a message in one piece, no final block just
   before it, and a compressor that isn't shared with other connections. */

#include "deflate.h"

#include "bind.h"
#include "mask.h"

#include <string.h>

/* The end of a flush, which doesn't go over the wire (RFC 7692 section 7.2.1). */
static const uint8_t end_of_flush[4] = {0x00, 0x00, 0xFF, 0xFF};

#define END 4

/* -- the class and its slots ----------------------------------------------- */

/* Find the class and its slots, when the first message comes: 0 or -1. */
static int
find_class(WsState *state)
{
    WsDeflate *known = &state->deflate;
    PyObject *module = PyImport_ImportModule("websockets.extensions._deflate");
    PyObject *type = NULL, *too_big = NULL;
    int result = -1;

    if (module == NULL) {
        return -1;
    }
    type = PyObject_GetAttrString(module, "PerMessageDeflate");
    too_big = PyObject_GetAttrString(module, "PayloadTooBig");
    if (type != NULL && too_big != NULL
        && (known->inflater = ws_slot_offset(type, "_inflater")) >= 0
        && (known->deflater = ws_slot_offset(type, "_deflater")) >= 0
        && (known->is_shared = ws_slot_offset(type, "_is_shared")) >= 0
        && (known->streak = ws_slot_offset(type, "streak")) >= 0
        && (known->in_message = ws_slot_offset(type, "_in_message")) >= 0
        && (known->restarted = ws_slot_offset(type, "_restarted")) >= 0
        && (known->remote_fresh = ws_slot_offset(type, "remote_no_context_takeover")) >= 0
        && (known->local_fresh = ws_slot_offset(type, "local_no_context_takeover")) >= 0
        && (known->threshold = ws_slot_offset(type, "compress_threshold")) >= 0) {
        Py_XSETREF(known->too_big, Py_NewRef(too_big));
        /* Last: it says that all is known. */
        Py_XSETREF(known->type, Py_NewRef(type));
        result = 0;
    }
    Py_XDECREF(too_big);
    Py_XDECREF(type);
    Py_DECREF(module);
    return result;
}

/* Tell whether it's an object whose slots are known: 1, 0 or -1. */
static int
is_known(WsState *state, PyObject *deflate)
{
    if (state->deflate.type == NULL && find_class(state) < 0) {
        return -1;
    }
    return (PyObject *)Py_TYPE(deflate) == state->deflate.type;
}

static PyObject **
slot(PyObject *deflate, Py_ssize_t offset)
{
    return (PyObject **)((char *)deflate + offset);
}

static void
set(PyObject *deflate, Py_ssize_t offset, PyObject *value)
{
    Py_XSETREF(*slot(deflate, offset), Py_NewRef(value));
}

/* The truth of a slot: 1, 0 or -1. A slot that was deleted is an error in Python. */
static int
is_true(PyObject *deflate, Py_ssize_t offset)
{
    PyObject *value = *slot(deflate, offset);

    if (value == Py_False) {
        return 0;
    }
    return value == NULL ? 0 : PyObject_IsTrue(value);
}

/* Return a new reference to an inflater or deflater; make it, if there is none, by a
   method with an optional argument. */
static PyObject *
context(PyObject *deflate, Py_ssize_t offset, PyObject *method, PyObject *argument)
{
    PyObject *found = *slot(deflate, offset);

    if (found != NULL && found != Py_None) {
        return Py_NewRef(found);
    }
    found = PyObject_CallMethodObjArgs(deflate, method, argument, NULL);
    if (found != NULL) {
        set(deflate, offset, found);
    }
    return found;
}

/* Return what an engine returned, if it's bytes; it takes the reference. */
static PyObject *
checked(PyObject *output)
{
    if (output != NULL && !PyBytes_Check(output)) {
        PyErr_Format(PyExc_TypeError, "the engine returned %R instead of bytes",
                     (PyObject *)Py_TYPE(output));
        Py_CLEAR(output);
    }
    return output;
}

/* -- inflating ------------------------------------------------------------- */

/* Return the payload unmasked, with what the sender left out. */
static PyObject *
complete(const uint8_t *payload, size_t size, const uint8_t *mask)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size + END);
    uint8_t *target;

    if (data == NULL) {
        return NULL;
    }
    target = (uint8_t *)PyBytes_AS_STRING(data);
    if (mask != NULL) {
        ws_xor(target, payload, size, mask);
    }
    else {
        memcpy(target, payload, size);
    }
    memcpy(target + size, end_of_flush, END);
    return data;
}

/* inflater.decompress(data, limit), and what follows a final block in it. */
static PyObject *
decompress(WsDeflate *known, PyObject *deflate, PyObject *data, PyObject *limit)
{
    PyObject *inflater = context(deflate, known->inflater, known->name_new_inflater, NULL);
    PyObject *output, *eof;

    if (inflater == NULL) {
        return NULL;
    }
    output = checked(PyObject_CallMethodObjArgs(inflater, known->name_decompress, data,
                                                limit, NULL));
    if (output == NULL) {
        Py_DECREF(inflater);
        return NULL;
    }
    eof = PyObject_GetAttr(inflater, known->name_eof);
    Py_DECREF(inflater);
    if (eof == NULL) {
        Py_DECREF(output);
        return NULL;
    }
    if (eof != Py_False) {
        Py_SETREF(output, checked(PyObject_CallMethodObjArgs(
                              deflate, known->name_go_on, output, limit, NULL)));
    }
    Py_DECREF(eof);
    return output;
}

/* Let Python say what the exception of an engine means: it raises one. */
static void
refuse(WsDeflate *known, PyObject *deflate)
{
    PyObject *error, *result;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return;
    }
    error = ws_take_error();
    result = PyObject_CallMethodOneArg(deflate, known->name_refuse, error);
    Py_DECREF(error);
    Py_XDECREF(result);
}

/* Raise PayloadTooBig(None, max_size). */
static void
raise_too_big(WsDeflate *known, Py_ssize_t max_size)
{
    PyObject *error = PyObject_CallFunction(known->too_big, "On", Py_None, max_size);

    if (error != NULL) {
        ws_raise(error);
    }
}

/* Forget the history, where nothing may refer to it any more: 0 or -1. */
static int
end_inflating(WsDeflate *known, PyObject *deflate)
{
    int fresh = is_true(deflate, known->remote_fresh);
    int restarted = fresh < 0 ? -1 : is_true(deflate, known->restarted);

    if (restarted < 0) {
        return -1;
    }
    if (fresh || restarted) {
        set(deflate, known->inflater, Py_None);
        set(deflate, known->restarted, Py_False);
    }
    return 0;
}

int
ws_inflate_message(WsState *state, PyObject *deflate, const uint8_t *payload,
                   size_t size, const uint8_t *mask, Py_ssize_t max_size,
                   PyObject **result)
{
    WsDeflate *known = &state->deflate;
    PyObject *data, *limit, *output;
    int ordinary = is_known(state, deflate);

    if (ordinary <= 0) {
        return ordinary;
    }
    if (size == 0 || size > (size_t)PY_SSIZE_T_MAX - END || max_size == PY_SSIZE_T_MAX
        || *slot(deflate, known->in_message) != Py_False
        || *slot(deflate, known->restarted) != Py_False) {
        return 0;
    }
    data = complete(payload, size, mask);
    if (data == NULL) {
        return -1;
    }
    /* One byte more shows that there is more; 0 stands for no limit. */
    limit = PyLong_FromSsize_t(max_size < 0 ? 0 : max_size + 1);
    if (limit == NULL) {
        Py_DECREF(data);
        return -1;
    }
    output = decompress(known, deflate, data, limit);
    Py_DECREF(limit);
    Py_DECREF(data);
    if (output == NULL) {
        refuse(known, deflate);
        return -1;
    }
    if (max_size >= 0 && PyBytes_GET_SIZE(output) > max_size) {
        raise_too_big(known, max_size);
        Py_DECREF(output);
        return -1;
    }
    if (end_inflating(known, deflate) < 0) {
        Py_DECREF(output);
        return -1;
    }
    *result = output;
    return 1;
}

/* -- compressing ----------------------------------------------------------- */

int
ws_deflate_wanted(WsState *state, PyObject *deflate, size_t size)
{
    int ordinary = is_known(state, deflate);
    PyObject *value;
    Py_ssize_t threshold;

    if (ordinary <= 0) {
        return ordinary;
    }
    value = *slot(deflate, state->deflate.threshold);
    threshold = value == NULL ? 0 : PyNumber_AsSsize_t(value, NULL);
    if (threshold == -1 && PyErr_Occurred()) {
        return -1;
    }
    return threshold < 0 || size >= (size_t)threshold;
}

/* Return head + tail without the end of the flush. It takes both references. */
static PyObject *
join(PyObject *head, PyObject *tail, size_t *size)
{
    Py_ssize_t first = PyBytes_GET_SIZE(head);
    Py_ssize_t rest = PyBytes_GET_SIZE(tail) - END;
    PyObject *joined;

    *size = (size_t)(first + rest);
    if (first == 0) {
        Py_DECREF(head);
        return tail;
    }
    joined = PyBytes_FromStringAndSize(NULL, first + rest);
    if (joined != NULL) {
        memcpy(PyBytes_AS_STRING(joined), PyBytes_AS_STRING(head), (size_t)first);
        memcpy(PyBytes_AS_STRING(joined) + first, PyBytes_AS_STRING(tail), (size_t)rest);
    }
    Py_DECREF(head);
    Py_DECREF(tail);
    return joined;
}

/* deflater.compress(data) and deflater.flush(Z_SYNC_FLUSH) */
static PyObject *
compress(WsDeflate *known, PyObject *deflate, PyObject *data, PyObject *length,
         size_t *size)
{
    PyObject *deflater = context(deflate, known->deflater, known->name_new_deflater,
                                 length);
    PyObject *head = NULL, *tail = NULL;

    if (deflater == NULL) {
        return NULL;
    }
    head = checked(PyObject_CallMethodOneArg(deflater, known->name_compress, data));
    if (head != NULL) {
        tail = checked(
            PyObject_CallMethodOneArg(deflater, known->name_flush, known->sync_flush));
    }
    Py_DECREF(deflater);
    if (tail == NULL) {
        Py_XDECREF(head);
        return NULL;
    }
    if (PyBytes_GET_SIZE(tail) < END) {
        Py_DECREF(head);
        Py_DECREF(tail);
        PyErr_SetString(PyExc_TypeError, "the engine didn't flush");
        return NULL;
    }
    return join(head, tail, size);
}

void
ws_deflate_forget(WsState *state, PyObject *deflate)
{
    set(deflate, state->deflate.deflater, Py_None);
}

int
ws_deflate_message(WsState *state, PyObject *deflate, PyObject *message,
                   PyObject **result, size_t *size)
{
    WsDeflate *known = &state->deflate;
    PyObject *data, *length, *output;
    Py_ssize_t count;
    int ordinary = is_known(state, deflate);
    int fresh;

    if (ordinary <= 0) {
        return ordinary;
    }
    if (*slot(deflate, known->is_shared) != Py_False) {
        return 0;
    }
    data = PyUnicode_Check(message) ? PyUnicode_AsUTF8String(message)
                                    : Py_NewRef(message);
    count = data == NULL ? -1 : PyObject_Length(data);
    if (count <= 0) {
        Py_XDECREF(data);
        return (int)count;
    }
    length = PyLong_FromSsize_t(count);
    if (length == NULL) {
        Py_DECREF(data);
        return -1;
    }
    set(deflate, known->streak, known->zero);
    output = compress(known, deflate, data, length, size);
    Py_DECREF(length);
    Py_DECREF(data);
    if (output == NULL) {
        ws_deflate_forget(state, deflate);
        return -1;
    }
    fresh = is_true(deflate, known->local_fresh);
    if (fresh < 0) {
        Py_DECREF(output);
        return -1;
    }
    if (fresh) {
        set(deflate, known->deflater, Py_None);
    }
    *result = output;
    return 1;
}

/* -- compressors shared with others ---------------------------------------- */

int
ws_deflate_shared(WsState *state, PyObject *deflate, PyObject **deflater)
{
    int ordinary = is_known(state, deflate);

    if (ordinary <= 0) {
        return ordinary;
    }
    *deflater = *slot(deflate, state->deflate.deflater);
    return *slot(deflate, state->deflate.is_shared) == Py_True && *deflater != NULL;
}

int
ws_deflate_adopt(WsState *state, PyObject *deflate, PyObject *history)
{
    int ordinary = is_known(state, deflate);
    int fresh;

    if (ordinary <= 0) {
        return ordinary;
    }
    fresh = is_true(deflate, state->deflate.local_fresh);
    if (fresh < 0) {
        return -1;
    }
    if (fresh) {
        history = Py_None;
    }
    set(deflate, state->deflate.deflater, history);
    set(deflate, state->deflate.is_shared, history == Py_None ? Py_False : Py_True);
    return 1;
}
