/* A large message should be received where it stays: copying it once more costs as much
   as unmasking. Once its header is known, that's simple. Before, programs that receive
   large messages of one size get another one of that size: the system is asked to put a
   header's worth of bytes into the read buffer, and what follows into a new object. If
   something else comes, that is copied to where it would have been. */

#include "landing.h"

#include "message.h"
#include "transport.h"
#include "writer.h"

#include <string.h>

#define FIN 0x80
#define BINARY 2

/* Up to this size, an object may stay with the loop. */
#define MOST (1024 * 1024)

/* Bytes read into the read buffer behind a large message, where another one is expected:
   what comes there is copied once more, while the system call for the next message puts
   all of it where it stays. */
#define BEHIND 4096

/* -- the buffer of a loop -------------------------------------------------- */

WsReadBuffer *
ws_buffer_new(WsState *state)
{
    WsReadBuffer *buffer = PyObject_New(WsReadBuffer, state->buffer_type);

    if (buffer == NULL) {
        return NULL;
    }
    buffer->lent = 0;
    buffer->prepared = NULL;
    buffer->memory = PyMem_Malloc(WS_READ_BUFFER);
    if (buffer->memory == NULL) {
        Py_DECREF(buffer);
        PyErr_NoMemory();
        return NULL;
    }
    return buffer;
}

static PyObject *
buffer_create(PyTypeObject *type, PyObject *Py_UNUSED(args),
              PyObject *Py_UNUSED(kwargs))
{
    return (PyObject *)ws_buffer_new((WsState *)PyType_GetModuleState(type));
}

static void
buffer_dealloc(WsReadBuffer *buffer)
{
    PyTypeObject *type = Py_TYPE(buffer);

    PyMem_Free(buffer->memory);
    Py_XDECREF(buffer->prepared);
    PyObject_Free(buffer);
    Py_DECREF(type);
}

static PyType_Slot buffer_slots[] = {
    {Py_tp_new, buffer_create},
    {Py_tp_dealloc, buffer_dealloc},
    {0, NULL},
};

static PyType_Spec buffer_spec = {
    .name = "websockets.speedups.ReadBuffer",
    .basicsize = sizeof(WsReadBuffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = buffer_slots,
};

int
ws_add_buffer(PyObject *module)
{
    return ws_add_type(module, &buffer_spec, &ws_state(module)->buffer_type);
}

/* -- what is put where ----------------------------------------------------- */

/* The message that's arriving, if payload may be put there. */
static WsMessage *
target_message(WsHot *hot)
{
    PyObject *object = ws_slot(hot->messages, hot->state->messages_message);

    if (!Py_IS_TYPE(object, hot->state->message_type) || hot->receiver != NULL
        || ((WsMessage *)object)->complete || ws_reader_missing(hot->reader) == 0) {
        return NULL;
    }
    return (WsMessage *)object;
}

int
ws_hot_get_buffer(PyObject *connection, uint8_t **buffer, size_t *room)
{
    WsHot *hot = (WsHot *)connection;
    WsMessage *message;

    hot->room = 0;
    hot->expecting = 0;
    if (hot->buffer == NULL || hot->buffer->lent) {
        /* A loop runs inside another one. */
        Py_XSETREF(hot->buffer, ws_buffer_new(hot->state));
        if (hot->buffer == NULL) {
            return -1;
        }
    }
    *buffer = hot->buffer->memory;
    *room = WS_READ_BUFFER;
    message = hot->fast ? target_message(hot) : NULL;
    if (message != NULL) {
        uint64_t missing = ws_reader_missing(hot->reader);

        hot->target = ws_message_reserve(message, message->size + missing, &hot->room);
        if (hot->target == NULL) {
            hot->room = 0;
            return -1;
        }
        if (hot->room > missing) {
            hot->room = (size_t)missing;
        }
        *buffer = hot->target;
        *room = hot->room;
    }
    return 0;
}

int
ws_target_stands(WsHot *hot)
{
    WsMessage *message = hot->fast ? target_message(hot) : NULL;

    return message != NULL && message->data != NULL
           && (uint8_t *)PyBytes_AS_STRING(message->data) + message->size == hot->target
           && hot->room <= ws_reader_missing(hot->reader);
}

void
ws_note_size(WsHot *hot, size_t size)
{
    hot->steady = size <= MOST && size == hot->expected;
    hot->expected = size <= MOST ? (uint32_t)size : 0;
}

#ifdef WS_SOCKETS

/* The header of the message that's expected, without its mask. */
static size_t
expected_header(const WsHot *hot, uint8_t header[WS_MAX_HEADER])
{
    return ws_frame_header(header, FIN | BINARY, hot->expected, NULL);
}

/* Is a message going to begin, which is taken as soon as it's complete? */
static int
may_expect(WsHot *hot)
{
    WsReader *reader = hot->reader;

    return hot->steady && hot->fast && hot->waiting && hot->room == 0
           && reader->pos == reader->size && !reader->missing && !reader->in_message
           && !reader->keeping && !reader->closed && reader->error == NULL
           && hot->receiver == NULL
           && ws_slot(hot->messages, hot->state->messages_message) == Py_None;
}

/* The loop's object for a message of the size expected; NULL without memory. */
static PyObject *
prepare(WsHot *hot)
{
    WsReadBuffer *buffer = hot->buffer;

    if (buffer->prepared == NULL
        || (size_t)PyBytes_GET_SIZE(buffer->prepared) != hot->expected) {
        Py_CLEAR(buffer->prepared);
        buffer->prepared = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)hot->expected);
        if (buffer->prepared == NULL) {
            PyErr_Clear();
        }
    }
    return buffer->prepared;
}

int
ws_hot_get_parts(PyObject *connection, struct iovec parts[3])
{
    WsHot *hot = (WsHot *)connection;
    uint8_t header[WS_MAX_HEADER];
    uint8_t *memory = hot->buffer->memory;
    PyObject *payload;
    size_t size;

    if (hot->room) {
        if (hot->room >= WS_READ_BUFFER) {
            return 1;
        }
        parts[1] = (struct iovec){memory, hot->steady ? BEHIND : WS_READ_BUFFER};
        return 2;
    }
    if (!may_expect(hot)) {
        return 1;
    }
    payload = prepare(hot);
    if (payload == NULL) {
        return 1;
    }
    size = expected_header(hot, header) + (hot->client ? 0 : 4);
    hot->expecting = (uint8_t)size;
    parts[0].iov_len = size;
    parts[1] = (struct iovec){PyBytes_AS_STRING(payload), hot->expected};
    if (parts[1].iov_len > WS_READ_BUFFER - size) {
        parts[1].iov_len = WS_READ_BUFFER - size;
    }
    size += parts[1].iov_len;
    parts[2] = (struct iovec){memory + size, WS_READ_BUFFER - size};
    if (parts[2].iov_len > BEHIND) {
        parts[2].iov_len = BEHIND;
    }
    return size < WS_READ_BUFFER ? 3 : 2;
}

/* Does the read buffer begin with the header that was expected? */
static int
is_expected(const WsHot *hot)
{
    const uint8_t *memory = hot->buffer->memory;
    uint8_t header[WS_MAX_HEADER];
    size_t size = expected_header(hot, header);

    return memory[0] == header[0] && (memory[1] & 0x7F) == header[1]
           && memcmp(memory + 2, header + 2, size - 2) == 0;
}

/* Let the reader take the header, and the loop's object become the message that arrives:
   1; 0 if the reader finds fault, or there's no memory, which shows again later. */
static int
begin_message(WsHot *hot, size_t header)
{
    WsReadBuffer *buffer = hot->buffer;
    WsMessage *message;
    WsPart part;

    if (ws_reader_lend(hot->reader, buffer->memory, header) < 0
        || ws_reader_scan_data(hot->reader) <= 0
        || ws_reader_take_data(hot->reader, &part) != 0) {
        PyErr_Clear();
        return 0;
    }
    message = ws_message_new(hot->state, 0, 0);
    if (message == NULL) {
        PyErr_Clear();
        return 0;
    }
    message->data = buffer->prepared;
    message->own = 1;
    buffer->prepared = NULL;
    Py_SETREF(*(PyObject **)((char *)hot->messages + hot->state->messages_message),
              (PyObject *)message);
    return 1;
}

void
ws_land(WsHot *hot, size_t *start, size_t *size)
{
    uint8_t *memory = hot->buffer->memory;
    uint8_t *payload = (uint8_t *)PyBytes_AS_STRING(hot->buffer->prepared);
    size_t header = hot->expecting;
    size_t room = WS_READ_BUFFER - header;
    size_t came;

    hot->expecting = 0;
    *start = 0;
    if (*size <= header) {
        return;
    }
    if (room > hot->expected) {
        room = hot->expected;
    }
    came = *size - header;
    if (is_expected(hot)) {
        *start = header;
        *size = came;
        if (begin_message(hot, header)) {
            hot->target = payload;
            hot->room = room;
            *start += room;
            return;
        }
    }
    hot->expected = 0;
    hot->steady = 0;
    memcpy(memory + header, payload, came < room ? came : room);
}

#endif
