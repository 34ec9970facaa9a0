/* Waking a task directly. A future would make the loop run the task in its next
   turn, which costs as much as everything else that happens to a small message. */

#include "waiter.h"

static WsWaiter *
new_waiter(WsState *state, PyObject *loop)
{
    WsWaiter *waiter = PyObject_GC_New(WsWaiter, state->waiter_type);

    if (waiter == NULL) {
        return NULL;
    }
    waiter->state = state;
    waiter->loop = Py_NewRef(loop);
    waiter->wakeup = waiter->context = waiter->message = NULL;
    waiter->call = waiter->task = waiter->coroutines[0] = waiter->coroutines[1] = NULL;
    waiter->blocking = waiter->done = waiter->cancelled = 0;
    PyObject_GC_Track(waiter);
    return waiter;
}

WsWaiter *
ws_waiter_renew(WsState *state, WsWaiter **slot, PyObject *loop)
{
    WsWaiter *waiter = *slot;

    /* The task that waited last may still hold it, in a traceback for example. */
    if (waiter == NULL || Py_REFCNT(waiter) > 1) {
        waiter = new_waiter(state, loop);
        if (waiter == NULL) {
            return NULL;
        }
        Py_XSETREF(*slot, waiter);
    }
    Py_CLEAR(waiter->wakeup);
    Py_CLEAR(waiter->context);
    Py_CLEAR(waiter->message);
    waiter->blocking = 1;
    waiter->done = 0;
    waiter->cancelled = 0;
    return (WsWaiter *)Py_NewRef(waiter);
}

/* loop.call_soon(wakeup, waiter, context=context) */
static int
call_soon(WsWaiter *waiter, PyObject *wakeup, PyObject *context)
{
    PyObject *args[4] = {waiter->loop, wakeup, (PyObject *)waiter, context};
    PyObject *handle;

    if (context == NULL) {
        handle = PyObject_VectorcallMethod(waiter->state->name_call_soon, args, 3, NULL);
    }
    else {
        handle = PyObject_VectorcallMethod(waiter->state->name_call_soon, args, 3,
                                           waiter->state->names_context);
    }
    if (handle == NULL) {
        return -1;
    }
    Py_DECREF(handle);
    return 0;
}

int
ws_waiter_schedule(WsWaiter *waiter)
{
    PyObject *wakeup = waiter->wakeup;
    PyObject *context = waiter->context;
    int result = 0;

    waiter->done = 1;
    waiter->wakeup = waiter->context = NULL;
    if (wakeup != NULL) {
        result = call_soon(waiter, wakeup, context);
    }
    if (result < 0 && waiter->wakeup == NULL) {
        /* It can be tried again. */
        waiter->done = 0;
        waiter->wakeup = wakeup;
        waiter->context = context;
        return -1;
    }
    Py_XDECREF(wakeup);
    Py_XDECREF(context);
    return result;
}

int
ws_waiter_fire(WsWaiter *waiter)
{
    PyObject *wakeup = waiter->wakeup;
    PyObject *context = waiter->context;
    PyObject *result;

    if (wakeup == NULL || context == NULL || !PyContext_CheckExact(context)) {
        return ws_waiter_schedule(waiter);
    }
    if (PyContext_Enter(context) < 0) {
        /* It is where we are: the loop gave our callback the task's context. */
        PyErr_Clear();
        return ws_waiter_schedule(waiter);
    }
    waiter->done = 1;
    waiter->wakeup = waiter->context = NULL;
    /* Tasks ask what they are given for its result, and real futures fastest. */
    result = PyObject_CallOneArg(wakeup, waiter->state->done_future);
    if (result == NULL) {
        PyObject *type, *value, *traceback;

        PyErr_Fetch(&type, &value, &traceback);
        PyContext_Exit(context);
        PyErr_Restore(type, value, traceback);
    }
    else {
        Py_DECREF(result);
        PyContext_Exit(context);
    }
    Py_DECREF(wakeup);
    Py_DECREF(context);
    return result == NULL ? -1 : 0;
}

/* -- what tasks call ------------------------------------------------------- */

static PyObject *
waiter_add_done_callback(WsWaiter *waiter, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *context = named ? args[nargs] : NULL;

    if (nargs != 1 || named > 1
        || (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0),
                                                      "context"))) {
        PyErr_SetString(PyExc_TypeError,
                        "add_done_callback() takes a callback and a context");
        return NULL;
    }
    if (waiter->wakeup != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a task is waiting for this already");
        return NULL;
    }
    if (context == Py_None) {
        context = NULL;
    }
    if (waiter->done) {
        if (call_soon(waiter, args[0], context) < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    waiter->wakeup = Py_NewRef(args[0]);
    waiter->context = Py_XNewRef(context);
    Py_RETURN_NONE;
}

static PyObject *
waiter_remove_done_callback(WsWaiter *waiter, PyObject *callback)
{
    int same;

    if (waiter->wakeup == NULL) {
        return PyLong_FromLong(0);
    }
    same = PyObject_RichCompareBool(waiter->wakeup, callback, Py_EQ);
    if (same < 0) {
        return NULL;
    }
    if (same) {
        Py_CLEAR(waiter->wakeup);
        Py_CLEAR(waiter->context);
    }
    return PyLong_FromLong(same);
}

static PyObject *
waiter_result(WsWaiter *waiter, PyObject *Py_UNUSED(ignored))
{
    if (waiter->cancelled) {
        if (waiter->message == NULL) {
            PyErr_SetNone(waiter->state->cancelled_error);
        }
        else {
            PyErr_SetObject(waiter->state->cancelled_error, waiter->message);
        }
        return NULL;
    }
    if (!waiter->done) {
        PyErr_SetString(waiter->state->invalid_state_error, "Result is not set.");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
waiter_cancel(WsWaiter *waiter, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    Py_ssize_t count = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));

    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "cancel() takes a message");
        return NULL;
    }
    if (waiter->done) {
        Py_RETURN_FALSE;
    }
    waiter->cancelled = 1;
    if (count && args[0] != Py_None) {
        Py_XSETREF(waiter->message, Py_NewRef(args[0])); /* of a call that failed */
    }
    if (ws_waiter_schedule(waiter) < 0) {
        waiter->cancelled = 0;
        return NULL;
    }
    Py_RETURN_TRUE;
}

static PyObject *
waiter_set_result(WsWaiter *waiter, PyObject *Py_UNUSED(value))
{
    if (waiter->done) {
        PyErr_SetString(waiter->state->invalid_state_error, "Result is already set.");
        return NULL;
    }
    return ws_waiter_schedule(waiter) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Is no task running in the loop, so that one may be run from here? */
static int
may_fire(WsWaiter *waiter)
{
    PyObject *task = PyObject_CallOneArg(waiter->state->current_task, waiter->loop);
    int none = task == Py_None;

    if (task == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(task);
    return none;
}

static PyObject *
waiter_fire(WsWaiter *waiter, PyObject *Py_UNUSED(ignored))
{
    int result = 0;

    if (!waiter->done) {
        result = may_fire(waiter) ? ws_waiter_fire(waiter) : ws_waiter_schedule(waiter);
    }
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* -- what coroutines do with one ------------------------------------------- */

static PyObject *
waiter_next(WsWaiter *waiter)
{
    if (!waiter->done) {
        waiter->blocking = 1;
        return Py_NewRef(waiter);
    }
    /* Without an exception, that's the end: None. */
    Py_XDECREF(waiter_result(waiter, NULL));
    return NULL;
}

static PyObject *
waiter_create(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *keywords[] = {"loop", NULL};
    WsState *state = (WsState *)PyType_GetModuleState(type);
    PyObject *loop;

    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:Waiter", keywords, &loop)) {
        return NULL;
    }
    if (state->current_task == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Waiter() comes after bind()");
        return NULL;
    }
    return (PyObject *)new_waiter(state, loop);
}

static PyObject *
waiter_done(WsWaiter *waiter, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(waiter->done);
}

static PyObject *
waiter_cancelled(WsWaiter *waiter, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(waiter->cancelled);
}

/* Tasks call get_loop() whenever they wait: making a bound method each time costs more than
   all else about it. So the waiter takes its place. */
static PyObject *
waiter_get_get_loop(WsWaiter *waiter, void *Py_UNUSED(closure))
{
    return Py_NewRef(waiter);
}

static PyObject *
waiter_call(WsWaiter *waiter, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args) || (kwds != NULL && PyDict_GET_SIZE(kwds))) {
        PyErr_SetString(PyExc_TypeError, "get_loop() takes no arguments");
        return NULL;
    }
    if (waiter->loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the waiter is being collected");
        return NULL;
    }
    return Py_NewRef(waiter->loop);
}

static PyObject *
waiter_get_blocking(WsWaiter *waiter, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(waiter->blocking);
}

static int
waiter_set_blocking(WsWaiter *waiter, PyObject *value, void *Py_UNUSED(closure))
{
    int blocking = value == NULL ? -1 : PyObject_IsTrue(value);

    if (blocking < 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        }
        return -1;
    }
    waiter->blocking = (char)blocking;
    return 0;
}

/* -- the type -------------------------------------------------------------- */

static int
waiter_traverse(WsWaiter *waiter, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(waiter));
    Py_VISIT(waiter->loop);
    Py_VISIT(waiter->wakeup);
    Py_VISIT(waiter->context);
    Py_VISIT(waiter->message);
    return 0;
}

static int
waiter_clear(WsWaiter *waiter)
{
    Py_CLEAR(waiter->loop);
    Py_CLEAR(waiter->wakeup);
    Py_CLEAR(waiter->context);
    Py_CLEAR(waiter->message);
    return 0;
}

static void
waiter_dealloc(WsWaiter *waiter)
{
    PyTypeObject *type = Py_TYPE(waiter);

    PyObject_GC_UnTrack(waiter);
    waiter_clear(waiter);
    PyObject_GC_Del(waiter);
    Py_DECREF(type);
}

static PyMethodDef waiter_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))waiter_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"remove_done_callback", (PyCFunction)waiter_remove_done_callback, METH_O, NULL},
    {"result", (PyCFunction)waiter_result, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)(void (*)(void))waiter_cancel,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"set_result", (PyCFunction)waiter_set_result, METH_O, NULL},
    {"fire", (PyCFunction)waiter_fire, METH_NOARGS, NULL},
    {"done", (PyCFunction)waiter_done, METH_NOARGS, NULL},
    {"cancelled", (PyCFunction)waiter_cancelled, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef waiter_getset[] = {
    {"_asyncio_future_blocking", (getter)waiter_get_blocking,
     (setter)waiter_set_blocking, NULL, NULL},
    {"get_loop", (getter)waiter_get_get_loop, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot waiter_slots[] = {
    {Py_tp_doc, "Waiter(loop)\n--\n\nWhat a task waits for, like a future; fire() runs it at once."},
    {Py_tp_new, waiter_create},
    {Py_am_await, PyObject_SelfIter},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, waiter_next},
    {Py_tp_dealloc, waiter_dealloc},
    {Py_tp_traverse, waiter_traverse},
    {Py_tp_clear, waiter_clear},
    {Py_tp_methods, waiter_methods},
    {Py_tp_getset, waiter_getset},
    {Py_tp_call, waiter_call},
    {0, NULL},
};

static PyType_Spec waiter_spec = {
    .name = "websockets.speedups.Waiter",
    .basicsize = sizeof(WsWaiter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = waiter_slots,
};

int
ws_add_waiter(PyObject *module)
{
    return ws_add_type(module, &waiter_spec, &ws_state(module)->waiter_type);
}
