/* Frames to bytes (RFC 6455 section 5.2). The Python twin, _codec/writer.py, is the
   specification.

   Owns: the layout of a frame on the wire.
   Doesn't know: whether the frame is legal, and where its mask comes from. */

#ifndef WEBSOCKETS_WRITER_H
#define WEBSOCKETS_WRITER_H

#include "common.h"

/* Bytes of the longest header, with its mask. */
#define WS_MAX_HEADER 14

/* Write the header of a frame, with its mask unless that is NULL; return its size. */
size_t ws_frame_header(uint8_t header[WS_MAX_HEADER], uint8_t head, uint64_t size,
                       const uint8_t *mask);

int ws_add_writer(PyObject *module);

#endif
