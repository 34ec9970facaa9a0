/* Incremental validation of text. The Python twin, _codec/utf8.py, is the
   specification. */

#include "utf8.h"

#include <string.h>
#include <structmember.h>

static const char start_byte[] = "invalid start byte";
static const char continuation_byte[] = "invalid continuation byte";
static const char end_of_data[] = "unexpected end of data";

/* What is at the start of some bytes. */
typedef struct {
    size_t size;        /* bytes of the character, or of what is wrong */
    const char *reason; /* why it's wrong; NULL when it isn't */
} Character;

/* Look at the character at `data`. Its size is 0 when more bytes may complete it. */
static Character
look_at(const uint8_t *data, size_t size)
{
    uint8_t first = data[0];
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t whole = 2;

    if (first < 0x80) {
        return (Character){1, NULL};
    }
    if (first < 0xC2 || first > 0xF4) {
        return (Character){1, start_byte};
    }
    /* RFC 3629 section 4: the second byte has another range after four of them. */
    if (first >= 0xE0) {
        whole = first < 0xF0 ? 3 : 4;
        if (first == 0xE0) {
            low = 0xA0;
        }
        else if (first == 0xED) {
            high = 0x9F;
        }
        else if (first == 0xF0) {
            low = 0x90;
        }
        else if (first == 0xF4) {
            high = 0x8F;
        }
    }
    for (size_t i = 1; i < whole; i++) {
        if (i == size) {
            return (Character){0, NULL};
        }
        if (data[i] < low || data[i] > high) {
            return (Character){i, continuation_byte};
        }
        low = 0x80;
        high = 0xBF;
    }
    return (Character){whole, NULL};
}

/* Return how many bytes are ASCII, or a few less. */
static size_t
skip_ascii(const uint8_t *data, size_t size)
{
    const uint64_t tops = UINT64_C(0x8080808080808080);
    uint64_t words[4];
    size_t done = 0;

    while (size - done >= 32) {
        memcpy(words, data + done, 32);
        if ((words[0] | words[1] | words[2] | words[3]) & tops) {
            break;
        }
        done += 32;
    }
    while (size - done >= 8) {
        memcpy(words, data + done, 8);
        if (words[0] & tops) {
            break;
        }
        done += 8;
    }
    return done;
}

static int
continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Return how many bytes are whole characters for certain: all up to the first that
   isn't legal, or up to the last three bytes. */
static size_t
skip_characters(const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (size - done >= 4) {
        const uint8_t *next = data + done;
        uint8_t first = next[0];

        if (first < 0x80) {
            size_t ascii = next[1] < 0x80 ? skip_ascii(next, size - done) : 0;

            done += ascii ? ascii : 1;
        }
        else if (!continues(next[1]) || first < 0xC2) {
            break;
        }
        else if (first < 0xE0) {
            done += 2;
        }
        else if (!continues(next[2])) {
            break;
        }
        else if (first < 0xF0) {
            unsigned code = (first & 0x0Fu) << 6 | (next[1] & 0x3Fu);

            /* Below U+0800, and surrogates. */
            if (code < 0x20 || (code >= 0x360 && code < 0x380)) {
                break;
            }
            done += 3;
        }
        else {
            unsigned code = (first & 0x0Fu) << 6 | (next[1] & 0x3Fu);

            /* Below U+10000, above U+10FFFF. */
            if (!continues(next[3]) || code < 0x10 || code >= 0x110) {
                break;
            }
            done += 4;
        }
    }
    return done;
}

/* Raise UnicodeDecodeError for bytes that stand at a position of the message. */
static int
refuse(const uint8_t *data, size_t size, uint64_t position, const char *reason)
{
    PyObject *error = PyUnicodeDecodeError_Create(
        "utf-8", (const char *)data, (Py_ssize_t)size, (Py_ssize_t)position,
        (Py_ssize_t)(position + size), reason);

    if (error != NULL) {
        ws_raise(error);
    }
    return -1;
}

/* Complete the pending character as far as bytes are there: the number of bytes of
   `data` that it took, or -1 with an exception. */
static Py_ssize_t
complete(WsUtf8 *check, const uint8_t *data, size_t size)
{
    uint8_t bytes[4];
    size_t had = check->count;
    size_t added = size < 4 - had ? size : 4 - had;
    Character found;

    memcpy(bytes, check->pending, had);
    if (added) {
        memcpy(bytes + had, data, added);
    }
    found = look_at(bytes, had + added);
    if (found.reason != NULL) {
        return refuse(bytes, found.size, check->position, found.reason);
    }
    if (found.size == 0) {
        memcpy(check->pending, bytes, had + added);
        check->count = (uint8_t)(had + added);
        return (Py_ssize_t)added;
    }
    check->count = 0;
    return (Py_ssize_t)(found.size - had);
}

int
ws_utf8_feed(WsUtf8 *check, const uint8_t *data, size_t size, int final)
{
    /* Where data[0] is. */
    uint64_t base = check->position + check->count;
    size_t done = 0;

    if (check->count && size) {
        Py_ssize_t taken = complete(check, data, size);

        if (taken < 0) {
            return -1;
        }
        done = (size_t)taken;
    }
    if (!check->count) {
        while (done < size) {
            Character found;

            done += skip_characters(data + done, size - done);
            if (done == size) {
                break;
            }
            found = look_at(data + done, size - done);
            if (found.reason != NULL) {
                return refuse(data + done, found.size, base + done,
                              found.reason);
            }
            if (found.size == 0) {
                break;
            }
            done += found.size;
        }
        check->position = base + done;
        check->count = (uint8_t)(size - done);
        if (check->count) {
            memcpy(check->pending, data + done, check->count);
        }
    }
    if (final) {
        if (check->count) {
            return refuse(check->pending, check->count, check->position,
                          end_of_data);
        }
        check->position = 0;
    }
    return 0;
}

/* -- Utf8Validator, as Python sees it */

typedef struct {
    PyObject_HEAD
    WsUtf8 check;
} Validator;

static PyObject *
validator_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Utf8Validator", names)) {
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static PyObject *
validator_feed(Validator *validator, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "final", NULL};
    PyObject *data, *view;
    Py_buffer *buffer;
    int final;
    int result = -1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Op:feed", names, &data,
                                     &final)) {
        return NULL;
    }
    if (PyBytes_CheckExact(data)) {
        result = ws_utf8_feed(&validator->check,
                              (const uint8_t *)PyBytes_AS_STRING(data),
                              (size_t)PyBytes_GET_SIZE(data), final);
    }
    else {
        view = PyMemoryView_FromObject(data);
        if (view == NULL) {
            return NULL;
        }
        buffer = PyMemoryView_GET_BUFFER(view);
        if (PyBuffer_IsContiguous(buffer, 'C')) {
            result = ws_utf8_feed(&validator->check, buffer->buf,
                                  (size_t)buffer->len, final);
        }
        else {
            PyErr_SetString(PyExc_TypeError,
                            "memoryview: casts are restricted to C-contiguous "
                            "views");
        }
        Py_DECREF(view);
    }
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static void
validator_dealloc(Validator *validator)
{
    PyTypeObject *type = Py_TYPE(validator);

    type->tp_free((PyObject *)validator);
    Py_DECREF(type);
}

static PyObject *
get_pending(Validator *validator, void *Py_UNUSED(closure))
{
    return PyBytes_FromStringAndSize((const char *)validator->check.pending,
                                     validator->check.count);
}

static PyMethodDef methods[] = {
    {"feed", (PyCFunction)(void (*)(void))validator_feed,
     METH_VARARGS | METH_KEYWORDS,
     "feed($self, data, final)\n--\n\nCheck the next piece of a message."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"position", T_ULONGLONG, offsetof(Validator, check.position), READONLY,
     "Where in the message the pending bytes are."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"pending", (getter)get_pending, NULL,
     "The start of a character whose end has not arrived.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Utf8Validator()\n--\n\n"
                "Check that the pieces of one text message are UTF-8."},
    {Py_tp_new, validator_new},
    {Py_tp_dealloc, validator_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.Utf8Validator",
    .basicsize = sizeof(Validator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
ws_add_utf8(PyObject *module)
{
    return ws_add_type(module, &spec, NULL);
}
