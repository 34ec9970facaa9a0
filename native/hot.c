/* Bytes arrive, a message is there, the task that waits for it runs: in one callback of
   the loop. The counterpart in Python is ConnectionIO, in asyncio/_io.py, with the
   session below it; what isn't ordinary goes there. */

#include "hot.h"

#include "landing.h"
#include "message.h"
#include "method.h"
#include "sending.h"
#include "take.h"

#define RSV1 0x40
#define OPCODE 0x0F
#define FIN 0x80
#define TEXT 1

/* -- calls of Python ------------------------------------------------------- */

/* self.name(): 0 or -1 */
static int
call(WsHot *hot, PyObject *name)
{
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)hot, name);

    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

/* -- waking ---------------------------------------------------------------- */

/* May a task be run from here? Not within another one: data may come from a program
   that plays the transport. */
static int
may_run(WsHot *hot)
{
    PyObject *task;
    int none;

    if (!hot->direct || hot->waking) {
        return 0;
    }
    if (hot->socket && !hot->handed) {
        return 1;
    }
    task = PyObject_CallOneArg(hot->state->current_task, hot->loop);
    if (task == NULL) {
        /* The loop doesn't run. */
        PyErr_Clear();
        return 0;
    }
    none = task == Py_None;
    Py_DECREF(task);
    return none;
}

static int
wake(WsHot *hot)
{
    int result;

    if (!may_run(hot)) {
        return ws_hot_wake_soon(hot);
    }
    hot->waiting = 0;
    hot->waking = 1;
    result = ws_waiter_fire(hot->waiter);
    hot->waking = 0;
    if (hot->cork != NULL) {
        PyObject *type, *value, *traceback;

        PyErr_Fetch(&type, &value, &traceback);
        if (ws_flush(hot) < 0) {
            if (type == NULL) {
                return -1;
            }
            PyErr_WriteUnraisable((PyObject *)hot);
        }
        PyErr_Restore(type, value, traceback);
    }
    return result;
}

/* -- receiving ------------------------------------------------------------- */

/* Begin or continue the message that's arriving with payload of an unfinished frame,
   when nothing before it is unread. */
static int
gather(WsHot *hot)
{
    WsReader *reader = hot->reader;
    PyObject **slot = (PyObject **)((char *)hot->messages + hot->state->messages_message);
    WsPart part;
    WsMessage *message;
    size_t room;
    int result = 0;

    if (*slot != Py_None
        && (!Py_IS_TYPE(*slot, hot->state->message_type)
            || ((WsMessage *)*slot)->complete)) {
        return 0;
    }
    if (!reader->missing
        && !(reader->ahead == 1 && reader->scan > reader->size
             && reader->error == NULL)) {
        return 0;
    }
    if (ws_reader_take_data(reader, &part) != 1) {
        return 0;
    }
    if (*slot == Py_None) {
        message = ws_message_new(hot->state, (part.head & OPCODE) == TEXT,
                                 (part.head & RSV1) != 0);
        if (message == NULL) {
            return -1;
        }
        Py_SETREF(*slot, (PyObject *)message);
    }
    message = (WsMessage *)Py_NewRef(*slot);
    if (reader->missing
        && ws_message_reserve(message, message->size + part.size + reader->missing, &room)
               == NULL) {
        /* Room for the rest as well, if the peer isn't believed too much. */
        Py_DECREF(message);
        return -1;
    }
    result = ws_message_append(message, part.payload, part.size,
                               part.masked ? part.key : NULL, part.complete,
                               part.complete && part.head >= FIN);
    Py_DECREF(message);
    return result;
}

/* Above the water marks, the session pauses reading. */
static int
watch_water(WsHot *hot)
{
    PyObject *object = ws_slot(hot->messages, hot->state->messages_message);
    WsReader *reader = hot->reader;
    size_t frames = reader->ahead;
    size_t held = reader->size - reader->pos - reader->skipped;

    if (hot->waiting) {
        return 0;
    }
    if (Py_IS_TYPE(object, hot->state->message_type)) {
        WsMessage *message = (WsMessage *)object;

        frames += message->ends.count + message->queue_ends.count - message->queue_next;
        held += message->size;
    }
    if ((hot->high < 0 || frames <= (size_t)hot->high)
        && (hot->limit < 0 || held <= (size_t)hot->limit)) {
        return 0;
    }
    return call(hot, hot->state->name_receive);
}

/* What is left when nobody waits, or not for what has come. */
static int
look_ahead(WsHot *hot)
{
    WsReader *reader = hot->reader;
    int scanned;

    if (reader->pos == reader->size && !reader->keeping && !reader->missing) {
        return 0;
    }
    scanned = hot->receiver == NULL ? ws_reader_scan_data(reader) : 0;
    if (scanned > 0 && gather(hot) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            return -1;
        }
        return ws_fail(hot) < 0 ? -1 : call(hot, hot->state->name_receive);
    }
    if (scanned > 0 && hot->waiting && reader->pos + reader->skipped != reader->size
        && !ws_has_message(hot)) {
        /* A message in fragments, or compressed. */
        scanned = 0;
    }
    if (scanned <= 0) {
        return scanned < 0 ? -1 : call(hot, hot->state->name_receive);
    }
    return watch_water(hot);
}

/* Is all known that came with the message that is next? The task may close the
   connection, which keeps what was scanned: 1; 0 if Python has to look first; or -1. */
static int
survey(WsHot *hot)
{
    WsReader *reader = hot->reader;
    WsPart part;

    if (reader->pos == reader->size
        || (ws_reader_peek_plain(reader, 1, &part) && part.end == reader->size)) {
        return 1;
    }
    return ws_reader_scan_data(reader);
}

/* Bytes were given to the reader. */
static int
process(WsHot *hot)
{
    int woken = 0;
    int result = 0;
    PyObject *type, *value, *traceback;

    do {
        int awaited = hot->waiting && ws_has_message(hot);

        if (awaited && woken < 0) {
            /* The next message of a task that stops the loop. */
            result = ws_hot_wake_soon(hot);
        }
        else if (awaited && (result = survey(hot)) > 0) {
            result = 0;
            woken = wake(hot);
            if (woken < 0) {
                PyErr_Fetch(&type, &value, &traceback);
            }
        }
        if (result == 0) {
            result = look_ahead(hot);
        }
        /* Maybe its last part came. Nobody has looked at what follows. */
    } while (result == 0 && hot->waiting && ws_has_message(hot));
    if (ws_reader_keep(hot->reader) < 0) {
        result = -1;
    }
    if (woken < 0) {
        if (result < 0) {
            PyErr_WriteUnraisable((PyObject *)hot);
        }
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    return result;
}

/* Payload came straight into the message: 1 when there is more to process. */
static int
received_message(WsHot *hot, size_t size)
{
    WsReader *reader = hot->reader;
    WsMessage *message;
    uint8_t head;
    int complete, result;

    message = (WsMessage *)Py_NewRef(
        ws_slot(hot->messages, hot->state->messages_message));
    complete = ws_reader_received(reader, hot->target, size, &head);
    result = ws_message_received(message, size, complete, complete && head >= FIN);
    Py_DECREF(message);
    if (result < 0) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            return -1;
        }
        return ws_fail(hot) < 0 || call(hot, hot->state->name_receive) < 0 ? -1 : 0;
    }
    return complete;
}

static void
note_time(WsHot *hot)
{
    hot->burst = 0;
    hot->received_at = ws_monotonic();
}

int
ws_hot_received(PyObject *connection, size_t size)
{
    WsHot *hot = (WsHot *)connection;
    size_t start = 0;
    int result = 0;

    note_time(hot);
    if (!hot->fast) {
        PyObject *data = PyBytes_FromStringAndSize((char *)hot->buffer->memory,
                                                   (Py_ssize_t)size);
        PyObject *done;

        if (data == NULL) {
            return -1;
        }
        done = PyObject_CallMethodOneArg(connection, hot->state->name_receive, data);
        Py_DECREF(data);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    Py_INCREF(connection);
#ifdef WS_SOCKETS
    if (hot->expecting) {
        ws_land(hot, &start, &size);
    }
#endif
    if (hot->room) {
        size_t rest = size > hot->room ? size - hot->room : 0;

        hot->room = 0;
        result = received_message(hot, size - rest);
        if (result > 0 && rest == 0) {
            result = process(hot);
        }
        size = rest;
    }
    if (result >= 0 && size) {
        WsReadBuffer *buffer = (WsReadBuffer *)Py_NewRef(hot->buffer);

        buffer->lent = 1;
        result = ws_reader_lend(hot->reader, buffer->memory + start, size);
        if (result == 0) {
            result = process(hot);
        }
        buffer->lent = 0;
        Py_DECREF(buffer);
    }
    Py_DECREF(connection);
    return result;
}

int
ws_hot_data(PyObject *connection, PyObject *data)
{
    WsHot *hot = (WsHot *)connection;
    int result;

    note_time(hot);
    Py_INCREF(connection);
    result = ws_reader_feed(hot->reader, (const uint8_t *)PyBytes_AS_STRING(data),
                            (size_t)PyBytes_GET_SIZE(data));
    if (result == 0) {
        result = process(hot);
    }
    Py_DECREF(connection);
    return result;
}

int
ws_hot_expects_end(PyObject *connection)
{
    WsHot *hot = (WsHot *)connection;

    /* RFC 6455 7.1.1: the server closes TCP first, right after its Close frame. */
    return hot->client && hot->fast
           && ws_slot(hot->protocol, hot->state->protocol_state) != hot->state->open;
}

int
ws_hot_ending(PyObject *connection)
{
    WsHot *hot = (WsHot *)connection;

    if (!hot->fast || !may_run(hot)) {
        return 0;
    }
    hot->ending = 1;
    return 1;
}

int
ws_hot_ended(PyObject *connection)
{
    WsHot *hot = (WsHot *)connection;
    int due = hot->wake_due;
    PyObject *raised, *handle;

    hot->ending = hot->wake_due = 0;
    if (!due || !hot->waiting || wake(hot) == 0) {
        return hot->lost ? call(hot, hot->state->name_ended) : 0;
    }
    /* The task stops the loop. Others have their turn when it runs again. */
    raised = ws_take_error();
    handle = PyObject_CallMethod(hot->loop, "call_soon", "N",
                                 PyObject_GetAttr(connection, hot->state->name_ended));
    if (handle == NULL) {
        PyErr_WriteUnraisable(connection);
    }
    Py_XDECREF(handle);
    ws_raise(raised);
    return -1;
}

void
ws_raise_stop(WsState *state, PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    /* Making an exception costs more than all the rest of taking a message. One that
       nobody kept is used again, but doesn't keep large values alive. */
    PyStopIterationObject *stop = (PyStopIterationObject *)state->stop;

    if (value != Py_None
        && !(PyBytes_CheckExact(value) && PyBytes_GET_SIZE(value) <= 4096)
        && !(PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value) <= 4096)) {
        PyErr_SetObject(PyExc_StopIteration, value);
        return;
    }
    if (stop == NULL || Py_REFCNT(stop) != 1 || stop->traceback != NULL
        || stop->context != NULL || stop->cause != NULL || stop->notes != NULL
        || Py_REFCNT(stop->args) != 1 || PyTuple_GET_SIZE(stop->args) != 1) {
        stop = (PyStopIterationObject *)PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop == NULL) {
            return;
        }
        Py_XSETREF(state->stop, (PyObject *)stop);
    }
    else {
        PyObject *before = PyTuple_GET_ITEM(stop->args, 0);

        PyTuple_SET_ITEM(stop->args, 0, Py_NewRef(value));
        Py_DECREF(before);
        Py_XSETREF(stop->value, Py_NewRef(value));
    }
    PyErr_SetRaisedException(Py_NewRef(stop));
#else
    (void)state;
    PyErr_SetObject(PyExc_StopIteration, value);
#endif
}
