/* The base class of connections as Python sees it. Its twin is asyncio/_hot.py. */

#include "hot.h"

#include "ahead.h"
#include "call.h"
#include "landing.h"
#include "message.h"
#include "method.h"
#include "sending.h"
#include "take.h"
#include "transport.h"

#include <structmember.h>
#ifndef _WIN32
#include <time.h>
#endif

/* -- the clock ------------------------------------------------------------- */

double
ws_monotonic(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyTime_t now = 0;

    (void)PyTime_MonotonicRaw(&now);
    return PyTime_AsSecondsDouble(now);
#elif defined(__linux__)
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
#else
    return (double)_PyTime_GetMonotonicClock() * 1e-9;
#endif
}

/* -- what transports call -------------------------------------------------- */

#ifdef WS_SOCKETS

/* Before the conversation begins, and for who wants to see bytes arrive, the methods
   below are called. */
static int
receiver_get_buffer(PyObject *protocol, uint8_t **buffer, size_t *room)
{
    WsHot *hot = (WsHot *)protocol;

    return hot->fast && !hot->overridden ? ws_hot_get_buffer(protocol, buffer, room)
                                         : 0;
}

static int
receiver_received(PyObject *protocol, size_t size)
{
    return ws_hot_received(protocol, size) < 0 ? -1 : ws_hot_expects_end(protocol) ? 2 : 1;
}

static const WsReceiverOps receiver = {receiver_get_buffer, ws_hot_get_parts,
                                       receiver_received,   ws_hot_ahead,
                                       ws_hot_ending,       ws_hot_ended};

#endif

static PyObject *
hot_get_buffer(PyObject *self, PyObject *Py_UNUSED(sizehint))
{
    uint8_t *buffer;
    size_t room;

    if (ws_hot_get_buffer(self, &buffer, &room) < 0) {
        return NULL;
    }
    return PyMemoryView_FromMemory((char *)buffer, (Py_ssize_t)room, PyBUF_WRITE);
}

static PyObject *
hot_buffer_updated(PyObject *self, PyObject *argument)
{
    Py_ssize_t size = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
    WsHot *hot = (WsHot *)self;
    size_t room = hot->room ? hot->room : hot->buffer != NULL ? WS_READ_BUFFER : 0;
    int result;

    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (size < 0 || (size_t)size > room || room == 0) {
        PyErr_Format(PyExc_ValueError,
                     "buffer_updated() got %zd, and the buffer had %zu bytes", size,
                     room);
        return NULL;
    }
    if (hot->room && !ws_target_stands(hot)) {
        hot->room = 0;
        PyErr_SetString(PyExc_RuntimeError,
                        "buffer_updated() came after other data, which went elsewhere");
        return NULL;
    }
    hot->expecting = 0; /* a socket was asked, and had nothing */
    hot->handed++;
    result = ws_hot_received(self, (size_t)size);
    hot->handed--;
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
hot_data_received(WsHot *hot, PyObject *data)
{
    int result;

    if (!hot->fast || !PyBytes_CheckExact(data)) {
        return PyObject_CallMethodOneArg((PyObject *)hot, hot->state->name_receive,
                                         data);
    }
    hot->handed++;
    result = ws_hot_data((PyObject *)hot, data);
    hot->handed--;
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- what ConnectionIO calls ----------------------------------------------- */

/* None stands for -1. */
static int
optional_size(PyObject *object, Py_ssize_t *size)
{
    *size = object == Py_None ? -1 : PyNumber_AsSsize_t(object, NULL);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Does a subclass have a method of its own? */
static int
overrides(WsHot *hot, PyObject *name)
{
    PyObject *ours = PyObject_GetAttr((PyObject *)hot->state->hot_type, name);
    PyObject *theirs = PyObject_GetAttr((PyObject *)Py_TYPE(hot), name);
    int differ = ours != theirs;

    PyErr_Clear();
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return differ;
}

static PyObject *
hot_begin(WsHot *hot, PyObject *const *args, Py_ssize_t nargs)
{
    WsState *state = hot->state;
    PyObject *session, *output, *deflate;
    Py_ssize_t high, low, limit;

    if (nargs != 9 || state->session_type == NULL) {
        PyErr_SetString(PyExc_TypeError, "_begin() takes 9 arguments, after bind()");
        return NULL;
    }
    session = args[0];
    output = args[1];
    deflate = args[4];
    if (!Py_IS_TYPE(session, state->session_type)
        || !Py_IS_TYPE(output, state->output_type)
        || !PyObject_TypeCheck(ws_slot(session, state->session_protocol),
                               state->protocol_type)
        || optional_size(args[5], &high) < 0 || optional_size(args[6], &low) < 0
        || optional_size(args[7], &limit) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "_begin() takes a session and an output");
        }
        return NULL;
    }
    Py_XSETREF(hot->session, Py_NewRef(session));
    Py_XSETREF(hot->messages, Py_NewRef(ws_slot(session, state->session_messages)));
    Py_XSETREF(hot->protocol, Py_NewRef(ws_slot(session, state->session_protocol)));
    Py_XSETREF(hot->reader,
               (WsReader *)Py_NewRef(ws_slot(hot->messages, state->messages_frames)));
    Py_XSETREF(hot->output, Py_NewRef(output));
    Py_XSETREF(hot->transport, Py_NewRef(args[2]));
    Py_XSETREF(hot->loop, Py_NewRef(args[3]));
    Py_XSETREF(hot->deflate, deflate == Py_None ? NULL : Py_NewRef(deflate));
    hot->high = high;
    hot->low = low < 0 ? PY_SSIZE_T_MAX : low;
    hot->limit = limit;
    hot->client = !hot->reader->masked;
    hot->direct = args[8] == Py_True;
    hot->fast = 1;
    hot->overridden = (char)overrides(hot, state->name_get_buffer)
                      || overrides(hot, state->name_buffer_updated);
#ifdef WS_SOCKETS
    hot->socket = (char)ws_is_transport(state, hot->transport);
#endif
    Py_RETURN_NONE;
}

int
ws_hot_wake_soon(WsHot *hot)
{
    if (hot->ending) {
        hot->wake_due = 1;
        return 0;
    }
    if (ws_waiter_schedule(hot->waiter) < 0) {
        return -1;
    }
    hot->waiting = 0;
    return 0;
}

static PyObject *
hot_wake(WsHot *hot, PyObject *Py_UNUSED(ignored))
{
    return hot->waiting && ws_hot_wake_soon(hot) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
hot_flush(WsHot *hot, PyObject *Py_UNUSED(ignored))
{
    hot->flushing = 0;
    if (ws_flush(hot) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
hot_send_frame(WsHot *hot, PyObject *frame)
{
    int sent = 0;

    if (PyBytes_CheckExact(frame)) {
        sent = ws_send_frame(hot, frame);
    }
    return sent < 0 ? NULL : PyBool_FromLong(sent);
}

/* -- attributes ------------------------------------------------------------ */

static PyObject *
hot_get_receiver(WsHot *hot, void *Py_UNUSED(closure))
{
    return Py_NewRef(hot->receiver == NULL ? Py_None : hot->receiver);
}

static int
hot_set_receiver(WsHot *hot, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(hot->receiver, value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static int
hot_set_buffer(WsHot *hot, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !Py_IS_TYPE(value, hot->state->buffer_type)) {
        PyErr_SetString(PyExc_TypeError, "_buffer must be a ReadBuffer");
        return -1;
    }
    Py_XSETREF(hot->buffer, (WsReadBuffer *)Py_NewRef(value));
    return 0;
}

static PyObject *
hot_get_waiting(WsHot *hot, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(hot->waiting);
}

static PyGetSetDef hot_getset[] = {
    {"_receiver", (getter)hot_get_receiver, (setter)hot_set_receiver, NULL, NULL},
    {"_buffer", NULL, (setter)hot_set_buffer, NULL, NULL},
    {"_waiting", (getter)hot_get_waiting, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef hot_members[] = {
    {"_receiving", T_BOOL, offsetof(WsHot, receiving), 0, NULL},
    {"_congested", T_BOOL, offsetof(WsHot, congested), 0, NULL},
    {"_sending_fragments", T_BOOL, offsetof(WsHot, sending_fragments), 0, NULL},
    {"_burst", T_INT, offsetof(WsHot, burst), 0, NULL},
    {"_corked", T_PYSSIZET, offsetof(WsHot, corked), READONLY, NULL},
    {"_lost", T_BOOL, offsetof(WsHot, lost), 0, NULL},
    {"_ending", T_BOOL, offsetof(WsHot, ending), READONLY, NULL},
    {"_corking", T_BOOL, offsetof(WsHot, corking), 0, NULL},
    {"_passed_by", T_ULONGLONG, offsetof(WsHot, written), READONLY, NULL},
    {"_fast", T_BOOL, offsetof(WsHot, fast), READONLY, NULL},
    {"_received_at", T_DOUBLE, offsetof(WsHot, received_at), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef hot_methods[] = {
    {"get_buffer", (PyCFunction)hot_get_buffer, METH_O, NULL},
    {"buffer_updated", (PyCFunction)hot_buffer_updated, METH_O, NULL},
    {"data_received", (PyCFunction)hot_data_received, METH_O, NULL},
    {"_begin", (PyCFunction)(void (*)(void))hot_begin, METH_FASTCALL, NULL},
    {"_wake", (PyCFunction)hot_wake, METH_NOARGS, NULL},
    {"_flush", (PyCFunction)hot_flush, METH_NOARGS, NULL},
    {"_send_frame", (PyCFunction)hot_send_frame, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* -- the type -------------------------------------------------------------- */

static PyObject *
hot_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    WsHot *hot = (WsHot *)type->tp_alloc(type, 0);

    if (hot == NULL) {
        return NULL;
    }
    hot->state = ws_state_of(type);
    if (hot->state == NULL) {
        Py_DECREF(hot);
        return NULL;
    }
    return (PyObject *)hot;
}

static int
hot_traverse(WsHot *hot, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(hot));
    Py_VISIT(hot->loop);
    Py_VISIT(hot->session);
    Py_VISIT(hot->messages);
    Py_VISIT(hot->protocol);
    Py_VISIT(hot->output);
    Py_VISIT(hot->transport);
    Py_VISIT(hot->reader);
    Py_VISIT(hot->receiver);
    Py_VISIT(hot->waiter);
    Py_VISIT(hot->deflate);
    return 0;
}

static int
hot_clear(WsHot *hot)
{
    /* Without these, nothing is fast any more. */
    hot->fast = 0;
    hot->waiting = 0;
    PyMem_Free(hot->cork);
    hot->cork = NULL;
    hot->corked = 0;
    Py_CLEAR(hot->loop);
    Py_CLEAR(hot->session);
    Py_CLEAR(hot->messages);
    Py_CLEAR(hot->protocol);
    Py_CLEAR(hot->output);
    Py_CLEAR(hot->transport);
    Py_CLEAR(hot->reader);
    Py_CLEAR(hot->receiver);
    Py_CLEAR(hot->waiter);
    Py_CLEAR(hot->deflate);
    return 0;
}

static void
hot_dealloc(WsHot *hot)
{
    PyTypeObject *type = Py_TYPE(hot);

    PyObject_GC_UnTrack(hot);
    hot_clear(hot);
    Py_XDECREF(hot->buffer);
    type->tp_free(hot);
    Py_DECREF(type);
}

static PyType_Slot hot_slots[] = {
    {Py_tp_new, hot_new},
    {Py_tp_dealloc, hot_dealloc},
    {Py_tp_traverse, hot_traverse},
    {Py_tp_clear, hot_clear},
    {Py_tp_methods, hot_methods},
    {Py_tp_members, hot_members},
    {Py_tp_getset, hot_getset},
    {Py_tp_setattro, ws_set_attribute},
    {0, NULL},
};

static PyType_Spec hot_spec = {
    .name = "websockets.speedups.Hot",
    .basicsize = sizeof(WsHot),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = hot_slots,
};

int
ws_add_hot(PyObject *module)
{
    WsState *state = ws_state(module);

    if (ws_add_type(module, &hot_spec, &state->hot_type) < 0 || ws_add_buffer(module) < 0
        || ws_add_waiter(module) < 0 || ws_add_method(module) < 0
        || ws_add_call(module) < 0) {
        return -1;
    }
#ifdef WS_SOCKETS
    return ws_add_receiver(state, state->hot_type, &receiver);
#else
    return 0;
#endif
}

int
ws_hot_traverse(WsState *state, visitproc visit, void *arg)
{
    Py_VISIT(state->waiter_type);
    Py_VISIT(state->method_type);
    Py_VISIT(state->call_type);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->hot_type);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state->methods); i++) {
        Py_VISIT(state->methods[i]);
    }
    Py_VISIT(state->stop);
    Py_VISIT(state->session_type);
    Py_VISIT(state->output_type);
    Py_VISIT(state->protocol_type);
    Py_VISIT(state->current_task);
    Py_VISIT(state->done_future);
    Py_VISIT(state->task_type);
    Py_VISIT(state->cancelled_error);
    Py_VISIT(state->invalid_state_error);
    Py_VISIT(state->open);
    return 0;
}

void
ws_hot_clear(WsState *state)
{
    Py_CLEAR(state->waiter_type);
    Py_CLEAR(state->method_type);
    ws_clear_call(state);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->hot_type);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state->methods); i++) {
        Py_CLEAR(state->methods[i]);
    }
    Py_CLEAR(state->stop);
    Py_CLEAR(state->session_type);
    Py_CLEAR(state->output_type);
    Py_CLEAR(state->protocol_type);
    Py_CLEAR(state->current_task);
    Py_CLEAR(state->done_future);
    Py_CLEAR(state->task_type);
    Py_CLEAR(state->cancelled_error);
    Py_CLEAR(state->invalid_state_error);
    Py_CLEAR(state->open);
}
