/* Fetching never fails, whatever is at an address by now; only what is followed has to be
   there. */

#include "ahead.h"

/* The usual size of a line of the cache. */
#define LINE 64

/* What is touched of objects whose layout is Python's business. */
#define TASK 256
#define CONTEXT 64
#define COROUTINE 256
#define CALL 64

/* What a handler lets go of when it receives the next: many connections have small
   messages. */
#define MESSAGE 128

/* The collector's part of an object, which comes first: its neighbours in a list, of which
   it takes leave when it goes. */
#define HEAD_SIZE (2 * sizeof(uintptr_t))
#define HEAD(object) ((const uintptr_t *)(object) - 2)
#ifdef Py_GIL_DISABLED
#define NEXT(object) NULL /* there are no such lists */
#else
#define NEXT(object) ((const void *)HEAD(object)[0])
#endif

static void
fetch_line(const void *memory)
{
#ifdef __GNUC__
    __builtin_prefetch(memory);
    /* A function that does nothing else has no effect, thinks GCC, and isn't called. */
    __asm__ volatile("");
#else
    (void)memory;
#endif
}

static void
fetch(const void *memory, size_t size)
{
    if (memory == NULL) {
        return;
    }
    for (size_t i = 0; i < size; i += LINE) {
        fetch_line((const char *)memory + i);
    }
    /* Objects needn't begin with a line. */
    fetch_line((const char *)memory + size - 1);
}

static void
fetch_slot(PyObject *object, Py_ssize_t offset)
{
    fetch_line((const char *)object + offset);
}

/* What writing needs of the objects that a connection has. */
static void
fetch_output(WsHot *hot)
{
    WsState *state = hot->state;

    fetch_slot(hot->protocol, state->protocol_state);
    fetch_slot(hot->protocol, state->protocol_continues);
    fetch_slot(hot->protocol, state->protocol_send_frame);
    fetch_slot(hot->protocol, state->protocol_writes);
    fetch_slot(hot->output, state->output_paused);
}

/* The list of what a protocol has to write, which is empty. */
static void
fetch_writes(WsHot *hot)
{
    fetch(ws_slot(hot->protocol, hot->state->protocol_writes), sizeof(PyListObject));
}

static void
fetch_input(WsHot *hot)
{
    WsState *state = hot->state;

    fetch(hot->reader, offsetof(WsReader, keep));
    fetch_slot(hot->messages, state->messages_message);
    fetch_slot(hot->session, state->session_streaming);
    fetch_slot(hot->session, state->session_wanted);
    fetch_slot(hot->session, state->session_reading_paused);
    fetch(hot->waiter, sizeof(WsWaiter));
}

/* Note which coroutines a task runs that waits, the outer ones first. */
static void
learn_coroutines(WsWaiter *waiter, PyObject *task)
{
    WsState *state = waiter->state;
    PyObject *coroutine;

    waiter->task = task;
    waiter->coroutines[0] = waiter->coroutines[1] = NULL;
    if (!Py_IS_TYPE(task, (PyTypeObject *)state->task_type)) {
        return; /* its methods may do anything */
    }
    coroutine = PyObject_CallMethodNoArgs(task, state->name_get_coro);
    for (int i = 0; i < 2 && coroutine != NULL && PyCoro_CheckExact(coroutine); i++) {
        waiter->coroutines[i] = coroutine;
        Py_SETREF(coroutine, PyObject_GetAttr(coroutine, state->name_cr_await));
    }
    Py_XDECREF(coroutine);
    PyErr_Clear();
}

/* What a task wants to be called when it waits, with the collector's part, which has to be
   there for its neighbour to be found. */
static void
fetch_wakeup(PyObject *wakeup)
{
    if (wakeup != NULL) {
        fetch(HEAD(wakeup), HEAD_SIZE + sizeof(PyCFunctionObject));
    }
}

/* The task: what it wants to be called is a method of it. */
static void
fetch_task(WsWaiter *waiter)
{
    PyObject *wakeup = waiter->wakeup;
    PyObject *task;

    if (wakeup == NULL || !PyCFunction_CheckExact(wakeup)) {
        return;
    }
    fetch_line(NEXT(wakeup));
    task = PyCFunction_GET_SELF(wakeup); /* NULL, if it's a static method */
    fetch(task, TASK);
    if (task != NULL && waiter->task != task) {
        learn_coroutines(waiter, task);
    }
}

void
ws_ahead_of_frame(WsHot *hot, int step)
{
    if (step == 0) {
        fetch(hot, sizeof(WsHot));
    }
    else if (hot->fast && step == 1) {
        fetch_output(hot);
#ifdef WS_SOCKETS
        if (hot->socket) {
            fetch(hot->transport, sizeof(WsSocket));
        }
#endif
    }
    else if (hot->fast) {
        fetch_writes(hot);
    }
}

#ifdef WS_SOCKETS

void
ws_ahead_of_message(WsSocket *socket, int step)
{
    if (step == 0) {
        fetch(socket, sizeof(WsSocket));
    }
    else if (socket->receiver != NULL && socket->receiver->ahead != NULL) {
        socket->receiver->ahead(socket->protocol, step);
    }
}

void
ws_hot_ahead(PyObject *connection, int step)
{
    WsHot *hot = (WsHot *)connection;

    if (step == 1) {
        fetch(hot, sizeof(WsHot));
        return;
    }
    if (!hot->fast || !hot->waiting) {
        return;
    }
    if (step == 2) {
        fetch_input(hot);
        fetch_output(hot);
    }
    else if (step == 3) {
        fetch_writes(hot);
        fetch_wakeup(hot->waiter->wakeup);
        fetch(hot->waiter->context, CONTEXT);
        fetch(hot->waiter->call, CALL);
        fetch(hot->waiter->coroutines[0], COROUTINE);
        fetch(hot->waiter->coroutines[1], COROUTINE);
        fetch(hot->taken, MESSAGE);
    }
    else {
        fetch_task(hot->waiter);
    }
}

#endif
