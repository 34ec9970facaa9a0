/* Masking of payloads. The Python twin, _codec/mask.py, is the specification. */

#include "mask.h"

#include <string.h>

void
ws_xor(uint8_t *target, const uint8_t *source, size_t size,
       const uint8_t mask[4])
{
    uint64_t words[8];
    uint64_t key;
    uint32_t half;

    /* Copying bytes keeps their order, so this holds on any byte order. */
    memcpy(&half, mask, 4);
    memcpy(&key, &half, 4);
    memcpy((uint8_t *)&key + 4, &half, 4);

    /* 64 bytes a turn: the compiler turns the inner loop into vector
       instructions that every machine of its target has (SSE2, NEON). memcpy
       allows any alignment and costs nothing. */
    while (size >= 64) {
        memcpy(words, source, 64);
        for (int i = 0; i < 8; i++) {
            words[i] ^= key;
        }
        memcpy(target, words, 64);
        source += 64;
        target += 64;
        size -= 64;
    }
    while (size >= 8) {
        memcpy(words, source, 8);
        words[0] ^= key;
        memcpy(target, words, 8);
        source += 8;
        target += 8;
        size -= 8;
    }
    /* 8 is a multiple of 4: the rest starts with the first byte of the mask. */
    for (size_t i = 0; i < size; i++) {
        target[i] = source[i] ^ mask[i & 3];
    }
}

const char ws_apply_mask_doc[] =
    "apply_mask($module, data, mask)\n"
    "--\n"
    "\n"
    "Apply the XOR mask of RFC 6455 section 5.3 to data; do it again to remove it.";

/* Find the two arguments, however they were passed: 0, or -1 with an error set.
   By position is the only way that has to be fast. */
static int
find_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
               PyObject *found[2])
{
    static const char *const names[2] = {"data", "mask"};
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);

    if (nargs + named != 2) {
        PyErr_Format(PyExc_TypeError,
                     "apply_mask() takes 2 arguments: data and mask (%zd given)",
                     nargs + named);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        found[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t slot = 0;

        while (slot < 2 && PyUnicode_CompareWithASCIIString(name, names[slot])) {
            slot++;
        }
        if (slot == 2) {
            PyErr_Format(PyExc_TypeError,
                         "apply_mask() got an unexpected keyword argument '%U'",
                         name);
            return -1;
        }
        if (slot < nargs) {
            PyErr_Format(PyExc_TypeError,
                         "apply_mask() got multiple values for argument '%U'",
                         name);
            return -1;
        }
        found[slot] = args[nargs + i];
    }
    return 0;
}

/* Copy the four bytes of the mask: 0, or -1 with an error set. */
static int
copy_mask(PyObject *object, uint8_t mask[4])
{
    Py_buffer view;
    int result = -1;

    if (PyObject_GetBuffer(object, &view, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    if (view.len != 4) {
        PyErr_SetString(PyExc_ValueError, "mask must contain 4 bytes");
    }
    else {
        result = PyBuffer_ToContiguous(mask, &view, 4, 'C');
    }
    PyBuffer_Release(&view);
    return result;
}

PyObject *
ws_apply_mask(PyObject *Py_UNUSED(module), PyObject *const *args,
              Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *found[2] = {NULL, NULL};
    PyObject *result = NULL;
    uint8_t mask[4];
    uint8_t *target;
    Py_buffer view;

    if (find_arguments(args, nargs, kwnames, found) < 0
        || copy_mask(found[1], mask) < 0
        || PyObject_GetBuffer(found[0], &view, PyBUF_FULL_RO) < 0) {
        return NULL;
    }
    result = PyBytes_FromStringAndSize(NULL, view.len);
    if (result == NULL) {
        goto done;
    }
    target = (uint8_t *)PyBytes_AS_STRING(result);
    if (PyBuffer_IsContiguous(&view, 'C')) {
        ws_xor(target, view.buf, (size_t)view.len, mask);
    }
    else if (PyBuffer_ToContiguous(target, &view, view.len, 'C') < 0) {
        Py_CLEAR(result);
    }
    else {
        ws_xor(target, target, (size_t)view.len, mask);
    }
done:
    PyBuffer_Release(&view);
    return result;
}
