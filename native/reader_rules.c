/* Rules for one frame. The Python twin, _codec/rules.py, is the specification.

   What is legal is seen here; what may not be is left to the twin, which raises the
   exception or lets it pass. So there is one place for texts, and for what happens
   once in the life of a connection. */

#include "reader_rules.h"

/* RFC 6455 sections 5.2 and 5.5: bytes before a payload, bytes of the payload of a
   control frame. */
#define MAX_HEADER 14
#define MAX_CONTROL 125

/* RFC 6455 section 5.2: 0, 1, 2, 8, 9 and 10; everything else is reserved. */
#define OPCODES 0x0707

/* Call a function of the twin that raises an exception or returns None: WS_FINE or
   WS_RAISED. It takes the reference to `args`, which may be NULL. */
static int
ask_twin(const char *name, PyObject *args)
{
    PyObject *module;
    PyObject *function = NULL;
    PyObject *result = NULL;

    if (args == NULL) {
        return WS_RAISED;
    }
    module = PyImport_ImportModule("websockets._codec.rules");
    if (module != NULL) {
        function = PyObject_GetAttrString(module, name);
        Py_DECREF(module);
    }
    if (function != NULL) {
        result = PyObject_CallObject(function, args);
        Py_DECREF(function);
    }
    Py_DECREF(args);
    if (result == NULL) {
        /* Python loses the exception when memory for its frame is short. */
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return WS_RAISED;
    }
    Py_DECREF(result);
    return WS_FINE;
}

/* Whether the first two bytes are legal for certain. */
static int
head_is_fine(const WsReader *reader, unsigned head, unsigned second,
             int in_message)
{
    unsigned opcode = head & 0x0F;
    unsigned allowed = 0;

    if (!(OPCODES >> opcode & 1) || second >> 7 != reader->masked) {
        return 0;
    }
    if (reader->reserved == WS_RSV || opcode == 1 || opcode == 2) {
        allowed = reader->reserved;
    }
    if (head & WS_RSV & ~allowed) {
        return 0;
    }
    if (opcode & WS_CONTROL) {
        return (second & 0x7F) <= MAX_CONTROL && head & WS_FIN;
    }
    return (opcode == 0) == (in_message != 0);
}

int
ws_header(WsReader *reader, const uint8_t *data, size_t there, int in_message,
          int quiet, WsHeader *header)
{
    unsigned head, second, width;
    uint64_t length;

    if (there < 2) {
        return WS_WAIT;
    }
    head = data[0];
    second = data[1];
    header->head = (uint8_t)head;
    header->plain = (head == 0x81 || head == 0x82) && !in_message
                    && second >> 7 == reader->masked;
    if (!header->plain && !head_is_fine(reader, head, second, in_message)) {
        if (quiet) {
            return WS_ASIDE;
        }
        if (ask_twin("check_head",
                     Py_BuildValue("(IINNi)", head, second,
                                   PyBool_FromLong(in_message),
                                   PyBool_FromLong(reader->masked),
                                   (int)reader->reserved)) < 0) {
            return WS_RAISED;
        }
    }
    length = second & 0x7F;
    header->size = reader->masked ? 6 : 2;
    if (length > 125) {
        width = length == 126 ? 2 : 8;
        if (there < 2 + width) {
            return WS_WAIT;
        }
        length = 0;
        for (unsigned i = 0; i < width; i++) {
            length = length << 8 | data[2 + i];
        }
        header->size += width;
        if (length < (width == 2 ? 126u : 0x10000u) || length >> 63) {
            if (quiet) {
                return WS_ASIDE;
            }
            if (ask_twin("check_length",
                         Py_BuildValue("(KI)", (unsigned long long)length,
                                       width)) < 0) {
                return WS_RAISED;
            }
        }
    }
    header->length = length;
    return WS_FINE;
}

/* Whether the sizes are within the limits for certain. */
static int
size_is_fine(const WsReader *reader, uint64_t length, uint64_t size)
{
    if (reader->odd_limits) {
        return 0;
    }
    if (reader->fragment_bytes >= 0
        && length > (uint64_t)reader->fragment_bytes) {
        return 0;
    }
    if (reader->message_bytes < 0) {
        return 1;
    }
    return size <= (uint64_t)reader->message_bytes
           && length <= (uint64_t)reader->message_bytes - size;
}

/* Apply the limit on the number of frames, of any type: WS_FINE or WS_RAISED. */
static int
check_fragments(WsReader *reader, uint64_t fragments)
{
    PyObject *number, *module, *error;
    int above;

    if (reader->max_fragments == Py_None) {
        return WS_FINE;
    }
    number = PyLong_FromUnsignedLongLong(fragments);
    if (number == NULL) {
        return WS_RAISED;
    }
    above = PyObject_RichCompareBool(number, reader->max_fragments, Py_GT);
    Py_DECREF(number);
    if (above <= 0) {
        return above < 0 ? WS_RAISED : WS_FINE;
    }
    module = PyImport_ImportModule("websockets.exceptions");
    if (module == NULL) {
        return WS_RAISED;
    }
    error = PyObject_CallMethod(module, "TooManyFragments", "O",
                                reader->max_fragments);
    Py_DECREF(module);
    if (error != NULL) {
        ws_raise(error);
    }
    return WS_RAISED;
}

int
ws_check_limits(WsReader *reader, uint64_t length, uint64_t size,
                uint64_t fragments, int in_message, int compressed, int quiet)
{
    int count_is_fine = fragments == 0
                        || (!reader->odd_limits
                            && (reader->fragment_count < 0
                                || fragments
                                       <= (uint64_t)reader->fragment_count));

    if (!count_is_fine) {
        if (quiet) {
            return WS_ASIDE;
        }
        if (check_fragments(reader, fragments) < 0) {
            return WS_RAISED;
        }
    }
    if (size_is_fine(reader, length, size)) {
        return WS_FINE;
    }
    if (quiet) {
        return WS_ASIDE;
    }
    /* Compressed frames may be longer than the limit. */
    return ask_twin("check_size",
                    Py_BuildValue("(KKNN(OO))", (unsigned long long)length,
                                  (unsigned long long)size,
                                  PyBool_FromLong(in_message),
                                  PyBool_FromLong(compressed),
                                  reader->message_limit,
                                  reader->fragment_limit));
}

/* Return a limit as a number, -1 for None; -2 when it isn't a small integer. */
static int64_t
as_number(PyObject *limit)
{
    long long number;
    int overflow;

    if (limit == Py_None) {
        return -1;
    }
    if (!PyLong_CheckExact(limit)) {
        return -2;
    }
    number = PyLong_AsLongLongAndOverflow(limit, &overflow);
    return overflow || number < 0 ? -2 : number;
}

int
ws_set_limits(WsReader *reader, PyObject *message, PyObject *fragment,
              PyObject *fragments)
{
    reader->message_limit = Py_NewRef(message);
    reader->fragment_limit = Py_NewRef(fragment);
    reader->max_fragments = Py_NewRef(fragments);
    reader->message_bytes = as_number(message);
    reader->fragment_bytes = as_number(fragment);
    reader->fragment_count = as_number(fragments);
    reader->odd_limits = reader->message_bytes == -2
                         || reader->fragment_bytes == -2
                         || reader->fragment_count == -2
                         || reader->fragment_count == 0; /* a message has one at least */
    reader->plain_limit = reader->message_bytes;
    if (reader->fragment_bytes >= 0
        && (reader->plain_limit < 0
            || reader->fragment_bytes < reader->plain_limit)) {
        reader->plain_limit = reader->fragment_bytes;
    }
    return 0;
}

PyObject *
ws_peers_error(void)
{
    static const char *const names[] = {"ProtocolError", "PayloadTooBig",
                                        "TooManyFragments"};
    PyObject *error = ws_take_error();
    PyObject *module = PyImport_ImportModule("websockets.exceptions");
    int found = 0;

    for (int i = 0; i < 3 && module != NULL && !found; i++) {
        PyObject *type = PyObject_GetAttrString(module, names[i]);

        if (type == NULL) {
            Py_CLEAR(module);
            break;
        }
        found = PyErr_GivenExceptionMatches(error, type);
        Py_DECREF(type);
    }
    if (module == NULL) {
        Py_DECREF(error);
        return NULL;
    }
    Py_DECREF(module);
    if (!found) {
        ws_raise(error);
        return NULL;
    }
    return error;
}

PyObject *
ws_missing_part(const WsReader *reader, size_t start)
{
    const uint8_t *data;
    size_t there = reader->size - start;
    size_t parts[3] = {2, 0, 0};
    int count = 1;
    unsigned length;

    /* A frame with more than that isn't unfinished, for who asks. */
    if (there > MAX_HEADER + MAX_CONTROL) {
        there = MAX_HEADER + MAX_CONTROL;
    }
    if (there == 0) {
        Py_RETURN_NONE;
    }
    data = reader->buf + start;
    if (there < 2) {
        return Py_BuildValue("(ii)", (int)there, 2);
    }
    length = data[1] & 0x7F;
    if (length > 125) {
        parts[count++] = length == 126 ? 2 : 8;
    }
    if (data[1] & 0x80) {
        parts[count++] = 4;
    }
    for (int i = 0; i < count; i++) {
        if (there < parts[i]) {
            return Py_BuildValue("(nn)", (Py_ssize_t)there,
                                 (Py_ssize_t)parts[i]);
        }
        there -= parts[i];
    }
    return Py_BuildValue("(nI)", (Py_ssize_t)there, length);
}
