/* Frames in, one message out. The Python twin, _codec/message.py, is the
   specification.

   Owns: the payload of one message while it arrives, in one growing bytes object;
   the ends of its frames; the check of text that isn't compressed.
   Doesn't know: inflating, who reads, limits (the frame reader has applied them). */

#ifndef WEBSOCKETS_MESSAGE_H
#define WEBSOCKETS_MESSAGE_H

#include "utf8.h"

/* Ends of frames, as they count from the first byte of the payload. */
typedef struct {
    size_t *ends;
    size_t count;
    size_t capacity;
} WsEnds;

typedef struct {
    PyObject_HEAD
    size_t size;       /* bytes that have arrived and not been taken */
    PyObject *data;    /* a bytes object that has room for them and more; or NULL */
    WsEnds ends;       /* of the frames that are complete, up to MAX_ENDS */
    PyObject *queue;   /* payload of the frames being taken one by one; or NULL */
    WsEnds queue_ends; /* their ends */
    size_t queue_next; /* the next of them */
    WsUtf8 utf8;
    char text;
    char compressed;
    char complete;     /* whether the last frame has arrived */
    char own;          /* whether nobody else has seen `data`, so it may be changed */
    char checked;      /* whether the check of text has started */
    char streamed;     /* whether frames were taken one by one */
} WsMessage;

int ws_add_message(PyObject *module);

/* Return an empty message, or NULL with MemoryError. */
WsMessage *ws_message_new(WsState *state, int text, int compressed);

/* Add payload, masked with `key` unless that is NULL: 0; -1 with
   UnicodeDecodeError, as append() raises it, or MemoryError. */
int ws_message_append(WsMessage *message, const uint8_t *data, size_t size,
                      const uint8_t *key, int end_of_frame, int final);

/* Return where the next bytes of payload belong and how many have room there, at
   least one; NULL with MemoryError. When the message is known to get `expected`
   bytes, more than it has, memory is allocated for all of them if they are at most
   16 MiB; else for twice what is there, and for 64 KiB. Ends with the next call. */
uint8_t *ws_message_reserve(WsMessage *message, uint64_t expected, size_t *room);

/* Add payload, unmasked, that stands in that place: like ws_message_append(). */
int ws_message_received(WsMessage *message, size_t size, int end_of_frame,
                        int final);

/* take(): return the whole payload and forget it; NULL with MemoryError. */
PyObject *ws_message_take(WsMessage *message);

#endif
