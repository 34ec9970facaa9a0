/* TLS on top of another transport: what the driver and the transport below call. */

#include "tls_engine.h"

#ifdef WS_SOCKETS

#include "tls_type.h"

int
ws_tls_set_protocol(WsTls *self, PyObject *protocol)
{
    int buffered = ws_take_protocol(self->state, protocol, &self->protocol, &self->receiver);

    if (buffered < 0) {
        return -1;
    }
    self->buffered = buffered;
    return 0;
}

/* -- the driver ------------------------------------------------------------ */

PyObject *
ws_tls_method_open(WsTls *self, PyObject *Py_UNUSED(none))
{
    PyObject *data;
    int rc;

    if (self->phase != WS_TLS_OPENING || self->closing) {
        PyErr_SetString(PyExc_RuntimeError, "TLS is opened once");
        return NULL;
    }
    /* From here on, records are counted. TLS doesn't read beyond the one it needs. */
    data = PyObject_CallMethodNoArgs(self->incoming, NAME(self, WS_READ));
    if (data == NULL || ws_tls_check_bytes(data) < 0) {
        Py_XDECREF(data);
        return NULL;
    }
    self->phase = WS_TLS_OPEN;
    rc = ws_tls_process(self, (uint8_t *)PyBytes_AS_STRING(data),
                        (size_t)PyBytes_GET_SIZE(data));
    Py_DECREF(data);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
ws_tls_method_flush(WsTls *self, PyObject *Py_UNUSED(none))
{
    return ws_tls_flush(self) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
ws_tls_method_discard(WsTls *self, PyObject *Py_UNUSED(none))
{
    int goodbye = ws_tls_discard(self);

    return goodbye < 0 ? NULL : PyBool_FromLong(goodbye);
}

PyObject *
ws_tls_method_fail(WsTls *self, PyObject *exc)
{
    return ws_tls_abort((PyObject *)self, exc) < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- the protocol that the transport below calls --------------------------- */

PyObject *
ws_tls_method_data_received(WsTls *self, PyObject *data)
{
    Py_buffer view;
    int rc;

    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    rc = ws_tls_receive(self, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* The stream ended below, with or without a goodbye: as in asyncio, that's the end. */
static int
end(WsTls *self)
{
    int rc = ws_tls_tell_eof(self);

    if (self->phase == WS_TLS_OPEN) {
        self->phase = WS_TLS_CLOSING;
        self->closing = 1;
    }
    return rc;
}

PyObject *
ws_tls_method_eof_received(WsTls *self, PyObject *Py_UNUSED(none))
{
    int rc = 0;

    self->got_eof = 1;
    if (self->phase == WS_TLS_OPEN && (self->records > 0 || self->resuming)) {
        Py_RETURN_TRUE; /* the protocol doesn't read at the moment */
    }
    if (self->phase == WS_TLS_OPEN) {
        rc = end(self);
    }
    else if (self->phase != WS_TLS_LOST) {
        rc = ws_call(self->driver, NAME(self, WS_END), NULL);
    }
    return rc < 0 ? NULL : Py_NewRef(Py_False);
}

PyObject *
ws_tls_method_connection_lost(WsTls *self, PyObject *exc)
{
    PyObject *driver = self->driver;
    PyObject *protocol = self->protocol;
    int rc;

    if (self->phase == WS_TLS_LOST) {
        Py_RETURN_NONE;
    }
    self->phase = WS_TLS_LOST;
    self->closing = 1;
    self->receiver = NULL;
    self->driver = NULL;
    rc = ws_call(driver, NAME(self, WS_LOST), exc);
    if (rc == 0) {
        rc = ws_call(protocol, NAME(self, WS_CONNECTION_LOST), exc);
    }
    self->protocol = NULL;
    Py_CLEAR(self->loop);
    Py_DECREF(driver);
    Py_DECREF(protocol);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
ws_tls_method_pause_writing(WsTls *self, PyObject *Py_UNUSED(none))
{
    if (self->phase == WS_TLS_LOST) {
        Py_RETURN_NONE;
    }
    return ws_call(self->protocol, NAME(self, WS_PAUSE_WRITING), NULL) < 0
               ? NULL
               : Py_NewRef(Py_None);
}

PyObject *
ws_tls_method_resume_writing(WsTls *self, PyObject *Py_UNUSED(none))
{
    if (self->phase == WS_TLS_LOST) {
        Py_RETURN_NONE;
    }
    return ws_call(self->protocol, NAME(self, WS_RESUME_WRITING), NULL) < 0
               ? NULL
               : Py_NewRef(Py_None);
}

/* -- asyncio.ReadTransport ------------------------------------------------- */

PyObject *
ws_tls_method_pause_reading(WsTls *self, PyObject *Py_UNUSED(none))
{
    if (self->closing || self->reading_paused) {
        Py_RETURN_NONE;
    }
    self->reading_paused = 1;
    return ws_call(self->below, NAME(self, WS_PAUSE_READING), NULL) < 0 ? NULL
                                                                        : Py_NewRef(Py_None);
}

/* Process what waited, then read on. */
static int
go_on(WsTls *self)
{
    if (self->reading_paused || self->phase != WS_TLS_OPEN) {
        return 0;
    }
    if (ws_tls_process(self, NULL, 0) < 0) {
        return -1;
    }
    if (self->reading_paused || self->phase != WS_TLS_OPEN) {
        return 0;
    }
    if (!self->got_eof) {
        return ws_call(self->below, NAME(self, WS_RESUME_READING), NULL);
    }
    return end(self) < 0 ? -1 : ws_call(self->below, NAME(self, WS_CLOSE), NULL);
}

static PyObject *
go_on_soon(PyObject *object, PyObject *Py_UNUSED(none))
{
    WsTls *self = (WsTls *)object;
    int rc;

    self->resuming = 0;
    Py_INCREF(object);
    rc = go_on(self);
    Py_DECREF(object);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef go_on_method = {"go_on", go_on_soon, METH_NOARGS, NULL};

PyObject *
ws_tls_method_resume_reading(WsTls *self, PyObject *Py_UNUSED(none))
{
    PyObject *callback;
    int rc;

    if (self->closing || !self->reading_paused) {
        Py_RETURN_NONE;
    }
    self->reading_paused = 0;
    if (self->resuming) {
        Py_RETURN_NONE;
    }
    if (self->records == 0 && !self->got_eof) {
        rc = ws_call(self->below, NAME(self, WS_RESUME_READING), NULL);
        return rc < 0 ? NULL : Py_NewRef(Py_None);
    }
    /* Whoever calls this doesn't expect data before it returns. */
    callback = PyCFunction_New(&go_on_method, (PyObject *)self);
    if (callback == NULL || ws_call(self->loop, NAME(self, WS_CALL_SOON), callback) < 0) {
        Py_XDECREF(callback);
        return NULL;
    }
    Py_DECREF(callback);
    self->resuming = 1;
    Py_RETURN_NONE;
}

#endif
