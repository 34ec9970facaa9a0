/* Incremental validation of text. The Python twin, _codec/utf8.py, is the
   specification.

   Owns: the check of one text message that arrives in pieces.
   Doesn't know: frames, messages, what to do about invalid text. */

#ifndef WEBSOCKETS_UTF8_H
#define WEBSOCKETS_UTF8_H

#include "common.h"

/* Zeros before the first message. */
typedef struct {
    uint64_t position;  /* where in the message the pending bytes are */
    uint8_t pending[4]; /* the start of a character whose end has not arrived */
    uint8_t count;      /* how many of them there are, at most three */
} WsUtf8;

/* Check the next piece of a message: 0; -1 with UnicodeDecodeError, or MemoryError,
   and then it must not be used again. */
int ws_utf8_feed(WsUtf8 *check, const uint8_t *data, size_t size, int final);

int ws_add_utf8(PyObject *module);

#endif
