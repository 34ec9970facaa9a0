/* TLS on top of another transport: what Python sees. */

#include "tls_engine.h"
#include "tls_type.h"

#ifdef WS_SOCKETS

#include <structmember.h>

/* -- asyncio.BaseTransport */

/* What the SSLObject knows; a new reference, or NULL. Without an exception: it isn't
   the SSLObject that knows. */
static PyObject *
ask_tls(WsTls *self, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "ssl_object") == 0) {
        return Py_NewRef(self->object);
    }
    if (PyUnicode_CompareWithASCIIString(name, "sslcontext") == 0) {
        return PyObject_GetAttr(self->object, NAME(self, WS_CONTEXT));
    }
    if (PyUnicode_CompareWithASCIIString(name, "peercert") == 0) {
        return PyObject_CallMethodNoArgs(self->object, NAME(self, WS_GET_PEER_CERTIFICATE));
    }
    if (PyUnicode_CompareWithASCIIString(name, "cipher") == 0) {
        return PyObject_CallMethodNoArgs(self->object, NAME(self, WS_CIPHER));
    }
    if (PyUnicode_CompareWithASCIIString(name, "compression") == 0) {
        return PyObject_CallMethodNoArgs(self->object, NAME(self, WS_COMPRESSION));
    }
    return NULL;
}

static PyObject *
get_extra_info(WsTls *self, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"name", "default", NULL};
    PyObject *otherwise = Py_None;
    PyObject *name;
    PyObject *found;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O:get_extra_info", keywords, &name,
                                     &otherwise)) {
        return NULL;
    }
    if (PyUnicode_Check(name) && ((found = ask_tls(self, name)) != NULL || PyErr_Occurred())) {
        return found;
    }
    return PyObject_CallMethodObjArgs(self->below, NAME(self, WS_GET_EXTRA_INFO), name,
                                      otherwise, NULL);
}

static PyObject *
is_closing(WsTls *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(ws_transport_closing((PyObject *)self));
}

static PyObject *
close_transport(WsTls *self, PyObject *Py_UNUSED(none))
{
    return ws_tls_close(self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
abort_transport(WsTls *self, PyObject *Py_UNUSED(none))
{
    return ws_tls_method_fail(self, Py_None);
}

static PyObject *
set_protocol(WsTls *self, PyObject *protocol)
{
    if (self->phase != WS_TLS_LOST && ws_tls_set_protocol(self, protocol) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_protocol(WsTls *self, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(self->protocol == NULL ? Py_None : self->protocol);
}

/* -- asyncio.ReadTransport */

static PyObject *
is_reading(WsTls *self, PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(!self->closing && !self->reading_paused);
}

/* -- asyncio.WriteTransport */

static PyObject *
write_data(WsTls *self, PyObject *data)
{
    struct iovec part;
    Py_buffer view;
    int rc = 0;

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
    if (part.iov_len > 0) {
        rc = ws_tls_send((PyObject *)self, &part, 1, NULL);
    }
    PyBuffer_Release(&view);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
write_lines(WsTls *self, PyObject *lines)
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *data = nothing == NULL ? NULL
                                     : PyObject_CallMethod(nothing, "join", "O", lines);
    PyObject *result = data == NULL ? NULL : write_data(self, data);

    Py_XDECREF(nothing);
    Py_XDECREF(data);
    return result;
}

/* TLS has no half-close that programs could rely on. */
static PyObject *
write_eof(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyObject *
can_write_eof(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    Py_RETURN_FALSE;
}

static PyObject *
get_write_buffer_size(WsTls *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromSize_t(ws_transport_unsent(self->below));
}

static PyObject *
get_write_buffer_limits(WsTls *self, PyObject *Py_UNUSED(none))
{
    return PyObject_CallMethodNoArgs(self->below, NAME(self, WS_GET_WRITE_BUFFER_LIMITS));
}

/* The transport below holds what waits, and pauses whom it belongs to. */
static PyObject *
set_write_buffer_limits(WsTls *self, PyObject *args, PyObject *kwds)
{
    PyObject *method = PyObject_GetAttr(self->below, NAME(self, WS_SET_WRITE_BUFFER_LIMITS));
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwds);

    Py_XDECREF(method);
    return result;
}

/* -- the object */

static int
make(WsTls *self, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"loop", "below", "protocol", "ssl_object", "engine",
                               "incoming", "outgoing", "driver", NULL};
    PyObject *loop, *below, *protocol, *object, *engine, *incoming, *outgoing, *driver;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOOOOOOO:TlsTransport", keywords, &loop,
                                     &below, &protocol, &object, &engine, &incoming,
                                     &outgoing, &driver)) {
        return -1;
    }
    if (!ws_is_transport(self->state, below)) {
        PyErr_Format(PyExc_TypeError, "TLS needs a transport of ours, not %R", below);
        return -1;
    }
    if (ws_tls_set_protocol(self, protocol) < 0) {
        return -1;
    }
    self->loop = Py_NewRef(loop);
    self->below = Py_NewRef(below);
    self->object = Py_NewRef(object);
    self->engine = Py_NewRef(engine);
    self->incoming = Py_NewRef(incoming);
    self->outgoing = Py_NewRef(outgoing);
    self->quick = ws_ssl_knows(&self->state->transports->ssl, engine, incoming, outgoing);
    self->driver = Py_NewRef(driver);
    return 0;
}

static PyObject *
create(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    WsTls *self = (WsTls *)type->tp_alloc(type, 0);

    if (self == NULL) {
        return NULL;
    }
    self->base.ops = &ws_tls_ops;
    self->state = ws_state(PyType_GetModule(type));
    /* Here, since no method works without. */
    if (make(self, args, kwds) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
init(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwds))
{
    return 0; /* that of asyncio.Transport has nothing to do */
}

static PyObject *
repr(WsTls *self)
{
    static const char *const phases[] = {"opening", "open", "closing", "closed"};

    return PyUnicode_FromFormat("<TlsTransport %s over %R>", phases[self->phase],
                                self->below);
}

static int
traverse(WsTls *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->base.slot);
    Py_VISIT(self->loop);
    Py_VISIT(self->protocol);
    Py_VISIT(self->driver);
    Py_VISIT(self->below);
    Py_VISIT(self->object);
    Py_VISIT(self->engine);
    Py_VISIT(self->incoming);
    Py_VISIT(self->outgoing);
    return 0;
}

/* Part of a cycle that nobody uses any more; the methods still have to work. */
static int
clear(WsTls *self)
{
    self->receiver = NULL;
    self->phase = WS_TLS_LOST;
    self->closing = 1;
    Py_CLEAR(self->base.slot);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->protocol);
    Py_CLEAR(self->driver);
    return 0;
}

static void
dealloc(WsTls *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    (void)clear(self);
    Py_XDECREF(self->below);
    Py_XDECREF(self->object);
    Py_XDECREF(self->engine);
    Py_XDECREF(self->incoming);
    Py_XDECREF(self->outgoing);
    PyMem_Free(self->own);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

#define METHOD(name, function, flags) {name, (PyCFunction)function, flags, NULL}

static PyMethodDef methods[] = {
    METHOD("abort", abort_transport, METH_NOARGS),
    METHOD("can_write_eof", can_write_eof, METH_NOARGS),
    METHOD("close", close_transport, METH_NOARGS),
    METHOD("connection_lost", ws_tls_method_connection_lost, METH_O),
    METHOD("data_received", ws_tls_method_data_received, METH_O),
    METHOD("discard", ws_tls_method_discard, METH_NOARGS),
    METHOD("eof_received", ws_tls_method_eof_received, METH_NOARGS),
    METHOD("fail", ws_tls_method_fail, METH_O),
    METHOD("flush", ws_tls_method_flush, METH_NOARGS),
    {"get_extra_info", (PyCFunction)(void (*)(void))get_extra_info,
     METH_VARARGS | METH_KEYWORDS, NULL},
    METHOD("get_protocol", get_protocol, METH_NOARGS),
    METHOD("get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS),
    METHOD("get_write_buffer_size", get_write_buffer_size, METH_NOARGS),
    METHOD("is_closing", is_closing, METH_NOARGS),
    METHOD("is_reading", is_reading, METH_NOARGS),
    METHOD("open", ws_tls_method_open, METH_NOARGS),
    METHOD("pause_reading", ws_tls_method_pause_reading, METH_NOARGS),
    METHOD("pause_writing", ws_tls_method_pause_writing, METH_NOARGS),
    METHOD("resume_reading", ws_tls_method_resume_reading, METH_NOARGS),
    METHOD("resume_writing", ws_tls_method_resume_writing, METH_NOARGS),
    METHOD("set_protocol", set_protocol, METH_O),
    {"set_write_buffer_limits", (PyCFunction)(void (*)(void))set_write_buffer_limits,
     METH_VARARGS | METH_KEYWORDS, NULL},
    METHOD("write", write_data, METH_O),
    METHOD("write_eof", write_eof, METH_NOARGS),
    METHOD("writelines", write_lines, METH_O),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(WsTls, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "TlsTransport(loop, below, protocol, ssl_object, engine, incoming, outgoing, "
                "driver)\n"
                "--\n"
                "\n"
                "A transport that runs TLS on top of another one."},
    {Py_tp_new, create},
    {Py_tp_init, init},
    {Py_tp_repr, repr},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.TlsTransport",
    .basicsize = sizeof(WsTls),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

PyTypeObject *
ws_make_tls_type(PyObject *module, PyObject *transport_type)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, transport_type);
}

#endif
