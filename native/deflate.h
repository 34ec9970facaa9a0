/* Whole messages through permessage-deflate (RFC 7692 section 7.2).

   Owns: the ordinary course of PerMessageDeflate.inflate() and .deflate().
   Doesn't know: how to compress (an engine does, through its Python objects), frames,
   who decides what is compressed. */

#ifndef WEBSOCKETS_DEFLATE_H
#define WEBSOCKETS_DEFLATE_H

#include "common.h"

int ws_add_deflate(PyObject *module);
int ws_deflate_traverse(WsState *state, visitproc visit, void *arg);
void ws_deflate_clear(WsState *state);

/* Everywhere, `deflate` is what Protocol.deflate holds. */

/* Inflate a whole message, `size` bytes at `payload`; `mask` is its key, or NULL when it
   isn't masked. `max_size` limits the result, -1 doesn't. 1 with a new bytes object in
   `result`; 0 when PerMessageDeflate.inflate() has to do it, nothing was changed then;
   -1 with an exception that fails the connection. */
int ws_inflate_message(WsState *state, PyObject *deflate, const uint8_t *payload,
                       size_t size, const uint8_t *mask, Py_ssize_t max_size,
                       PyObject **result);

/* Whether to compress a whole message of `size` bytes when the program doesn't say:
   1, 0, or -1 with an exception. */
int ws_deflate_wanted(WsState *state, PyObject *deflate, size_t size);

/* Compress a whole message, a bytes-like object or a str. 1 with the payload in the first
   `size` bytes of a new bytes object, `result`, which may have more; 0 when
   PerMessageDeflate.deflate() has to do it, nothing was changed then; -1 with an
   exception. */
int ws_deflate_message(WsState *state, PyObject *deflate, PyObject *message,
                       PyObject **result, size_t *size);

/* Begin anew after a message that was compressed and isn't sent: the peer lacks it. */
void ws_deflate_forget(WsState *state, PyObject *deflate);

/* The compressor that the connection shares with others, borrowed: 1, 0 when it has none,
   -1 with an exception. */
int ws_deflate_shared(WsState *state, PyObject *deflate, PyObject **deflater);

/* PerMessageDeflate.adopt(history): 1, 0 when that method has to do it, or -1 with an
   exception. */
int ws_deflate_adopt(WsState *state, PyObject *deflate, PyObject *history);

#endif
