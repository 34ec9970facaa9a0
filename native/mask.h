/* Masking of payloads (RFC 6455 section 5.3).

   Owns: the XOR of a buffer with a repeated mask of four bytes.
   Doesn't know: frames, or where masks come from. */

#ifndef WEBSOCKETS_MASK_H
#define WEBSOCKETS_MASK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* XOR `size` bytes of `source` with `mask`, starting with its first byte, and
   write them to `target`: either the same buffer or one that doesn't overlap. */
void ws_xor(uint8_t *target, const uint8_t *source, size_t size,
            const uint8_t mask[4]);

/* apply_mask(data, mask) -> bytes, the function that Python sees. */
PyObject *ws_apply_mask(PyObject *module, PyObject *const *args,
                        Py_ssize_t nargs, PyObject *kwnames);

extern const char ws_apply_mask_doc[];

#endif
