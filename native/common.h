/* What all files of the extension share.

   Owns: the state of the module, one per interpreter. Objects keep a pointer to
   it; their type keeps the module alive.
   Doesn't know: any subject. */

#ifndef WEBSOCKETS_COMMON_H
#define WEBSOCKETS_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

/* Names that are looked up often: field and text. */
#define WS_NAMES(NAME)                                                                 \
    NAME(buffer_updated, "buffer_updated")                                             \
    NAME(call_soon, "call_soon")                                                       \
    NAME(check_congestion, "_check_congestion")                                        \
    NAME(close, "close")                                                               \
    NAME(cr_await, "cr_await")                                                         \
    NAME(ended, "_ended")                                                              \
    NAME(ended_well, "_ended_well")                                                    \
    NAME(fail, "_fail")                                                                \
    NAME(flush_soon, "_flush_soon")                                                    \
    NAME(get_buffer, "get_buffer")                                                     \
    NAME(get_coro, "get_coro")                                                         \
    NAME(receive, "_receive")                                                          \
    NAME(recv, "recv")                                                                 \
    NAME(throw, "throw")                                                               \
    NAME(wait_drained, "_wait_drained")                                                \
    NAME(write, "write")

/* PerMessageDeflate, see deflate.c: the class, where its slots are, what is called. */
typedef struct {
    PyObject *type; /* NULL until the first message */
    PyObject *too_big;
    PyObject *sync_flush;
    PyObject *zero;
    Py_ssize_t inflater;
    Py_ssize_t deflater;
    Py_ssize_t is_shared;
    Py_ssize_t streak;
    Py_ssize_t in_message;
    Py_ssize_t restarted;
    Py_ssize_t remote_fresh;
    Py_ssize_t local_fresh;
    Py_ssize_t threshold;
    PyObject *name_compress;
    PyObject *name_flush;
    PyObject *name_decompress;
    PyObject *name_eof;
    PyObject *name_go_on;
    PyObject *name_refuse;
    PyObject *name_new_deflater;
    PyObject *name_new_inflater;
} WsDeflate;

struct WsTransports;

/* Each subject adds its types here, and what it looks up often. */
typedef struct WsState {
#define NAME(field, text) PyObject *name_##field;
    WS_NAMES(NAME)
#undef NAME
    PyObject *names_context; /* ("context",) */

    PyTypeObject *reader_type;
    PyTypeObject *message_type;
    uint8_t random[1024]; /* see random.c */
    size_t random_left;   /* bytes at its start that nobody has got */
    WsDeflate deflate;
    struct WsTransports *transports; /* see transport.h; may be NULL */

    /* The hot path. */
    PyTypeObject *waiter_type;
    PyTypeObject *method_type;
    PyTypeObject *call_type;
    PyTypeObject *buffer_type;
    PyTypeObject *hot_type;
    PyObject *methods[3]; /* by kind, see method.h */
    void *spare_call;     /* memory of a call that ended, see call.c, or NULL */
    PyObject *stop;       /* a StopIteration to use again, or NULL */

    /* See bind.c. */
    PyTypeObject *session_type;
    PyTypeObject *output_type;
    PyTypeObject *protocol_type;
    PyObject *current_task;
    PyObject *done_future;
    PyObject *task_type;
    PyObject *cancelled_error;
    PyObject *invalid_state_error;
    PyObject *open;
    Py_ssize_t session_messages;
    Py_ssize_t session_protocol;
    Py_ssize_t session_streaming;
    Py_ssize_t session_wanted;
    Py_ssize_t session_reading_paused;
    Py_ssize_t messages_message;
    Py_ssize_t messages_frames;
    Py_ssize_t output_paused;
    Py_ssize_t protocol_state;
    Py_ssize_t protocol_writes;
    Py_ssize_t protocol_continues;
    Py_ssize_t protocol_send_frame;
    Py_ssize_t protocol_max_message;
    Py_ssize_t protocol_max_fragment;

    /* http.c: the Date header, and the second that it's for. */
    int64_t date_second;
    PyObject *date;
} WsState;

/* Return the state of the module. */
static inline WsState *
ws_state(PyObject *module)
{
    return (WsState *)PyModule_GetState(module);
}

/* Make a type and put it into the module; keep a reference in *kept, unless that's NULL.
   0 or -1. */
int ws_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **kept);

/* Take the exception that is set, as an object. */
static inline PyObject *
ws_take_error(void)
{
    /* Functions written in Python lose it sometimes, when there's no memory. */
    if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
#endif
}

/* Set an exception; it takes the reference. */
static inline void
ws_raise(PyObject *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

/* Return the state of the module that made a type or one of its bases; NULL with an
   exception if none did. */
WsState *ws_state_of(PyTypeObject *type);

#endif
