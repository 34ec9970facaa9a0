/* A call from Python makes objects for its arguments, a memoryview above all, and looks
   the method up. For a small record that takes a third as long as TLS itself, so ssl's
   own functions are called where they are. One object stands for all memory: it lends
   whatever it was last set to, and who has borrowed that keeps it. */

#include "tls_engine.h"

#ifdef WS_SOCKETS

typedef PyObject *(*FastFunction)(PyObject *, PyObject *const *, Py_ssize_t);

/* -- the ssl module -------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    void *memory;
    Py_ssize_t size;
} Span;

static int
span_lend(Span *span, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, (PyObject *)span, span->memory, span->size, 0, flags);
}

static void
span_dealloc(Span *span)
{
    PyTypeObject *type = Py_TYPE(span);

    PyObject_Free(span);
    Py_DECREF(type);
}

static PyType_Slot span_slots[] = {
    {Py_tp_doc, "Memory, for a moment."},
    {Py_tp_dealloc, span_dealloc},
    {Py_bf_getbuffer, span_lend},
    {0, NULL},
};

static PyType_Spec span_spec = {
    .name = "websockets.speedups.Span",
    .basicsize = sizeof(Span),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = span_slots,
};

/* A method in C with a signature that we know; NULL without an exception if it's another
   one. */
static PyCFunction
find(PyObject *type, const char *name, int flags)
{
    PyObject *method = PyObject_GetAttrString(type, name);
    PyCFunction function = NULL;

    if (method == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (Py_IS_TYPE(method, &PyMethodDescr_Type)) {
        PyMethodDef *definition = ((PyMethodDescrObject *)method)->d_method;

        function = definition->ml_flags == flags ? definition->ml_meth : NULL;
    }
    Py_DECREF(method);
    return function;
}

int
ws_ssl_load(WsSsl *ssl)
{
    PyObject *module = PyImport_ImportModule("_ssl");
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&span_spec);

    ws_ssl_clear(ssl); /* of an attempt before */
    if (type != NULL) {
        ssl->span = PyType_GenericAlloc((PyTypeObject *)type, 0);
        Py_DECREF(type);
    }
    if (ssl->span != NULL) {
        /* Zero: as much as fits. */
        ssl->read_args = Py_BuildValue("iO", 0, ssl->span);
    }
    if (ssl->read_args != NULL) {
        ssl->engine_type = PyObject_GetAttrString(module, "_SSLSocket");
        ssl->bio_type = PyObject_GetAttrString(module, "MemoryBIO");
    }
    Py_XDECREF(module);
    if (ssl->engine_type == NULL || ssl->bio_type == NULL) {
        return -1;
    }
    ssl->read = find(ssl->engine_type, "read", METH_VARARGS);
    ssl->write = find(ssl->engine_type, "write", METH_O);
    ssl->rest = find(ssl->engine_type, "pending", METH_NOARGS);
    ssl->put = find(ssl->bio_type, "write", METH_O);
    ssl->take = find(ssl->bio_type, "read", METH_FASTCALL);
    return 0;
}

int
ws_ssl_traverse(WsSsl *ssl, visitproc visit, void *arg)
{
    Py_VISIT(ssl->engine_type);
    Py_VISIT(ssl->bio_type);
    Py_VISIT(ssl->read_args);
    Py_VISIT(ssl->span);
    return 0;
}

void
ws_ssl_clear(WsSsl *ssl)
{
    Py_CLEAR(ssl->engine_type);
    Py_CLEAR(ssl->bio_type);
    Py_CLEAR(ssl->read_args);
    Py_CLEAR(ssl->span);
}

int
ws_ssl_knows(const WsSsl *ssl, PyObject *engine, PyObject *incoming, PyObject *outgoing)
{
    return (PyObject *)Py_TYPE(engine) == ssl->engine_type
           && (PyObject *)Py_TYPE(incoming) == ssl->bio_type
           && (PyObject *)Py_TYPE(outgoing) == ssl->bio_type && ssl->read != NULL
           && ssl->write != NULL && ssl->rest != NULL && ssl->put != NULL
           && ssl->take != NULL;
}

/* Have the one object stand for memory, until the next call. */
static PyObject *
lend(WsSsl *ssl, const uint8_t *data, size_t size)
{
    Span *span = (Span *)ssl->span;

    span->memory = (void *)data;
    span->size = (Py_ssize_t)size;
    return ssl->span;
}

/* -- MemoryBIOs ------------------------------------------------------------ */

int
ws_tls_put(WsTls *self, const uint8_t *data, size_t size)
{
    WsSsl *ssl = &self->state->transports->ssl;
    PyObject *view;
    PyObject *result;

    if (self->quick) {
        result = ssl->put(self->incoming, lend(ssl, data, size));
        Py_XDECREF(result);
        return result == NULL ? -1 : 0;
    }
    view = PyMemoryView_FromMemory((char *)data, (Py_ssize_t)size, PyBUF_READ);
    if (view == NULL) {
        return -1;
    }
    result = PyObject_CallMethodOneArg(self->incoming, NAME(self, WS_WRITE), view);
    Py_DECREF(view);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
ws_tls_check_bytes(PyObject *data)
{
    if (PyBytes_Check(data)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "read() returned %R, not bytes", data);
    return -1;
}

PyObject *
ws_tls_take(WsTls *self)
{
    PyObject *data;

    if (self->quick) {
        FastFunction take = (FastFunction)(void (*)(void))self->state->transports->ssl.take;

        return take(self->outgoing, NULL, 0);
    }
    data = PyObject_CallMethodNoArgs(self->outgoing, NAME(self, WS_READ));
    if (data != NULL && ws_tls_check_bytes(data) < 0) {
        Py_CLEAR(data);
    }
    return data;
}

Py_ssize_t
ws_tls_waiting(WsTls *self)
{
    PyObject *number = PyObject_GetAttr(self->outgoing, NAME(self, WS_PENDING));
    Py_ssize_t waiting = number == NULL ? -1 : PyLong_AsSsize_t(number);

    Py_XDECREF(number);
    return waiting;
}

/* -- the SSLObject --------------------------------------------------------- */

/* TLS didn't return data: why not? */
static WsOutcome
failure(WsTls *self)
{
    if (PyErr_ExceptionMatches(self->state->transports->want_read)) {
        PyErr_Clear();
        return WS_NOTHING_LEFT;
    }
    return WS_FAILED;
}

PyObject *
ws_tls_read(WsTls *self, size_t size, PyObject *buffer, WsOutcome *outcome)
{
    PyObject *args[3] = {self->engine, NULL, buffer};
    PyObject *result = NULL;

    args[1] = PyLong_FromSize_t(size);
    if (args[1] != NULL) {
        result = PyObject_VectorcallMethod(
            NAME(self, WS_READ), args,
            (buffer == NULL ? 2 : 3) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
    }
    if (result == NULL) {
        *outcome = failure(self);
    }
    return result;
}

/* The same into memory. */
static PyObject *
read_into(WsTls *self, uint8_t *buffer, size_t size, WsOutcome *outcome)
{
    WsSsl *ssl = &self->state->transports->ssl;
    PyObject *view;
    PyObject *result;

    if (self->quick) {
        lend(ssl, buffer, size);
        result = ssl->read(self->engine, ssl->read_args);
        if (result == NULL) {
            *outcome = failure(self);
        }
        return result;
    }
    view = PyMemoryView_FromMemory((char *)buffer, (Py_ssize_t)size, PyBUF_WRITE);
    if (view == NULL) {
        *outcome = WS_FAILED;
        return NULL;
    }
    result = ws_tls_read(self, size, view, outcome);
    Py_DECREF(view);
    return result;
}

size_t
ws_tls_get(WsTls *self, uint8_t *buffer, size_t room, WsOutcome *outcome)
{
    size_t size = room < INT32_MAX ? room : INT32_MAX;
    PyObject *result = read_into(self, buffer, size, outcome);
    Py_ssize_t count;

    if (result == NULL) {
        return 0;
    }
    count = PyLong_AsSsize_t(result);
    Py_DECREF(result);
    if ((count < 0 || count > (Py_ssize_t)size) && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "read() returned %zd, for %zu bytes", count, size);
        count = -1;
    }
    *outcome = count < 0 ? WS_FAILED : count == 0 ? WS_GOODBYE : WS_DATA;
    return count < 0 ? 0 : (size_t)count;
}

Py_ssize_t
ws_tls_rest(WsTls *self)
{
    PyObject *number = self->quick ? self->state->transports->ssl.rest(self->engine, NULL)
                                   : PyObject_CallMethodNoArgs(self->engine,
                                                               NAME(self, WS_PENDING));
    Py_ssize_t rest = number == NULL ? -1 : PyLong_AsSsize_t(number);

    Py_XDECREF(number);
    if (rest < 0 && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "pending() returned %zd", rest);
    }
    return rest;
}

Py_ssize_t
ws_tls_write(WsTls *self, const uint8_t *data, size_t size)
{
    WsSsl *ssl = &self->state->transports->ssl;
    PyObject *view = NULL;
    PyObject *result = NULL;
    Py_ssize_t written;

    if (self->quick) {
        result = ssl->write(self->engine, lend(ssl, data, size));
    }
    else {
        view = PyMemoryView_FromMemory((char *)data, (Py_ssize_t)size, PyBUF_READ);
    }
    if (view != NULL) {
        result = PyObject_CallMethodOneArg(self->engine, NAME(self, WS_WRITE), view);
        Py_DECREF(view);
    }
    written = result == NULL ? -1 : PyLong_AsSsize_t(result);
    Py_XDECREF(result);
    if ((written <= 0 || written > (Py_ssize_t)size) && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "write() returned %zd, for %zu bytes", written, size);
        written = -1;
    }
    return written;
}

#endif
