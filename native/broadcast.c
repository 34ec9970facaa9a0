/* Connections in ordinary circumstances are written to here. All others are given back,
   untouched, for the way in Python. */

#include "broadcast.h"

#include "deflate.h"
#include "hot.h"
#include "sending.h"

/* Where connections go that aren't written to. */
typedef struct {
    PyObject *rest;     /* list: to the way in Python */
    PyObject *failures; /* list of (connection, exception) */
    PyObject *lineages; /* dict: lists of connections by the compressor they share */
    PyObject *lineage;  /* the latest key and its list, borrowed from there */
    PyObject *members;
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

/* Write a frame, or note what comes instead: 0 or -1. */
static int
write_frame(Sorted *sorted, PyObject *connection, PyObject *frame)
{
    int sent = ws_send_frame((WsHot *)connection, frame);

    if (sent > 0) {
        return 0;
    }
    return sent == 0 ? PyList_Append(sorted->rest, connection)
                     : note_failure(sorted->failures, connection);
}

/* -- distribute() ---------------------------------------------------------- */

/* Put a connection among those that share a compressor: 0 or -1. */
static int
add_member(Sorted *sorted, PyObject *connection, PyObject *lineage)
{
    if (lineage != sorted->lineage) {
        PyObject *members = PyDict_GetItemWithError(sorted->lineages, lineage);

        if (members == NULL) {
            if (PyErr_Occurred()) {
                return -1;
            }
            members = PyList_New(0);
            if (members == NULL) {
                return -1;
            }
            if (PyDict_SetItem(sorted->lineages, lineage, members) < 0) {
                Py_DECREF(members);
                return -1;
            }
            Py_DECREF(members);
        }
        sorted->lineage = lineage;
        sorted->members = members;
    }
    return PyList_Append(sorted->members, connection);
}

/* Write to one connection, or note that it's left: 0 or -1. */
static int
sort(Sorted *sorted, WsState *state, PyObject *connection, PyObject *frame, size_t size)
{
    WsHot *hot = (WsHot *)connection;
    PyObject *lineage;
    int found;

    if (!is_hot(state, connection)) {
        return PyList_Append(sorted->rest, connection);
    }
    /* An empty message is smaller as it is. */
    found = hot->deflate == NULL || size == 0
                ? 0
                : ws_deflate_wanted(state, hot->deflate, size);
    if (found == 0) {
        return write_frame(sorted, connection, frame);
    }
    if (found > 0) {
        found = ws_deflate_shared(state, hot->deflate, &lineage);
    }
    if (found < 0) {
        return note_failure(sorted->failures, connection);
    }
    if (found == 0 || !ws_is_clear(hot)) {
        return PyList_Append(sorted->rest, connection);
    }
    return add_member(sorted, connection, lineage) < 0
               ? note_failure(sorted->failures, connection)
               : 0;
}

static const char distribute_doc[] =
    "distribute($module, connections, frame, size, /)\n"
    "--\n"
    "\n"
    "Write a server's frame to connections that don't compress a message of that size.\n"
    "Return those for the way in Python; lists of those that share a compressor, by\n"
    "compressor; and failures, with exceptions.";

static PyObject *
distribute(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    WsState *state = ws_state(module);
    Sorted sorted = {NULL, NULL, NULL, NULL, NULL};
    PyObject *iterator, *connection, *result = NULL;
    size_t size;

    if (nargs != 3 || !PyBytes_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "distribute() takes connections, bytes and a size");
        return NULL;
    }
    size = PyLong_AsSize_t(args[2]);
    if (size == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    iterator = PyObject_GetIter(args[0]);
    if (iterator == NULL) {
        return NULL;
    }
    sorted.rest = PyList_New(0);
    sorted.failures = PyList_New(0);
    sorted.lineages = PyDict_New();
    if (sorted.rest == NULL || sorted.failures == NULL || sorted.lineages == NULL) {
        goto done;
    }
    while ((connection = PyIter_Next(iterator)) != NULL) {
        int sorting = sort(&sorted, state, connection, args[1], size);

        Py_DECREF(connection);
        if (sorting < 0) {
            goto done;
        }
    }
    if (!PyErr_Occurred()) {
        result = PyTuple_Pack(3, sorted.rest, sorted.lineages, sorted.failures);
    }
done:
    Py_DECREF(iterator);
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
    PyObject *deflater = NULL;
    int found = 0;

    if (is_hot(state, connection) && !hot->client && hot->deflate != NULL) {
        found = ws_deflate_shared(state, hot->deflate, &deflater);
        /* Who is in the group twice gets the frame once: it refers to what came before. */
        if (found >= 0) {
            found = found && deflater == history ? 0 : ws_send_frame(hot, frame);
        }
        if (found > 0) {
            found = ws_deflate_adopt(state, hot->deflate, history);
        }
    }
    if (found >= 0) {
        return found ? 0 : PyList_Append(sorted->rest, connection);
    }
    if (note_failure(sorted->failures, connection) < 0) {
        return -1;
    }
    /* Whether the peer gets it is unknown. */
    return ws_deflate_adopt(state, hot->deflate, Py_None) < 0 ? -1 : 0;
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
    Sorted sorted = {NULL, NULL, NULL, NULL, NULL};
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
