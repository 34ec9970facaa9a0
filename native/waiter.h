/* What a waiting task waits for, and how it is woken.

   Owns: an object with the part of asyncio.Future that tasks use.
   Doesn't know: who wakes it, or why. */

#ifndef WEBSOCKETS_WAITER_H
#define WEBSOCKETS_WAITER_H

#include "common.h"

typedef struct {
    PyObject_HEAD
    WsState *state;
    PyObject *loop;
    PyObject *wakeup;  /* what the task wants to be called; NULL before and after */
    PyObject *context; /* where */
    PyObject *message; /* of cancel(), or NULL */
    /* What waking the task touches, see ahead.c. These are addresses to fetch, never to
       follow: what was there may be gone. */
    const void *call;
    const void *task;
    const void *coroutines[2];
    char blocking;
    char done;
    char cancelled;
} WsWaiter;

int ws_add_waiter(PyObject *module);

/* Return a waiter that nobody waits for: *slot when it's free, or a new one, which
   is put there. A new reference, or NULL. */
WsWaiter *ws_waiter_renew(WsState *state, WsWaiter **slot, PyObject *loop);

/* Run the waiting task now, in its context, until it waits again. No task may be
   running in the loop. 0, or -1 with what must stop the loop. */
int ws_waiter_fire(WsWaiter *waiter);

/* Let the loop run the waiting task in its next turn: 0 or -1. */
int ws_waiter_schedule(WsWaiter *waiter);

#endif
