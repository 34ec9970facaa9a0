/* A call begins when it is awaited, not before: who never awaits it, has asked for
   nothing. Most calls end in their first step. One that can't do its work here hands
   over to the coroutine in Python, at any step, and passes on what it is sent. */

#include "call.h"

#include "sending.h"
#include "take.h"
#include "waiter.h"

typedef enum { NEW, WAITING, YIELDED, HANDED, DONE } Status;

typedef struct {
    PyObject_HEAD
    WsMethod *method;
    WsHot *hot;
    PyObject *argument; /* a message, or how to decode one */
    PyObject *inner;    /* the coroutine that took over */
    Status status;
} WsCall;

PyObject *
ws_call_new(WsMethod *method, WsHot *hot, PyObject *argument)
{
    WsState *state = method->state;
    WsCall *call = state->spare_call;

    if (call != NULL) {
        state->spare_call = NULL;
        (void)PyObject_Init((PyObject *)call, state->call_type);
    }
    else {
        call = PyObject_GC_New(WsCall, state->call_type);
        if (call == NULL) {
            return NULL;
        }
    }
    call->method = (WsMethod *)Py_NewRef(method);
    call->hot = (WsHot *)Py_NewRef(hot);
    call->argument = Py_NewRef(argument);
    call->inner = NULL;
    call->status = NEW;
    PyObject_GC_Track(call);
    return (PyObject *)call;
}

static PySendResult
hand_over(WsCall *call, PyObject *inner, PyObject **result)
{
    PySendResult outcome;

    if (inner == NULL) {
        call->status = DONE;
        *result = NULL;
        return PYGEN_ERROR;
    }
    Py_XSETREF(call->inner, inner);
    call->status = HANDED;
    outcome = PyIter_Send(inner, Py_None, result);
    if (outcome != PYGEN_NEXT) {
        call->status = DONE;
    }
    return outcome;
}

/* Go on with the same method in Python, from its beginning. */
static PySendResult
ask_twin(WsCall *call, PyObject **result)
{
    PyObject *args[2] = {(PyObject *)call->hot, call->argument};
    size_t count = call->method->kind == WS_NEXT ? 1 : 2;

    return hand_over(call, PyObject_Vectorcall(call->method->twin, args, count, NULL),
                     result);
}

static PySendResult
receive(WsCall *call, PyObject **result)
{
    WsHot *hot = call->hot;
    int taken;

    if (hot->receiving || !hot->fast) {
        return ask_twin(call, result);
    }
    taken = ws_take(hot, call->argument, result);
    if (taken == 1) {
        hot->taken = *result;
        call->status = DONE;
        return PYGEN_RETURN;
    }
    if (taken == 0 && ws_may_wait(hot)) {
        WsWaiter *waiter = ws_waiter_renew(hot->state, &hot->waiter, hot->loop);

        if (waiter != NULL) {
            ws_begin_waiting(hot);
            waiter->call = call;
            call->status = WAITING;
            *result = (PyObject *)waiter;
            return PYGEN_NEXT;
        }
        taken = -1;
    }
    if (taken == 0 && call->method->kind == WS_NEXT) {
        int over = ws_is_over(hot);

        if (over > 0) {
            PyErr_SetNone(PyExc_StopAsyncIteration);
        }
        taken = over ? -1 : 0;
    }
    if (taken < 0) {
        call->status = DONE;
        *result = NULL;
        return PYGEN_ERROR;
    }
    return ask_twin(call, result);
}

static PySendResult
transmit(WsCall *call, PyObject **result)
{
    int sent = ws_send(call->hot, call->argument);

    if (sent == 0) {
        return ask_twin(call, result);
    }
    if (sent > 0 && call->hot->congested) {
        return hand_over(call,
                         PyObject_CallMethodNoArgs((PyObject *)call->hot,
                                                   call->hot->state->name_wait_drained),
                         result);
    }
    if (sent > 0 && call->hot->burst > WS_BURST) {
        /* As asyncio.sleep(0) does. */
        call->hot->burst = 0;
        call->status = YIELDED;
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    }
    call->status = DONE;
    if (sent < 0) {
        *result = NULL;
        return PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult
step(WsCall *call, PyObject *value, PyObject **result)
{
    PySendResult outcome;

    switch (call->status) {
    case NEW:
        if (value != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "can't send non-None value to a just-started coroutine");
            break;
        }
        return call->method->kind == WS_SEND ? transmit(call, result)
                                             : receive(call, result);
    case WAITING:
        ws_end_waiting(call->hot);
        return receive(call, result);
    case YIELDED:
        call->status = DONE;
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    case HANDED:
        outcome = PyIter_Send(call->inner, value, result);
        if (outcome != PYGEN_NEXT) {
            call->status = DONE;
        }
        return outcome;
    case DONE:
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        break;
    }
    *result = NULL;
    return PYGEN_ERROR;
}

/* -- the coroutine protocol ------------------------------------------------ */

/* Turn the end of a step into what __next__() returns or raises. */
static PyObject *
as_iteration(WsCall *call, PySendResult outcome, PyObject *value)
{
    if (outcome != PYGEN_RETURN) {
        return value;
    }
    ws_raise_stop(call->hot->state, value);
    Py_DECREF(value);
    return NULL;
}

static PyObject *
call_next(WsCall *call)
{
    PyObject *value = NULL;
    PySendResult outcome = step(call, Py_None, &value);

    if (outcome == PYGEN_RETURN && value == Py_None) {
        /* No exception is needed to say so. */
        Py_DECREF(value);
        return NULL;
    }
    return as_iteration(call, outcome, value);
}

static PyObject *
call_send(WsCall *call, PyObject *sent)
{
    PyObject *value = NULL;
    PySendResult outcome = step(call, sent, &value);

    return as_iteration(call, outcome, value);
}

static PyObject *
call_throw(WsCall *call, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *type, *value = NULL, *traceback = NULL;

    if (nargs < 1 || nargs > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes 1 to 3 arguments");
        return NULL;
    }
    if (call->status == HANDED) {
        PyObject *result = PyObject_VectorcallMethod(
            call->method->state->name_throw,
            (PyObject *[4]){call->inner, args[0], nargs > 1 ? args[1] : NULL,
                            nargs > 2 ? args[2] : NULL},
            (size_t)nargs + 1, NULL);

        if (result == NULL) {
            call->status = DONE;
        }
        return result;
    }
    if (call->status == DONE) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    if (call->status == WAITING) {
        ws_end_waiting(call->hot);
    }
    call->status = DONE;
    type = args[0];
    if (nargs > 1 && args[1] != Py_None) {
        value = args[1];
    }
    if (nargs > 2 && args[2] != Py_None) {
        traceback = args[2];
    }
    if (PyExceptionInstance_Check(type)) {
        value = type;
        type = PyExceptionInstance_Class(type);
        if (traceback == NULL) {
            traceback = PyException_GetTraceback(value);
            PyErr_Restore(Py_NewRef(type), Py_NewRef(value), traceback);
            return NULL;
        }
    }
    else if (!PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from "
                     "BaseException, not %s",
                     Py_TYPE(type)->tp_name);
        return NULL;
    }
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(traceback));
    return NULL;
}

static PyObject *
call_close(WsCall *call, PyObject *Py_UNUSED(ignored))
{
    Status status = call->status;

    call->status = DONE;
    if (status == WAITING) {
        ws_end_waiting(call->hot);
    }
    if (status == HANDED) {
        return PyObject_CallMethodNoArgs(call->inner, call->method->state->name_close);
    }
    Py_RETURN_NONE;
}

static PyObject *
call_get_name(WsCall *call, void *attribute)
{
    return PyObject_GetAttrString(call->method->twin, (const char *)attribute);
}

static PyObject *
call_get_running(WsCall *Py_UNUSED(call), void *Py_UNUSED(closure))
{
    /* No step of it calls back into it. */
    Py_RETURN_FALSE;
}

static PyObject *
call_get_await(WsCall *call, void *Py_UNUSED(closure))
{
    if (call->status == WAITING) {
        return Py_NewRef(call->hot->waiter);
    }
    return Py_NewRef(call->status == HANDED ? call->inner : Py_None);
}

static PyObject *
call_repr(WsCall *call)
{
    PyObject *name = call_get_name(call, "__qualname__");
    PyObject *text;

    if (name == NULL) {
        return NULL;
    }
    text = PyUnicode_FromFormat("<coroutine object %U at %p>", name, call);
    Py_DECREF(name);
    return text;
}

/* -- the type -------------------------------------------------------------- */

/* Cycles through a call are broken elsewhere: every one passes the connection. */

static void
warn_never_awaited(WsCall *call)
{
    PyObject *type, *value, *traceback;
    PyObject *name;

    PyErr_Fetch(&type, &value, &traceback);
    name = call_get_name(call, "__qualname__");
    if (name == NULL
        || PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%U' was never awaited",
                            name) < 0) {
        PyErr_WriteUnraisable(call->method->twin);
    }
    Py_XDECREF(name);
    PyErr_Restore(type, value, traceback);
}

static int
call_traverse(WsCall *call, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(call));
    Py_VISIT(call->method);
    Py_VISIT(call->hot);
    Py_VISIT(call->argument);
    Py_VISIT(call->inner);
    return 0;
}

static void
call_dealloc(WsCall *call)
{
    PyTypeObject *type = Py_TYPE(call);
    WsMethod *method = call->method;
    WsState *state = method->state;

    PyObject_GC_UnTrack(call);
    if (call->status == NEW) {
        warn_never_awaited(call);
    }
    else if (call->status == WAITING) {
        ws_end_waiting(call->hot);
    }
    Py_DECREF(call->argument);
    Py_XDECREF(call->inner);
    Py_DECREF(call->hot);
    /* Most calls follow the end of another one. Without its type, nobody asks again. */
    if (state->spare_call == NULL && state->call_type != NULL) {
        state->spare_call = call;
    }
    else {
        PyObject_GC_Del(call);
    }
    /* Last, since the state may go with it. */
    Py_DECREF(method);
    Py_DECREF(type);
}

static PyMethodDef call_methods[] = {
    {"send", (PyCFunction)call_send, METH_O, NULL},
    {"throw", (PyCFunction)(void (*)(void))call_throw, METH_FASTCALL, NULL},
    {"close", (PyCFunction)call_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef call_getset[] = {
    {"__name__", (getter)call_get_name, NULL, NULL, "__name__"},
    {"__qualname__", (getter)call_get_name, NULL, NULL, "__qualname__"},
    {"cr_running", (getter)call_get_running, NULL, NULL, NULL},
    {"cr_await", (getter)call_get_await, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_repr, call_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, step},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {0, NULL},
};

static PyType_Spec call_spec = {
    .name = "websockets.speedups.Call",
    .basicsize = sizeof(WsCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = call_slots,
};

int
ws_add_call(PyObject *module)
{
    WsState *state = ws_state(module);

    state->call_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec,
                                                                NULL);
    return state->call_type == NULL ? -1 : 0;
}

void
ws_clear_call(WsState *state)
{
    /* Before its type. */
    if (state->spare_call != NULL) {
        PyObject_GC_Del(state->spare_call);
        state->spare_call = NULL;
    }
    Py_CLEAR(state->call_type);
}
