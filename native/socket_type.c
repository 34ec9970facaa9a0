/* Transports over a socket: what Python sees. */

#include "socket.h"

#ifdef WS_SOCKETS

#include <structmember.h>

#include "poller.h"

/* -- asyncio.BaseTransport */

/* Return the socket.socket that owns the descriptor from now on; borrowed. */
static PyObject *
python_socket(WsSocket *self)
{
    PyObject *keywords;
    PyObject *nothing;
    PyObject *socket = NULL;

    if (self->socket != NULL) {
        return self->socket;
    }
    keywords = Py_BuildValue("{s:i}", "fileno", self->fd);
    nothing = PyTuple_New(0);
    if (keywords != NULL && nothing != NULL) {
        socket = PyObject_Call(self->state->transports->socket_class, nothing, keywords);
    }
    Py_XDECREF(keywords);
    Py_XDECREF(nothing);
    self->socket = socket;
    if (socket != NULL && ws_call(socket, NAME(self, WS_SETBLOCKING), Py_False) < 0) {
        return NULL;
    }
    return socket;
}

static PyObject *
get_extra_info(WsSocket *self, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"name", "default", NULL};
    PyObject *otherwise = Py_None;
    PyObject *found = NULL;
    PyObject *name;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O:get_extra_info", keywords, &name,
                                     &otherwise)) {
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        return Py_NewRef(otherwise);
    }
    if (PyUnicode_CompareWithASCIIString(name, "peername") == 0) {
        return ws_socket_peer_name(self);
    }
    if (PyUnicode_CompareWithASCIIString(name, "sockname") == 0) {
        return ws_socket_local_name(self);
    }
    if (PyUnicode_CompareWithASCIIString(name, "socket") == 0 && self->fd >= 0) {
        found = python_socket(self);
        return found == NULL
                   ? NULL
                   : PyObject_CallOneArg(
                         self->state->transports->transport_socket_class, found);
    }
    return Py_NewRef(otherwise);
}

static PyObject *
start(WsSocket *self, PyObject *protocol)
{
    if (self->fd < 0 || self->protocol != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a transport is started once");
        return NULL;
    }
    return ws_socket_start(self, protocol) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Hand the socket to somebody else; the transport doesn't call its protocol again. Not for
   programs, whose tasks would wait for it: asyncio's transports have no such method. */
static PyObject *
detach(WsSocket *self, PyObject *Py_UNUSED(none))
{
    if (self->lost) {
        PyErr_SetString(PyExc_ConnectionResetError, "connection lost");
        return NULL;
    }
    if (self->outgoing.size > 0) {
        PyErr_Format(PyExc_BlockingIOError, "%zu bytes wait to be written",
                     self->outgoing.size);
        return NULL;
    }
    return python_socket(self) == NULL ? NULL : ws_socket_detach(self);
}

static PyObject *
is_closing(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(self->closing);
}

static PyObject *
close_transport(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return ws_socket_close(self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
abort_transport(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return ws_socket_force_close(self, Py_None) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
set_protocol(WsSocket *self, PyObject *protocol)
{
    return ws_socket_set_protocol(self, protocol) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
get_protocol(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(self->protocol == NULL ? Py_None : self->protocol);
}

/* -- asyncio.ReadTransport */

static PyObject *
is_reading(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(!self->closing && !self->reading_paused);
}

static PyObject *
pause_reading(WsSocket *self, PyObject *Py_UNUSED(none))
{
    if (!self->closing) {
        self->reading_paused = 1;
    }
    Py_RETURN_NONE;
}

static PyObject *
resume_reading(WsSocket *self, PyObject *Py_UNUSED(none))
{
    if (self->closing || !self->reading_paused) {
        Py_RETURN_NONE;
    }
    self->reading_paused = 0;
    if (!self->got_eof && ws_socket_watch(self, self->watched | WS_READING) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* -- asyncio.WriteTransport */

static PyObject *
write_data(WsSocket *self, PyObject *data)
{
    struct iovec part;
    Py_buffer view;
    int rc;

    if (PyBytes_CheckExact(data)) {
        return ws_socket_write_bytes(self, data) < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        return PyErr_Format(PyExc_TypeError,
                            "data argument must be a bytes-like object, not %R",
                            ((PyObject *)Py_TYPE(data)));
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    part.iov_base = view.buf;
    part.iov_len = (size_t)view.len;
    rc = ws_socket_send((PyObject *)self, &part, 1, NULL);
    PyBuffer_Release(&view);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
write_lines(WsSocket *self, PyObject *lines)
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *data
        = nothing == NULL ? NULL
                          : PyObject_CallMethodOneArg(nothing, NAME(self, WS_JOIN), lines);
    PyObject *result = data == NULL ? NULL : write_data(self, data);

    Py_XDECREF(nothing);
    Py_XDECREF(data);
    return result;
}

static PyObject *
write_eof(WsSocket *self, PyObject *Py_UNUSED(none))
{
    if (self->closing || self->wrote_eof) {
        Py_RETURN_NONE;
    }
    self->wrote_eof = 1;
    if (self->outgoing.size == 0 && ws_socket_shutdown(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
can_write_eof(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    Py_RETURN_TRUE;
}

static PyObject *
get_write_buffer_size(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromSize_t(self->outgoing.size);
}

static PyObject *
get_write_buffer_limits(WsSocket *self, PyObject *Py_UNUSED(none))
{
    return Py_BuildValue("(nn)", (Py_ssize_t)self->low, (Py_ssize_t)self->high);
}

static PyObject *
set_write_buffer_limits(WsSocket *self, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"high", "low", NULL};
    PyObject *objects[2] = {Py_None, Py_None};
    Py_ssize_t values[2] = {0, 0};

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|OO:set_write_buffer_limits", keywords,
                                     &objects[0], &objects[1])) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (objects[i] != Py_None) {
            values[i] = PyNumber_AsSsize_t(objects[i], PyExc_OverflowError);
            if (values[i] == -1 && PyErr_Occurred()) {
                return NULL;
            }
        }
    }
    if (objects[0] == Py_None) {
        values[0] = objects[1] == Py_None             ? WS_HIGH_WATER
                    : values[1] > PY_SSIZE_T_MAX / 4 ? PY_SSIZE_T_MAX
                                                      : 4 * values[1];
    }
    if (objects[1] == Py_None) {
        values[1] = values[0] / 4;
    }
    if (values[1] < 0 || values[0] < values[1]) {
        return PyErr_Format(PyExc_ValueError,
                            "high (%zd) must be >= low (%zd) must be >= 0", values[0],
                            values[1]);
    }
    self->high = (size_t)values[0];
    self->low = (size_t)values[1];
    return ws_socket_check_high(self) < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- the object */

static PyObject *
repr(WsSocket *self)
{
    if (self->fd < 0) {
        return PyUnicode_FromString("<SocketTransport closed>");
    }
    return PyUnicode_FromFormat("<SocketTransport fd=%d %s, %zu bytes to write>", self->fd,
                                self->closing ? "closing" : "open", self->outgoing.size);
}

static void
finalize(WsSocket *self)
{
    PyObject *exc;

    if (self->fd < 0) {
        return;
    }
#if PY_VERSION_HEX >= 0x030C0000
    exc = PyErr_GetRaisedException();
#else
    PyObject *type;
    PyObject *traceback;

    PyErr_Fetch(&type, &exc, &traceback);
#endif
    if (PyErr_ResourceWarning((PyObject *)self, 1, "unclosed transport %R", self) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    if (ws_socket_release(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exc);
#else
    PyErr_Restore(type, exc, traceback);
#endif
}

static int
traverse(WsSocket *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->base.slot);
    Py_VISIT(self->loop);
    Py_VISIT(self->protocol);
    Py_VISIT(self->poller);
    Py_VISIT(self->socket);
    Py_VISIT(self->timer);
    return 0;
}

static int
clear(WsSocket *self)
{
    self->receiver = NULL;
    Py_CLEAR(self->base.slot);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->poller);
    Py_CLEAR(self->socket);
    Py_CLEAR(self->timer);
    return 0;
}

static void
dealloc(WsSocket *self)
{
    PyTypeObject *type = Py_TYPE(self);

    if (PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    ws_outgoing_clear(&self->outgoing);
    Py_XDECREF(self->local_name);
    Py_XDECREF(self->peer_name);
    (void)clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"abort", (PyCFunction)abort_transport, METH_NOARGS, NULL},
    {"can_write_eof", can_write_eof, METH_NOARGS, NULL},
    {"close", (PyCFunction)close_transport, METH_NOARGS, NULL},
    {"_detach", (PyCFunction)detach, METH_NOARGS, NULL},
    {"get_extra_info", (PyCFunction)(void (*)(void))get_extra_info,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"get_protocol", (PyCFunction)get_protocol, METH_NOARGS, NULL},
    {"get_write_buffer_limits", (PyCFunction)get_write_buffer_limits, METH_NOARGS, NULL},
    {"get_write_buffer_size", (PyCFunction)get_write_buffer_size, METH_NOARGS, NULL},
    {"is_closing", (PyCFunction)is_closing, METH_NOARGS, NULL},
    {"is_reading", (PyCFunction)is_reading, METH_NOARGS, NULL},
    {"pause_reading", (PyCFunction)pause_reading, METH_NOARGS, NULL},
    {"resume_reading", (PyCFunction)resume_reading, METH_NOARGS, NULL},
    {"set_protocol", (PyCFunction)set_protocol, METH_O, NULL},
    {"set_write_buffer_limits", (PyCFunction)(void (*)(void))set_write_buffer_limits,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"start", (PyCFunction)start, METH_O, NULL},
    {"write", (PyCFunction)write_data, METH_O, NULL},
    {"write_eof", (PyCFunction)write_eof, METH_NOARGS, NULL},
    {"writelines", (PyCFunction)write_lines, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(WsSocket, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "SocketTransport(loop, sock)\n"
                "--\n"
                "\n"
                "A transport that reads and writes a connected socket by itself."},
    {Py_tp_new, ws_socket_create},
    {Py_tp_init, ws_socket_init},
    {Py_tp_repr, repr},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_finalize, finalize},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.SocketTransport",
    .basicsize = sizeof(WsSocket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

PyTypeObject *
ws_make_socket_type(PyObject *module, PyObject *transport_type)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, transport_type);
}

#endif
