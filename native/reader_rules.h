/* What one frame header may say, for the files of the reader.

   Owns: telling frames that are legal from those that Python has to look at.
   Doesn't know: the texts of errors; they are in _codec/rules.py. */

#ifndef WEBSOCKETS_READER_RULES_H
#define WEBSOCKETS_READER_RULES_H

#include "reader.h"

#define WS_FIN 0x80
#define WS_RSV1 0x40
#define WS_RSV 0x70
#define WS_CONTROL 0x08
#define WS_CLOSE 0x08

/* The header of a frame, as far as the cursors need it. */
typedef struct {
    uint64_t length; /* of the payload */
    size_t size;     /* of the header, with its mask */
    uint8_t head;    /* first byte */
    uint8_t plain;   /* whether it's a message in one frame, without extensions */
} WsHeader;

/* What the functions below return, and the cursors after them. WS_ASIDE is only
   returned when `quiet`: the rule that may be broken isn't looked at. */
enum {
    WS_RAISED = -1, /* an exception is set */
    WS_WAIT = 0,    /* more bytes are needed */
    WS_FINE = 1,
    WS_ASIDE = 2,
};

/* Read and check the header of which `there` bytes stand at `data`. It's WS_FINE
   when all but the mask is there. */
int ws_header(WsReader *reader, const uint8_t *data, size_t there,
              int in_message, int quiet, WsHeader *header);

/* Apply the limits to a data frame: WS_FINE, or see above.

   size: bytes in earlier frames of its message.
   fragments: number of frames of its message, this one included; 0 for any. */
int ws_check_limits(WsReader *reader, uint64_t length, uint64_t size,
                    uint64_t fragments, int in_message, int compressed,
                    int quiet);

/* Keep limits as they were given, and as numbers: 0, or -1 with an exception. */
int ws_set_limits(WsReader *reader, PyObject *message, PyObject *fragment,
                  PyObject *fragments);

/* Take the exception that is set, if it's the peer's fault. Else return NULL, with
   an exception set. */
PyObject *ws_peers_error(void);

/* Return (bytes there, bytes due) of the unfinished frame at `start`, or None. */
PyObject *ws_missing_part(const WsReader *reader, size_t start);

#endif
