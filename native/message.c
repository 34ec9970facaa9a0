/* One message while it arrives. The Python twin, _codec/message.py, is the
   specification. */

#include "mask.h"
#include "message.h"

#include <string.h>
#include <structmember.h>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

/* 17.4 refused messages of more frames; nobody depends on the ends of so many. */
#define MAX_ENDS 4096

/* Room that payload gets at once, as far as that many bytes are expected at all:
   always, and when no more than that is to come. */
#define LITTLE 65536
#define MUCH (16 * 1024 * 1024)

/* glibc's malloc() maps memory for objects of this size one by one, however often they are
   made (M_MMAP_THRESHOLD in mallopt(3)). */
#define ALONE (32 * 1024 * 1024)

/* -- the growing payload */

static size_t
capacity_of(const WsMessage *message)
{
    return message->data == NULL ? 0 : (size_t)PyBytes_GET_SIZE(message->data);
}

/* Ask for large pages where malloc() maps memory for one object alone: every page of that
   is new, for every message. Elsewhere, memory is used again. */
static void
spread(PyObject *data)
{
#ifdef MADV_HUGEPAGE
    if ((size_t)PyBytes_GET_SIZE(data) >= ALONE) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t begin = (uintptr_t)PyBytes_AS_STRING(data) & ~(page - 1);
        uintptr_t end = (uintptr_t)PyBytes_AS_STRING(data) + (size_t)PyBytes_GET_SIZE(data);

        /* Systems that have none say so. */
        (void)madvise((void *)begin, (size_t)(end - begin), MADV_HUGEPAGE);
    }
#else
    (void)data;
#endif
}

/* Make sure that `data` is our own and has a certain size: 0, or -1 with MemoryError,
   and what was there is there. */
static int
resize(WsMessage *message, size_t capacity)
{
    PyObject *data;

    if (capacity > PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    if (message->own && message->size && message->data != NULL
        && capacity >= message->size) {
        data = message->data;
        message->data = NULL;
        if (_PyBytes_Resize(&data, (Py_ssize_t)capacity) < 0) {
            /* It's gone. */
            message->size = 0;
            message->ends.count = 0;
            message->own = 0;
            return -1;
        }
        spread(data);
        message->data = data;
        return 0;
    }
    data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)capacity);
    if (data == NULL) {
        return -1;
    }
    spread(data);
    if (message->size) {
        memcpy(PyBytes_AS_STRING(data), PyBytes_AS_STRING(message->data),
               message->size);
    }
    Py_XSETREF(message->data, data);
    message->own = 1;
    return 0;
}

/* Note the end of a frame: 0, or -1 with MemoryError. */
static int
note_end(WsMessage *message, size_t end, int final)
{
    WsEnds *ends = &message->ends;

    if (ends->count >= MAX_ENDS && !final) {
        return 0;
    }
    if (ends->count == ends->capacity) {
        size_t capacity = ends->capacity ? 2 * ends->capacity : 1;
        size_t *memory = PyMem_Realloc(ends->ends, capacity * sizeof(size_t));

        if (memory == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        ends->ends = memory;
        ends->capacity = capacity;
    }
    ends->ends[ends->count++] = end;
    return 0;
}

/* Check text, and account for payload that stands at `data`, not yet in place. */
static int
account(WsMessage *message, const uint8_t *data, size_t size, int end_of_frame,
        int final)
{
    int whole = final && message->size == 0 && !message->streamed;

    /* Text in one piece is checked when it's decoded. */
    if (message->checked
        || (!whole && message->text && !message->compressed)) {
        message->checked = 1;
        if (ws_utf8_feed(&message->utf8, data, size, final) < 0) {
            return -1;
        }
    }
    if (end_of_frame && note_end(message, message->size + size, final) < 0) {
        return -1;
    }
    message->size += size;
    if (end_of_frame) {
        message->complete = final != 0;
    }
    return 0;
}

uint8_t *
ws_message_reserve(WsMessage *message, uint64_t expected, size_t *room)
{
    size_t capacity = capacity_of(message);
    size_t size = message->size;
    uint64_t wanted = expected > size ? expected : (uint64_t)size + 1;

    /* A fifth of what is there at least: the work is linear in the bytes. */
    if (!message->own || (capacity - size <= size / 4 && capacity < wanted)) {
        uint64_t most = 2 * (uint64_t)size;

        if (wanted <= MUCH) {
            most = MUCH;
        }
        else if (most < LITTLE) {
            most = LITTLE;
        }
        if (resize(message, (size_t)(wanted < most ? wanted : most)) < 0) {
            return NULL;
        }
        capacity = capacity_of(message);
    }
    *room = capacity - size;
    return (uint8_t *)PyBytes_AS_STRING(message->data) + size;
}

int
ws_message_received(WsMessage *message, size_t size, int end_of_frame, int final)
{
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(message->data)
                          + message->size;

    return account(message, data, size, end_of_frame, final);
}

int
ws_message_append(WsMessage *message, const uint8_t *data, size_t size,
                  const uint8_t *key, int end_of_frame, int final)
{
    size_t needed = message->size + size;
    uint8_t *target;

    if (size == 0) {
        return account(message, data, 0, end_of_frame, final);
    }
    if (!message->own || capacity_of(message) < needed) {
        /* What comes in one piece needs no room for more. */
        size_t more = message->size ? needed / 8 + 16 : 0;

        if (needed < size || resize(message, needed + more) < 0) {
            return -1;
        }
    }
    target = (uint8_t *)PyBytes_AS_STRING(message->data) + message->size;
    if (key != NULL) {
        ws_xor(target, data, size, key);
    }
    else {
        memcpy(target, data, size);
    }
    return account(message, target, size, end_of_frame, final);
}

PyObject *
ws_message_take(WsMessage *message)
{
    PyObject *data = message->data;
    size_t size = message->size;

    message->data = NULL;
    message->size = 0;
    message->own = 0;
    message->ends.count = 0;
    if (data == NULL || size == 0) {
        Py_XDECREF(data);
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if ((size_t)PyBytes_GET_SIZE(data) != size) {
        (void)_PyBytes_Resize(&data, (Py_ssize_t)size); /* NULL when it fails */
    }
    return data;
}

/* -- frames one by one */

/* Move the frames that are complete to the queue: 0, or -1 with MemoryError. */
static int
queue_frames(WsMessage *message)
{
    size_t end = message->ends.ends[message->ends.count - 1];
    size_t rest = message->size - end;
    size_t count = message->ends.count;
    PyObject *tail = NULL;
    PyObject *data;
    WsEnds ends;

    if (rest) {
        tail = PyBytes_FromStringAndSize(
            PyBytes_AS_STRING(message->data) + end, (Py_ssize_t)rest);
        if (tail == NULL) {
            return -1;
        }
    }
    data = ws_message_take(message);
    if (data == NULL) {
        Py_XDECREF(tail);
        return -1;
    }
    Py_XSETREF(message->queue, data);
    ends = message->queue_ends;
    message->queue_ends = message->ends;
    message->queue_ends.count = count;
    message->queue_next = 0;
    message->ends = ends;
    message->ends.count = 0;
    message->data = tail;
    message->size = rest;
    message->own = tail != NULL && rest > 1; /* one byte may be a shared object */
    message->streamed = 1;
    return 0;
}

static PyObject *
message_take_fragment(WsMessage *message, PyObject *Py_UNUSED(ignored))
{
    WsEnds *ends = &message->queue_ends;
    PyObject *fragment;
    size_t start, end;

    if (message->queue_next == ends->count) {
        if (message->ends.count == 0) {
            Py_RETURN_NONE;
        }
        if (queue_frames(message) < 0) {
            return NULL;
        }
    }
    start = message->queue_next ? ends->ends[message->queue_next - 1] : 0;
    end = ends->ends[message->queue_next];
    if (start == 0 && end == (size_t)PyBytes_GET_SIZE(message->queue)) {
        fragment = Py_NewRef(message->queue);
    }
    else {
        fragment = PyBytes_FromStringAndSize(
            PyBytes_AS_STRING(message->queue) + start, (Py_ssize_t)(end - start));
        if (fragment == NULL) {
            return NULL;
        }
    }
    message->queue_next++;
    if (message->queue_next == ends->count) {
        Py_CLEAR(message->queue);
    }
    return fragment;
}

/* -- Message, as Python sees it */

/* Hold a whole payload: 0, or -1 with an exception. */
static int
hold(WsMessage *message, PyObject *data)
{
    PyObject *bytes = PyBytes_CheckExact(data) ? Py_NewRef(data)
                                               : PyBytes_FromObject(data);

    if (bytes == NULL) {
        return -1;
    }
    Py_XSETREF(message->data, bytes);
    message->own = 0;
    return 0;
}

static PyObject *
message_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text", "compressed", "data", NULL};
    PyObject *data = Py_None;
    WsMessage *message;
    int text, compressed;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "pp|O:Message", names, &text,
                                     &compressed, &data)) {
        return NULL;
    }
    message = (WsMessage *)type->tp_alloc(type, 0);
    if (message == NULL) {
        return NULL;
    }
    message->text = text != 0;
    message->compressed = compressed != 0;
    if (data != Py_None) {
        if (hold(message, data) < 0
            || note_end(message, (size_t)PyBytes_GET_SIZE(message->data), 1) < 0) {
            Py_DECREF(message);
            return NULL;
        }
        message->size = (size_t)PyBytes_GET_SIZE(message->data);
        message->complete = 1;
    }
    return (PyObject *)message;
}

WsMessage *
ws_message_new(WsState *state, int text, int compressed)
{
    PyTypeObject *type = state->message_type;
    WsMessage *message = (WsMessage *)type->tp_alloc(type, 0);

    if (message != NULL) {
        message->text = text != 0;
        message->compressed = compressed != 0;
    }
    return message;
}

static void
message_dealloc(WsMessage *message)
{
    PyTypeObject *type = Py_TYPE(message);

    Py_XDECREF(message->data);
    Py_XDECREF(message->queue);
    PyMem_Free(message->ends.ends);
    PyMem_Free(message->queue_ends.ends);
    type->tp_free((PyObject *)message);
    Py_DECREF(type);
}

static PyObject *
message_append(WsMessage *message, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "end_of_frame", "final", NULL};
    PyObject *data;
    Py_buffer view;
    int end_of_frame, final;
    int result;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Opp:append", names, &data,
                                     &end_of_frame, &final)) {
        return NULL;
    }
    if (PyBytes_CheckExact(data) && message->size == 0
        && PyBytes_GET_SIZE(data)) {
        /* No copy is needed of a message in one piece. */
        if (hold(message, data) < 0) {
            return NULL;
        }
        result = ws_message_received(message, (size_t)PyBytes_GET_SIZE(data),
                                     end_of_frame, final);
    }
    else {
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        result = ws_message_append(message, view.buf, (size_t)view.len, NULL,
                                   end_of_frame, final);
        PyBuffer_Release(&view);
    }
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
message_take(WsMessage *message, PyObject *Py_UNUSED(ignored))
{
    return ws_message_take(message);
}

static PyObject *
get_frames(WsMessage *message, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(message->queue_ends.count - message->queue_next
                             + message->ends.count);
}

static PyObject *
get_exhausted(WsMessage *message, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(message->complete
                           && message->queue_next == message->queue_ends.count
                           && message->ends.count == 0);
}

static PyMethodDef methods[] = {
    {"append", (PyCFunction)(void (*)(void))message_append,
     METH_VARARGS | METH_KEYWORDS,
     "append($self, data, end_of_frame, final)\n--\n\nAdd payload."},
    {"take", (PyCFunction)(void (*)(void))message_take, METH_NOARGS,
     "take($self)\n--\n\nReturn the whole payload and forget it."},
    {"take_fragment", (PyCFunction)(void (*)(void))message_take_fragment,
     METH_NOARGS,
     "take_fragment($self)\n--\n\nReturn the payload of the next frame."},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, type, doc) \
    {#name, type, offsetof(WsMessage, name), READONLY, doc}

static PyMemberDef members[] = {
    MEMBER(text, T_BOOL, "Whether its opcode was Text."),
    MEMBER(compressed, T_BOOL, "Whether its payload has to be inflated."),
    MEMBER(complete, T_BOOL, "Whether the last frame has arrived."),
    MEMBER(size, T_PYSSIZET, "Bytes that have arrived and not been taken."),
    MEMBER(checked, T_BOOL, "Whether append() has found the text to be UTF-8."),
    MEMBER(streamed, T_BOOL, "Whether take_fragment() was called with success."),
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"frames", (getter)get_frames, NULL,
     "Number of frames that are complete and not taken.", NULL},
    {"exhausted", (getter)get_exhausted, NULL,
     "Whether take_fragment() has returned the last frame.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Message(text, compressed, data=None)\n--\n\n"
                "A message, complete or still arriving."},
    {Py_tp_new, message_new},
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.Message",
    .basicsize = sizeof(WsMessage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
ws_add_message(PyObject *module)
{
    return ws_add_type(module, &spec, &ws_state(module)->message_type);
}
