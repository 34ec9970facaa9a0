/* Connections in ordinary circumstances are written to here. All others are given back,
   untouched, for the way in Python. */

#include "broadcast.h"

#include "ahead.h"
#include "deflate.h"
#include "hot.h"
#include "sending.h"

/* Lineages that are served at once. More of them are left to Python, which may unite
   them. */
#define SERVED 4

/* Connections taken from a collection at a time. */
#define WINDOW 16

/* Connections that share a compressor, and what they get. */
typedef struct {
    PyObject *lineage; /* that compressor */
    PyObject *frame;
    PyObject *history; /* the compressor that they share afterwards */
} Served;

/* Where connections go that aren't written to. */
typedef struct {
    PyObject *rest;     /* list: to the way in Python */
    PyObject *failures; /* list of (connection, exception) */
    PyObject *lineages; /* dict: lists of connections by the compressor they share */
    Served served[SERVED];
    int count;
} Sorted;

static int
is_hot(WsState *state, PyObject *connection)
{
    return PyObject_TypeCheck(connection, state->hot_type)
           && ((WsHot *)connection)->fast;
}

/* Note the exception that is set, unless it isn't an Exception: 0 or -1. */
static int
note_failure(PyObject *failures, PyObject *connection)
{
    PyObject *error, *failure;
    int result;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    error = ws_take_error();
    failure = PyTuple_Pack(2, connection, error);
    Py_DECREF(error);
    if (failure == NULL) {
        return -1;
    }
    result = PyList_Append(failures, failure);
    Py_DECREF(failure);
    return result;
}

/* Write a frame; connections that compress remember it by a history, others have NULL.
   0 or -1. */
static int
write_frame(Sorted *sorted, WsState *state, PyObject *connection, PyObject *frame,
            PyObject *history)
{
    WsHot *hot = (WsHot *)connection;
    int sent = ws_send_frame(hot, frame);

    if (sent == 0) {
        return PyList_Append(sorted->rest, connection);
    }
    if (sent > 0 && history != NULL) {
        sent = ws_deflate_adopt(state, hot->deflate, history);
    }
    if (sent >= 0) {
        return 0;
    }
    if (note_failure(sorted->failures, connection) < 0) {
        return -1;
    }
    if (history != NULL) {
        /* Whether the peer gets it is unknown. */
        return ws_deflate_adopt(state, hot->deflate, Py_None) < 0 ? -1 : 0;
    }
    return 0;
}

/* -- distribute() ---------------------------------------------------------- */

/* Put a connection among those that share a compressor: 0 or -1. */
static int
add_member(Sorted *sorted, PyObject *connection, PyObject *lineage)
{
    PyObject *members = PyDict_GetItemWithError(sorted->lineages, lineage);

    if (members != NULL) {
        return PyList_Append(members, connection);
    }
    members = PyErr_Occurred() ? NULL : PyList_New(0);
    if (members == NULL) {
        return -1;
    }
    if (PyList_Append(members, connection) < 0
        || PyDict_SetItem(sorted->lineages, lineage, members) < 0) {
        Py_DECREF(members);
        return -1;
    }
    Py_DECREF(members);
    return 0;
}

/* Return what a lineage gets: from the table, or by calling compress(deflate), which
   returns a frame and a history. NULL with an exception, or without when the table is
   full. */
static Served *
serve(Sorted *sorted, PyObject *compress, PyObject *lineage, PyObject *deflate)
{
    Served *served;
    PyObject *pair;

    for (int i = 0; i < sorted->count; i++) {
        if (sorted->served[i].lineage == lineage) {
            return &sorted->served[i];
        }
    }
    if (sorted->count == SERVED) {
        return NULL;
    }
    /* It's kept alive: its address stands for it. */
    Py_INCREF(lineage);
    pair = PyObject_CallOneArg(compress, deflate);
    if (pair != NULL
        && (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2
            || !PyBytes_CheckExact(PyTuple_GET_ITEM(pair, 0)))) {
        PyErr_SetString(PyExc_TypeError, "compress() must return bytes and a history");
        Py_CLEAR(pair);
    }
    if (pair == NULL) {
        Py_DECREF(lineage);
        return NULL;
    }
    served = &sorted->served[sorted->count++];
    served->lineage = lineage;
    served->frame = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
    served->history = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
    Py_DECREF(pair);
    return served;
}

static void
forget_served(Sorted *sorted)
{
    for (int i = 0; i < sorted->count; i++) {
        Py_DECREF(sorted->served[i].lineage);
        Py_DECREF(sorted->served[i].frame);
        Py_DECREF(sorted->served[i].history);
    }
}

/* Write to a connection that compresses the message, or note that it's left: 0 or -1. */
static int
sort_compressed(Sorted *sorted, WsState *state, PyObject *connection,
                PyObject *compress)
{
    WsHot *hot = (WsHot *)connection;
    PyObject *lineage;
    Served *served;
    int found = ws_deflate_shared(state, hot->deflate, &lineage);

    if (found > 0 && !ws_is_clear(hot)) {
        found = 0;
    }
    if (found == 0) {
        return PyList_Append(sorted->rest, connection);
    }
    if (found > 0) {
        served = serve(sorted, compress, lineage, hot->deflate);
        if (served != NULL) {
            return write_frame(sorted, state, connection, served->frame,
                               served->history);
        }
        found = PyErr_Occurred() ? -1 : add_member(sorted, connection, lineage);
    }
    return found < 0 ? note_failure(sorted->failures, connection) : 0;
}

/* The same for any connection. */
static int
sort(Sorted *sorted, WsState *state, PyObject *connection, PyObject *const *args,
     size_t size)
{
    WsHot *hot = (WsHot *)connection;
    int compressed;

    if (!is_hot(state, connection)) {
        return PyList_Append(sorted->rest, connection);
    }
    /* An empty message is smaller as it is. */
    compressed = hot->deflate == NULL || size == 0
                     ? 0
                     : ws_deflate_wanted(state, hot->deflate, size);
    if (compressed < 0) {
        return note_failure(sorted->failures, connection);
    }
    return compressed ? sort_compressed(sorted, state, connection, args[3])
                      : write_frame(sorted, state, connection, args[1], NULL);
}

/* Connections that are next: taken together, so that the memory can deliver several at a
   time, and what they need while others are written to. */
typedef struct {
    PyObject *iterator; /* NULL: there are no more */
    PyObject *error;    /* that it raised, or NULL */
    PyObject *taken[WINDOW];
    int first;
    int count;
    int room; /* how many may be taken together */
} Audience;

/* Programs see when an iterator of theirs is asked. */
static int
is_collection(PyObject *object)
{
    return PyAnySet_CheckExact(object) || PyList_CheckExact(object)
           || PyTuple_CheckExact(object);
}

static void
look_ahead(Audience *audience, WsState *state)
{
    for (int step = 0; step < WS_AHEAD_FRAME_STEPS; step++) {
        int next = WS_AHEAD_FRAME_STEPS - step;
        PyObject *connection = audience->taken[(audience->first + next) % WINDOW];

        if (next < audience->count && PyObject_TypeCheck(connection, state->hot_type)) {
            ws_ahead_of_frame((WsHot *)connection, step);
        }
    }
}

/* Return the next connection; NULL at the end, or with an exception. */
static PyObject *
next_connection(Audience *audience, WsState *state)
{
    PyObject *connection;

    if (audience->count <= WS_AHEAD_FRAME_STEPS) {
        while (audience->iterator != NULL && audience->count < audience->room) {
            connection = PyIter_Next(audience->iterator);
            if (connection == NULL) {
                audience->error = PyErr_Occurred() ? ws_take_error() : NULL;
                Py_CLEAR(audience->iterator);
                break;
            }
            audience->taken[(audience->first + audience->count++) % WINDOW] = connection;
        }
    }
    if (audience->count == 0) {
        if (audience->error != NULL) {
            ws_raise(audience->error);
            audience->error = NULL;
        }
        return NULL;
    }
    look_ahead(audience, state);
    connection = audience->taken[audience->first];
    audience->first = (audience->first + 1) % WINDOW;
    audience->count--;
    return connection;
}

static void
dismiss(Audience *audience)
{
    Py_CLEAR(audience->iterator);
    Py_CLEAR(audience->error);
    while (audience->count > 0) {
        audience->count--;
        Py_DECREF(audience->taken[(audience->first + audience->count) % WINDOW]);
    }
}

static const char distribute_doc[] =
    "distribute($module, connections, frame, size, compress, /)\n"
    "--\n"
    "\n"
    "Write a server's frame to connections that don't compress a message of that size,\n"
    "and what compress() returns to those that share a compressor. Return connections\n"
    "for the way in Python; lists of them for more compressors, by compressor; and\n"
    "failures, with exceptions.";

static PyObject *
distribute(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    WsState *state = ws_state(module);
    Sorted sorted = {0};
    Audience audience = {0};
    PyObject *connection, *result = NULL;
    size_t size;

    if (nargs != 4 || !PyBytes_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "distribute() takes connections, bytes, a size and a function");
        return NULL;
    }
    size = PyLong_AsSize_t(args[2]);
    if (size == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    audience.iterator = PyObject_GetIter(args[0]);
    if (audience.iterator == NULL) {
        return NULL;
    }
    audience.room = is_collection(args[0]) ? WINDOW : 1;
    sorted.rest = PyList_New(0);
    sorted.failures = PyList_New(0);
    sorted.lineages = PyDict_New();
    if (sorted.rest == NULL || sorted.failures == NULL || sorted.lineages == NULL) {
        goto done;
    }
    while ((connection = next_connection(&audience, state)) != NULL) {
        int sorting = sort(&sorted, state, connection, args, size);

        Py_DECREF(connection);
        if (sorting < 0) {
            goto done;
        }
    }
    if (!PyErr_Occurred()) {
        result = PyTuple_Pack(3, sorted.rest, sorted.lineages, sorted.failures);
    }
done:
    forget_served(&sorted);
    dismiss(&audience);
    Py_XDECREF(sorted.rest);
    Py_XDECREF(sorted.failures);
    Py_XDECREF(sorted.lineages);
    return result;
}

/* -- deliver() ------------------------------------------------------------- */

/* Write a compressed frame to a connection, which remembers it: 0 or -1. */
static int
deliver_one(Sorted *sorted, WsState *state, PyObject *connection, PyObject *frame,
            PyObject *history)
{
    WsHot *hot = (WsHot *)connection;
    PyObject *deflater;
    int found;

    if (!is_hot(state, connection) || hot->client || hot->deflate == NULL) {
        return PyList_Append(sorted->rest, connection);
    }
    found = ws_deflate_shared(state, hot->deflate, &deflater);
    if (found < 0) {
        return note_failure(sorted->failures, connection);
    }
    if (found && deflater == history) {
        /* It's in the group twice; the frame refers to what came before. */
        return PyList_Append(sorted->rest, connection);
    }
    return write_frame(sorted, state, connection, frame, history);
}

static const char deliver_doc[] =
    "deliver($module, group, frame, history, /)\n"
    "--\n"
    "\n"
    "Write a server's compressed frame to connections, which adopt a history.\n"
    "Return those for the way in Python, and failures, with exceptions.";

static PyObject *
deliver(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    WsState *state = ws_state(module);
    Sorted sorted = {0};
    PyObject *result = NULL;

    if (nargs != 3 || !PyList_CheckExact(args[0]) || !PyBytes_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "deliver() takes a list, bytes and a history");
        return NULL;
    }
    sorted.rest = PyList_New(0);
    sorted.failures = PyList_New(0);
    if (sorted.rest == NULL || sorted.failures == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++) {
        PyObject *connection = Py_NewRef(PyList_GET_ITEM(args[0], i));
        int delivered = deliver_one(&sorted, state, connection, args[1], args[2]);

        Py_DECREF(connection);
        if (delivered < 0) {
            goto done;
        }
    }
    result = PyTuple_Pack(2, sorted.rest, sorted.failures);
done:
    Py_XDECREF(sorted.rest);
    Py_XDECREF(sorted.failures);
    return result;
}

static PyMethodDef functions[] = {
    {"distribute", (PyCFunction)(void (*)(void))distribute, METH_FASTCALL,
     distribute_doc},
    {"deliver", (PyCFunction)(void (*)(void))deliver, METH_FASTCALL, deliver_doc},
    {NULL, NULL, 0, NULL},
};

int
ws_add_broadcast(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
