/* The counterpart in Python is Session.pop_message(), and Messages below it. This does
   the same for messages that need no more than unmasking and decoding; otherwise it
   changes nothing, and the session does it. */

#include "take.h"

#include "deflate.h"
#include "landing.h"
#include "message.h"

#define RSV1 0x40
#define OPCODE 0x0F
#define TEXT 1

static PyObject *
current_message(WsHot *hot)
{
    PyObject *message = ws_slot(hot->messages, hot->state->messages_message);

    return message == Py_None ? NULL : message;
}

static int
is_set(PyObject *session, Py_ssize_t offset)
{
    return ws_slot(session, offset) == Py_True;
}

/* A message that arrived in parts is complete, and nobody took a part of it. */
static int
is_ordinary(WsHot *hot, PyObject *object)
{
    WsMessage *message = (WsMessage *)object;

    return Py_IS_TYPE(object, hot->state->message_type) && message->complete
           && !message->streamed && message->size
           && (!message->compressed
               || (hot->deflate != NULL
                   && ws_slot(hot->protocol, hot->state->protocol_max_fragment) == Py_None));
}

int
ws_has_message(WsHot *hot)
{
    PyObject *message = current_message(hot);
    WsPart part;

    if (is_set(hot->session, hot->state->session_streaming)) {
        return 0;
    }
    if (message != NULL) {
        return is_ordinary(hot, message);
    }
    return ws_reader_peek_plain(hot->reader, hot->deflate != NULL, &part);
}

/* Reading had paused: go on when few messages are left. */
static int
after_taking(WsHot *hot)
{
    PyObject *result;

    if (!is_set(hot->session, hot->state->session_reading_paused)
        || (Py_ssize_t)hot->reader->ahead > hot->low) {
        return 0;
    }
    result = PyObject_CallMethodNoArgs((PyObject *)hot, hot->state->name_receive);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

int
ws_fail(WsHot *hot)
{
    PyObject *type, *error, *traceback, *result;

    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    result = PyObject_CallMethodOneArg(hot->messages, hot->state->name_fail, error);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

/* The peer, or memory, let us down after the message was taken: the connection fails at
   it, and there is no message. */
static int
fail_at(WsHot *hot)
{
    return PyErr_ExceptionMatches(PyExc_Exception) && ws_fail(hot) == 0 ? 2 : -1;
}

/* -1: no limit; -2: Python has to look at it. */
static Py_ssize_t
limit_of(PyObject *object)
{
    Py_ssize_t size;

    if (object == Py_None) {
        return -1;
    }
    size = object != NULL && PyLong_CheckExact(object) ? PyNumber_AsSsize_t(object, NULL)
                                                       : -1;
    return size < 0 ? -2 : size;
}

/* Bytes that a message may inflate to, as above. Programs may change it at any time. */
static Py_ssize_t
inflate_limit(WsHot *hot)
{
    WsState *state = hot->state;
    Py_ssize_t message = limit_of(ws_slot(hot->protocol, state->protocol_max_message));
    Py_ssize_t frame = limit_of(ws_slot(hot->protocol, state->protocol_max_fragment));

    if (message == -2 || frame == -2) {
        return -2;
    }
    return message < 0 || (frame >= 0 && frame < message) ? frame : message;
}

/* Make what recv() returns of a payload; it takes the reference. */
static int
finish(WsHot *hot, PyObject *data, int text, int checked, int as_text, PyObject **result)
{
    if (as_text < 0 ? text : as_text) {
        *result = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data),
                                       NULL);
        Py_DECREF(data);
        return *result == NULL ? fail_at(hot) : 1;
    }
    if (text && !checked) {
        /* RFC 6455 section 8.1 holds for programs that want bytes, too. */
        WsUtf8 check = {0};

        if (ws_utf8_feed(&check, (const uint8_t *)PyBytes_AS_STRING(data),
                         (size_t)PyBytes_GET_SIZE(data), 1)
            < 0) {
            Py_DECREF(data);
            return fail_at(hot);
        }
    }
    *result = data;
    return 1;
}

static int
take_message(WsHot *hot, PyObject *object, int as_text, PyObject **result)
{
    WsMessage *message = (WsMessage *)Py_NewRef(object);
    PyObject *data = NULL;
    int text = message->text;
    int checked = message->checked;
    int taken = 1;

    if (message->compressed) {
        Py_ssize_t limit = inflate_limit(hot);

        taken = limit == -2 ? 0
                            : ws_inflate_message(
                                  hot->state, hot->deflate,
                                  (const uint8_t *)PyBytes_AS_STRING(message->data),
                                  message->size, NULL, limit, &data);
        if (taken == 0) {
            Py_DECREF(message);
            return 2;
        }
    }
    else {
        if (!text && message->size >= WS_LARGE && message->ends.count == 1) {
            ws_note_size(hot, message->size);
        }
        data = ws_message_take(message);
        if (data == NULL) {
            Py_DECREF(message);
            return -1;
        }
    }
    Py_SETREF(*(PyObject **)((char *)hot->messages + hot->state->messages_message),
              Py_NewRef(Py_None));
    Py_DECREF(message);
    return taken < 0 ? fail_at(hot) : finish(hot, data, text, checked, as_text, result);
}

static int
take_frame(WsHot *hot, int as_text, PyObject **result)
{
    PyObject *data = NULL;
    WsPart part;
    int text, taken;

    if (!ws_reader_peek_plain(hot->reader, hot->deflate != NULL, &part)) {
        return 0;
    }
    text = (part.head & OPCODE) == TEXT;
    if (part.head & RSV1) {
        Py_ssize_t limit = inflate_limit(hot);

        taken = limit == -2
                    ? 0
                    : ws_inflate_message(hot->state, hot->deflate, part.payload, part.size,
                                         part.masked ? part.key : NULL, limit, &data);
        if (taken != 0) {
            ws_reader_commit(hot->reader, &part);
        }
        if (taken < 0) {
            return fail_at(hot);
        }
        return taken ? finish(hot, data, text, 0, as_text, result) : 2;
    }
    if (as_text < 0 || as_text == text) {
        /* Most messages. Text that isn't UTF-8 is left to the session. */
        if (!text && part.size >= WS_LARGE) {
            ws_note_size(hot, part.size);
        }
        taken = ws_part_message(&part, result);
        if (taken > 0) {
            ws_reader_commit(hot->reader, &part);
        }
        return taken ? taken : 2;
    }
    data = ws_part_bytes(&part);
    if (data == NULL) {
        return -1;
    }
    ws_reader_commit(hot->reader, &part);
    return finish(hot, data, text, 0, as_text, result);
}

int
ws_take(WsHot *hot, PyObject *decode, PyObject **result)
{
    PyObject *message;
    int as_text = -1;
    int taken;

    if (is_set(hot->session, hot->state->session_streaming)) {
        return 2;
    }
    if (decode != Py_None) {
        as_text = PyObject_IsTrue(decode);
        if (as_text < 0) {
            return -1;
        }
    }
    message = current_message(hot);
    if (message == NULL) {
        taken = take_frame(hot, as_text, result);
    }
    else if (is_ordinary(hot, message)) {
        taken = take_message(hot, message, as_text, result);
    }
    else {
        return 0;
    }
    if (taken == 1 && after_taking(hot) < 0) {
        Py_CLEAR(*result);
        return -1;
    }
    return taken;
}

int
ws_is_over(WsHot *hot)
{
    WsReader *reader = hot->reader;
    PyObject *well;
    int over;

    if (!hot->lost || current_message(hot) != NULL || reader->pos != reader->size
        || is_set(hot->session, hot->state->session_streaming)) {
        return 0;
    }
    well = PyObject_GetAttr(hot->protocol, hot->state->name_ended_well);
    over = well == NULL ? -1 : well == Py_True;
    Py_XDECREF(well);
    return over;
}

int
ws_may_wait(WsHot *hot)
{
    WsReader *reader = hot->reader;
    PyObject *message = current_message(hot);

    if (reader->closed || reader->keeping || reader->error != NULL
        || hot->receiver != NULL) {
        return 0;
    }
    if (reader->ahead && !hot->waking) {
        /* A message in fragments, for example. Where bytes have just come, they are
           looked at when the task that takes messages waits. */
        return 0;
    }
    if (message != NULL
        && (!Py_IS_TYPE(message, hot->state->message_type)
            || ((WsMessage *)message)->complete)) {
        return 0;
    }
    return !is_set(hot->session, hot->state->session_streaming)
           && !is_set(hot->session, hot->state->session_reading_paused) && !hot->lost;
}

static void
set_wanted(WsHot *hot, PyObject *wanted)
{
    if (hot->session != NULL) {
        Py_XSETREF(*(PyObject **)((char *)hot->session + hot->state->session_wanted),
                   Py_NewRef(wanted));
    }
}

void
ws_begin_waiting(WsHot *hot)
{
    hot->waiting = hot->receiving = 1;
    set_wanted(hot, Py_True);
}

void
ws_end_waiting(WsHot *hot)
{
    hot->waiting = hot->receiving = 0;
    set_wanted(hot, Py_False);
}
