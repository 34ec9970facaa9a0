/* Bytes that wait to be written. Small ones share a piece of memory. */

#include "outgoing.h"

#ifdef WS_SOCKETS

#include <string.h>

/* What a piece has at least: a stalled peer's many small frames need few pieces. */
#define PIECE_SIZE 4000

struct WsPiece {
    WsPiece *next;
    /* The bytes object that the bytes are in; NULL: they follow below. */
    PyObject *owner;
    const uint8_t *start;
    size_t size;
    /* Bytes that can be appended. */
    size_t room;
    uint8_t memory[];
};

static void
append(WsOutgoing *queue, WsPiece *piece)
{
    piece->next = NULL;
    if (queue->last == NULL) {
        queue->first = piece;
    }
    else {
        queue->last->next = piece;
    }
    queue->last = piece;
}

int
ws_outgoing_copy(WsOutgoing *queue, const struct iovec *parts, int count,
                 size_t skip)
{
    WsPiece *piece = queue->last;
    size_t total = 0;
    uint8_t *target;

    for (int i = 0; i < count; i++) {
        total += parts[i].iov_len;
    }
    total -= skip;
    if (total == 0) {
        return 0;
    }
    if (piece == NULL || piece->room < total) {
        size_t capacity = total < PIECE_SIZE ? PIECE_SIZE : total;

        piece = PyMem_Malloc(sizeof(WsPiece) + capacity);
        if (piece == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        piece->owner = NULL;
        piece->start = piece->memory;
        piece->size = 0;
        piece->room = capacity;
        append(queue, piece);
    }
    target = (uint8_t *)piece->start + piece->size;
    for (int i = 0; i < count; i++) {
        size_t size = parts[i].iov_len;

        if (skip >= size) {
            skip -= size;
            continue;
        }
        memcpy(target, (const uint8_t *)parts[i].iov_base + skip, size - skip);
        target += size - skip;
        skip = 0;
    }
    piece->size += total;
    piece->room -= total;
    queue->size += total;
    return 0;
}

int
ws_outgoing_keep(WsOutgoing *queue, PyObject *bytes, size_t skip)
{
    size_t size = (size_t)PyBytes_GET_SIZE(bytes) - skip;
    WsPiece *piece;

    if (size <= PIECE_SIZE / 2) {
        struct iovec part = {PyBytes_AS_STRING(bytes) + skip, size};

        return ws_outgoing_copy(queue, &part, 1, 0);
    }
    piece = PyMem_Malloc(sizeof(WsPiece));
    if (piece == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(bytes);
    piece->owner = bytes;
    piece->start = (const uint8_t *)PyBytes_AS_STRING(bytes) + skip;
    piece->size = size;
    piece->room = 0;
    append(queue, piece);
    queue->size += size;
    return 0;
}

int
ws_outgoing_parts(const WsOutgoing *queue, struct iovec *parts, int room)
{
    int count = 0;

    for (WsPiece *piece = queue->first; piece != NULL && count < room;
         piece = piece->next) {
        parts[count].iov_base = (void *)piece->start;
        parts[count].iov_len = piece->size;
        count++;
    }
    return count;
}

void
ws_outgoing_written(WsOutgoing *queue, size_t size)
{
    queue->size -= size;
    while (size > 0 && size >= queue->first->size) {
        WsPiece *piece = queue->first;

        size -= piece->size;
        queue->first = piece->next;
        if (piece->next == NULL) {
            queue->last = NULL;
        }
        Py_XDECREF(piece->owner);
        PyMem_Free(piece);
    }
    if (size > 0) {
        queue->first->start += size;
        queue->first->size -= size;
    }
}

void
ws_outgoing_clear(WsOutgoing *queue)
{
    ws_outgoing_written(queue, queue->size);
}

#endif
