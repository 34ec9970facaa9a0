/* Calling Python, and what happens to exceptions that nobody is there to catch. */

#include "socket.h"

#ifdef WS_SOCKETS

int
ws_call(PyObject *object, PyObject *name, PyObject *argument)
{
    PyObject *args[2] = {object, argument};
    PyObject *result = PyObject_VectorcallMethod(
        name, args, (argument == NULL ? 1 : 2) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);

    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
ws_stops_loop(PyObject *exc)
{
    return PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt)
           || PyErr_GivenExceptionMatches(exc, PyExc_SystemExit);
}

int
ws_report(WsState *state, PyObject *loop, const char *message,
          PyObject *transport, PyObject *protocol)
{
    PyObject *exc = ws_take_error();
    PyObject *context;
    PyObject *result = NULL;

    if (ws_stops_loop(exc)) {
        ws_raise(exc);
        return -1;
    }
    context = Py_BuildValue("{s:s,s:O}", "message", message, "exception", exc);
    Py_DECREF(exc);
    if (context == NULL) {
        return -1;
    }
    if ((transport == NULL || PyDict_SetItemString(context, "transport", transport) == 0)
        && (protocol == NULL
            || PyDict_SetItemString(context, "protocol", protocol) == 0)) {
        result = PyObject_CallMethodOneArg(
            loop, state->transports->names[WS_CALL_EXCEPTION_HANDLER], context);
    }
    Py_DECREF(context);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

#endif
