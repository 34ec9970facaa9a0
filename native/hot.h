/* The hot path of a connection on asyncio: from the transport's bytes to the task
   that receives, and from send() to the transport.

   Owns: the base class of connections and what it remembers between two events.
   Doesn't know: any rule or policy. Whatever isn't a plain message in ordinary
   circumstances is left to the session, in Python, which is the specification. */

#ifndef WEBSOCKETS_HOT_H
#define WEBSOCKETS_HOT_H

#include "common.h"
#include "reader.h"
#include "transport.h"
#include "waiter.h"

/* What all connections of a loop read into. */
typedef struct {
    PyObject_HEAD
    int lent; /* somebody is still looking at what was read last */
    uint8_t *memory;
    PyObject *prepared; /* bytes object for a message that is expected, or NULL */
} WsReadBuffer;

/* Its size: what asyncio's transports read at a time. */
#define WS_READ_BUFFER (256 * 1024)

typedef struct {
    PyObject_HEAD
    WsState *state;
    WsReadBuffer *buffer;
    /* From attach() to detach(), else NULL. */
    PyObject *loop;
    PyObject *session;
    PyObject *messages;
    PyObject *protocol;
    PyObject *output;
    PyObject *transport;
    WsReader *reader;
    PyObject *receiver;     /* the future that recv() waits for in Python, or NULL */
    WsWaiter *waiter;       /* the one that it waits for here */
    const void *taken;      /* what it returned last, and who may have let it go since */
    PyObject *deflate;      /* permessage-deflate, or NULL */
    double received_at;     /* seconds, monotonic; 0 before the first byte */
    unsigned long long written; /* bytes that passed by the output queue */
    uint8_t *cork;          /* frames that leave together; NULL most of the time */
    Py_ssize_t corked;      /* their bytes */
    Py_ssize_t high;        /* frames read ahead above which reading pauses; -1: none */
    Py_ssize_t low;         /* frames down to which it stays paused */
    Py_ssize_t limit;       /* the same in bytes */
    uint8_t *target;        /* where get_buffer() had the rest of a message put... */
    size_t room;            /* ...and how many bytes of it; 0: in the read buffer */
    int burst;              /* messages sent since something was received */
    uint32_t expected;      /* size of the last message, if it was large; or 0 */
    char steady;            /* the one before had the same size */
    uint8_t expecting;      /* bytes of the header that the system was asked for */
    char fast;              /* attached, and nothing asks for the way in Python */
    char direct;            /* the waiting task may be run from here */
    char socket;            /* transport is one of ours, see socket.h */
    char client;
    char waiting;           /* recv() waits here */
    char receiving;         /* recv() or recv_streaming() runs */
    char congested;         /* more is unsent than write_limit allows */
    char sending_fragments;
    char handed;            /* calls of Python with data, maybe from a task */
    char waking;            /* the task that received runs, called from here */
    char flushing;          /* the loop is going to flush what is corked */
    char lost;              /* the transport is gone */
    char ending;            /* the transport reports the end, and wakes nobody yet */
    char wake_due;          /* recv() has to be woken then */
    char overridden;        /* a subclass wants to see bytes arrive */
    char patched;           /* it has, or had, a recv() of its own */
    char corking;           /* the program wants bursts joined */
} WsHot;

/* Add the hot path to the module, with its calls and waiters. */
int ws_add_hot(PyObject *module);
int ws_hot_traverse(WsState *state, visitproc visit, void *arg);
void ws_hot_clear(WsState *state);

/* Return a new read buffer, or NULL with MemoryError. */
WsReadBuffer *ws_buffer_new(WsState *state);

/* Seconds on the clock of time.monotonic(). */
double ws_monotonic(void);

/* Fail the connection for the error that's set, as if the session had met it: 0 or
   -1. */
int ws_fail(WsHot *hot);

/* Where the transport puts what it receives, and how many bytes fit: 0 or -1. */
int ws_hot_get_buffer(PyObject *connection, uint8_t **buffer, size_t *room);

#ifdef WS_SOCKETS
/* The same in up to three parts, of which the first describes that place; return how
   many. */
int ws_hot_get_parts(PyObject *connection, struct iovec parts[3]);
#endif

/* Process what the transport put there. It may run the task that waits for a message.
   0, or -1 with an exception of that task which must stop the loop. */
int ws_hot_received(PyObject *connection, size_t size);

/* The same for a bytes object. */
int ws_hot_data(PyObject *connection, PyObject *data);

/* Whether the peer is going to end the stream, so that looking for it is worth it. */
int ws_hot_expects_end(PyObject *connection);

/* Before and after the transport reports the end, see WsReceiverOps. */
int ws_hot_ending(PyObject *connection);
int ws_hot_ended(PyObject *connection);

/* Have the loop run the task that waits, or ws_hot_ended(): 0; -1, and it still waits. */
int ws_hot_wake_soon(WsHot *hot);

/* Raise StopIteration with a value. */
void ws_raise_stop(WsState *state, PyObject *value);

/* A slot of an object of the session's, by its offset; borrowed, may be NULL. */
static inline PyObject *
ws_slot(PyObject *object, Py_ssize_t offset)
{
    return *(PyObject **)((char *)object + offset);
}

#endif
