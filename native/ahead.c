/* Fetching never fails, whatever is at an address by now; only what is followed has to be
   there. */

#include "ahead.h"

/* The usual size of a line of the cache. */
#define LINE 64

/* What is touched of objects whose layout is Python's business. */
#define OPAQUE 256

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

/* The task that waits: what it wants to be called is a method of it. */
static void
fetch_task(WsWaiter *waiter)
{
    if (waiter->wakeup != NULL && PyCFunction_CheckExact(waiter->wakeup)) {
        fetch(PyCFunction_GET_SELF(waiter->wakeup), OPAQUE);
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
        fetch(hot->waiter->wakeup, sizeof(PyCFunctionObject));
        fetch(hot->waiter->context, OPAQUE);
    }
    else {
        fetch_task(hot->waiter);
    }
}

#endif
