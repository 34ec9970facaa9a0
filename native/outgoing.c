/* Bytes that wait to be written. Small ones share a piece of memory. */

#include "outgoing.h"

#ifdef WS_SOCKETS

#include "mask.h"

#include <string.h>

/* What a piece has at least: a stalled peer's many small frames need few pieces. */
#define PIECE_SIZE 4000

/* What is masked at a time. A multiple of the mask's size. */
#define PART 262144

struct WsPiece {
    WsPiece *next;
    /* The object that the bytes are in; NULL: they follow below. */
    PyObject *owner;
    /* Whether they have to be masked, and how. */
    uint8_t unmasked;
    uint8_t key[4];
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

/* Make a piece that isn't in the queue yet; NULL with MemoryError. */
static WsPiece *
make(size_t capacity)
{
    WsPiece *piece = PyMem_Malloc(sizeof(WsPiece) + capacity);

    if (piece == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    piece->next = NULL;
    piece->owner = NULL;
    piece->unmasked = 0;
    piece->start = piece->memory;
    piece->size = 0;
    piece->room = capacity;
    return piece;
}

/* Make a piece of what is in an object. */
static WsPiece *
make_kept(const uint8_t *start, size_t size, PyObject *owner)
{
    WsPiece *piece = make(0);

    if (piece != NULL) {
        piece->owner = Py_NewRef(owner);
        piece->start = start;
        piece->size = size;
    }
    return piece;
}

static void
discard(WsPiece *piece)
{
    Py_XDECREF(piece->owner);
    PyMem_Free(piece);
}

/* Copy what remains of some parts after their first `skip` bytes: 0, or -1 with nothing
   appended. */
static int
copy(WsOutgoing *queue, const struct iovec *parts, int count, size_t skip)
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
        piece = make(total < PIECE_SIZE ? PIECE_SIZE : total);
        if (piece == NULL) {
            return -1;
        }
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
ws_outgoing_add(WsOutgoing *queue, const struct iovec *parts, int count, size_t skip,
                PyObject *owner)
{
    const struct iovec *last = &parts[count - 1];
    size_t before = 0;
    size_t gone;
    WsPiece *piece;

    for (int i = 0; i < count - 1; i++) {
        before += parts[i].iov_len;
    }
    gone = skip > before ? skip - before : 0;
    if (owner == NULL || last->iov_len - gone <= PIECE_SIZE / 2) {
        return copy(queue, parts, count, skip);
    }
    piece = make_kept((const uint8_t *)last->iov_base + gone, last->iov_len - gone, owner);
    if (piece == NULL) {
        return -1;
    }
    if (skip < before && copy(queue, parts, count - 1, skip) < 0) {
        discard(piece);
        return -1;
    }
    append(queue, piece);
    queue->size += piece->size;
    return 0;
}

int
ws_outgoing_mask_later(WsOutgoing *queue, const struct iovec *part, PyObject *owner,
                       const uint8_t *key)
{
    WsPiece *piece = make_kept(part->iov_base, part->iov_len, owner);

    if (piece == NULL) {
        return -1;
    }
    piece->unmasked = 1;
    memcpy(piece->key, key, 4);
    append(queue, piece);
    queue->size += piece->size;
    return 0;
}

/* Mask the beginning of the first piece, into one of its own before it. 0, or -1 with
   MemoryError. */
static int
mask_first(WsOutgoing *queue)
{
    WsPiece *piece = queue->first;
    size_t size = piece->size < PART ? piece->size : PART;
    WsPiece *masked = make(size);

    if (masked == NULL) {
        return -1;
    }
    ws_xor(masked->memory, piece->start, size, piece->key);
    masked->size = size;
    masked->room = 0;
    piece->start += size;
    piece->size -= size;
    if (piece->size > 0) {
        masked->next = piece;
    }
    else {
        masked->next = piece->next;
        discard(piece);
    }
    queue->first = masked;
    if (masked->next == NULL) {
        queue->last = masked;
    }
    return 0;
}

int
ws_outgoing_parts(WsOutgoing *queue, struct iovec *parts, int room)
{
    int count = 0;

    if (queue->first != NULL && queue->first->unmasked && mask_first(queue) < 0) {
        return -1;
    }
    for (WsPiece *piece = queue->first; piece != NULL && !piece->unmasked && count < room;
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
        discard(piece);
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
