/* What transports in C have in common. */

#include "transport.h"

#ifdef WS_SOCKETS

#include "poller.h"
#include "socket.h"
#include "tls.h"

static const char *const names[WS_TRANSPORT_NAMES] = {
    [WS_ADD_READER] = "add_reader",
    [WS_ADD_WRITER] = "add_writer",
    [WS_ADVANCE] = "advance",
    [WS_BUFFER_UPDATED] = "buffer_updated",
    [WS_CALL_EXCEPTION_HANDLER] = "call_exception_handler",
    [WS_CALL_SOON] = "call_soon",
    [WS_CANCEL] = "cancel",
    [WS_CIPHER] = "cipher",
    [WS_CLOSE] = "close",
    [WS_COMPRESSION] = "compression",
    [WS_CONNECTION_LOST] = "connection_lost",
    [WS_CONNECTION_MADE] = "connection_made",
    [WS_CONTEXT] = "context",
    [WS_DATA_RECEIVED] = "data_received",
    [WS_END] = "end",
    [WS_EOF_RECEIVED] = "eof_received",
    [WS_FILENO] = "fileno",
    [WS_GET_BUFFER] = "get_buffer",
    [WS_GET_EXTRA_INFO] = "get_extra_info",
    [WS_GET_PEER_CERTIFICATE] = "getpeercert",
    [WS_GET_WRITE_BUFFER_LIMITS] = "get_write_buffer_limits",
    [WS_JOIN] = "join",
    [WS_LOST] = "lost",
    [WS_PAUSE_READING] = "pause_reading",
    [WS_PAUSE_WRITING] = "pause_writing",
    [WS_PENDING] = "pending",
    [WS_READ] = "read",
    [WS_REMOVE_READER] = "remove_reader",
    [WS_REMOVE_WRITER] = "remove_writer",
    [WS_RESUME_READING] = "resume_reading",
    [WS_RESUME_WRITING] = "resume_writing",
    [WS_SETBLOCKING] = "setblocking",
    [WS_SET_WRITE_BUFFER_LIMITS] = "set_write_buffer_limits",
    [WS_WARNING] = "warning",
    [WS_WRITE] = "write",
};

int
ws_add_receiver(WsState *state, PyTypeObject *type, const WsReceiverOps *ops)
{
    WsTransports *shared = state->transports;

    if (shared->receiver_count == WS_MAX_RECEIVERS) {
        PyErr_Format(PyExc_SystemError, "more than %d receivers", WS_MAX_RECEIVERS);
        return -1;
    }
    Py_INCREF(type);
    shared->receivers[shared->receiver_count].type = type;
    shared->receivers[shared->receiver_count].ops = ops;
    shared->receiver_count++;
    return 0;
}

const WsReceiverOps *
ws_find_receiver(WsState *state, PyObject *protocol)
{
    WsTransports *shared = state->transports;

    for (int i = 0; i < shared->receiver_count; i++) {
        if (PyObject_TypeCheck(protocol, shared->receivers[i].type)) {
            return shared->receivers[i].ops;
        }
    }
    return NULL;
}

int
ws_take_protocol(WsState *state, PyObject *protocol, PyObject **slot,
                 const WsReceiverOps **receiver)
{
    int buffered = PyObject_IsInstance(protocol, state->transports->buffered_protocol);

    if (buffered >= 0) {
        *receiver = ws_find_receiver(state, protocol);
        Py_XSETREF(*slot, Py_NewRef(protocol));
    }
    return buffered;
}

/* There are no objects of this very type. */
static PyType_Slot transport_slots[] = {
    {Py_tp_doc, "What transports in C have in common."},
    {0, NULL},
};

static PyType_Spec transport_spec = {
    .name = "websockets.speedups.Transport",
    .basicsize = sizeof(WsTransport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = transport_slots,
};

/* Import a module and keep one of its attributes: 0 or -1. */
static int
take(const char *module, const char *attribute, PyObject **target)
{
    PyObject *found = PyImport_ImportModule(module);

    if (found == NULL) {
        return -1;
    }
    Py_XSETREF(*target, PyObject_GetAttrString(found, attribute));
    Py_DECREF(found);
    return *target == NULL ? -1 : 0;
}

/* Keep the result of calling an attribute of a module: 0 or -1. */
static int
take_result(const char *module, const char *attribute, const char *argument,
            PyObject **target)
{
    PyObject *found = NULL;

    if (take(module, attribute, &found) < 0) {
        return -1;
    }
    Py_XSETREF(*target, PyObject_CallFunction(found, "s", argument));
    Py_DECREF(found);
    return *target == NULL ? -1 : 0;
}

static int
make_types(PyObject *module, WsTransports *shared)
{
    PyObject *base = NULL;
    PyObject *type = NULL;

    if (take("asyncio", "Transport", &base) < 0) {
        return -1;
    }
    /* A Python that gives its class more than one slot has to be looked at first. */
    if (!PyType_Check(base)
        || ((PyTypeObject *)base)->tp_basicsize
               > (Py_ssize_t)offsetof(WsTransport, ops)) {
        PyErr_SetString(PyExc_ImportError, "asyncio.Transport isn't what is expected");
        goto done;
    }
    type = PyType_FromModuleAndSpec(module, &transport_spec, base);
    if (type == NULL
        || (shared->socket_type = ws_make_socket_type(module, type)) == NULL
        || (shared->poller_type = ws_make_poller_type(module)) == NULL
        || (shared->tls_type = ws_make_tls_type(module, type)) == NULL
        || ws_add_receiver(ws_state(module), shared->tls_type, &ws_tls_receiver) < 0) {
        Py_CLEAR(shared->socket_type);
        Py_CLEAR(shared->poller_type);
        Py_CLEAR(shared->tls_type);
        Py_CLEAR(type);
    }
done:
    Py_DECREF(base);
    shared->transport_type = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}

uint8_t *
ws_scratch(WsTransports *shared)
{
    if (shared->scratch == NULL
        && (shared->scratch = PyMem_Malloc(WS_SCRATCH_SIZE)) == NULL) {
        PyErr_NoMemory();
    }
    return shared->scratch;
}

static PyObject *
load_transports(PyObject *module, PyObject *Py_UNUSED(none))
{
    WsTransports *shared = ws_state(module)->transports;

    if (ws_scratch(shared) == NULL) {
        return NULL;
    }
    if (shared->transport_type == NULL
        && (take("asyncio", "BufferedProtocol", &shared->buffered_protocol) < 0
            || take("asyncio.trsock", "TransportSocket",
                    &shared->transport_socket_class) < 0
            || take("socket", "socket", &shared->socket_class) < 0
            || take("ssl", "SSLWantReadError", &shared->want_read) < 0
            || ws_ssl_load(&shared->ssl) < 0
            || take_result("logging", "getLogger", "asyncio", &shared->logger) < 0
            || make_types(module, shared) < 0)) {
        return NULL;
    }
    return PyTuple_Pack(3, shared->socket_type, shared->poller_type, shared->tls_type);
}

static PyMethodDef functions[] = {
    {"load_transports", load_transports, METH_NOARGS,
     "load_transports($module)\n"
     "--\n"
     "\n"
     "Return the types SocketTransport, Poller and TlsTransport; import asyncio for them."},
    {NULL, NULL, 0, NULL},
};

int
ws_add_transports(PyObject *module)
{
    WsTransports *shared = PyMem_Calloc(1, sizeof(WsTransports));

    ws_state(module)->transports = shared;
    if (shared == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < WS_TRANSPORT_NAMES; i++) {
        shared->names[i] = PyUnicode_InternFromString(names[i]);
        if (shared->names[i] == NULL) {
            return -1;
        }
    }
    return PyModule_AddFunctions(module, functions);
}

int
ws_traverse_transports(WsState *state, visitproc visit, void *arg)
{
    WsTransports *shared = state->transports;

    if (shared == NULL) {
        return 0;
    }
    Py_VISIT(shared->transport_type);
    Py_VISIT(shared->socket_type);
    Py_VISIT(shared->poller_type);
    Py_VISIT(shared->tls_type);
    for (int i = 0; i < shared->receiver_count; i++) {
        Py_VISIT(shared->receivers[i].type);
    }
    Py_VISIT(shared->buffered_protocol);
    Py_VISIT(shared->socket_class);
    Py_VISIT(shared->transport_socket_class);
    Py_VISIT(shared->logger);
    Py_VISIT(shared->want_read);
    return ws_ssl_traverse(&shared->ssl, visit, arg);
}

void
ws_clear_transports(WsState *state)
{
    WsTransports *shared = state->transports;

    if (shared == NULL) {
        return;
    }
    Py_CLEAR(shared->transport_type);
    Py_CLEAR(shared->socket_type);
    Py_CLEAR(shared->poller_type);
    Py_CLEAR(shared->tls_type);
    while (shared->receiver_count > 0) {
        shared->receiver_count--;
        Py_CLEAR(shared->receivers[shared->receiver_count].type);
    }
    Py_CLEAR(shared->buffered_protocol);
    Py_CLEAR(shared->socket_class);
    Py_CLEAR(shared->transport_socket_class);
    Py_CLEAR(shared->logger);
    Py_CLEAR(shared->want_read);
    ws_ssl_clear(&shared->ssl);
}

void
ws_free_transports(WsState *state)
{
    WsTransports *shared = state->transports;

    if (shared == NULL) {
        return;
    }
    /* Names stay until now: deallocating a transport may need them. */
    for (int i = 0; i < WS_TRANSPORT_NAMES; i++) {
        Py_CLEAR(shared->names[i]);
    }
    PyMem_Free(shared->scratch);
    PyMem_Free(shared);
    state->transports = NULL;
}

#else

int
ws_add_transports(PyObject *Py_UNUSED(module))
{
    return 0;
}

int
ws_traverse_transports(WsState *state, visitproc visit, void *arg)
{
    (void)state;
    (void)visit;
    (void)arg;
    return 0;
}

void
ws_clear_transports(WsState *Py_UNUSED(state))
{
}

void
ws_free_transports(WsState *Py_UNUSED(state))
{
}

#endif
