/* The function in Python is what a program sees: its signature, its docstring, its
   being a coroutine function; and it's what runs whenever the native code steps
   aside. A class hands it out; only calls on an instance come here. */

#include "method.h"

#include "call.h"
#include "hot.h"

#include <string.h>
#include <structmember.h>

static const char *const kinds[WS_KINDS] = {"recv", "__anext__", "send"};

/* Messages of these types need no look at what they are. */
static int
is_message(PyObject *object)
{
    return PyUnicode_CheckExact(object) || PyBytes_CheckExact(object)
           || PyByteArray_CheckExact(object) || PyMemoryView_Check(object);
}

/* Return what the native form works with, borrowed; NULL if Python has to do it. */
static PyObject *
find_argument(WsMethod *method, WsHot *hot, PyObject *const *args, Py_ssize_t nargs)
{
    switch (method->kind) {
    case WS_RECV:
        return nargs == 1 ? Py_None : nargs == 2 ? args[1] : NULL;
    case WS_SEND:
        return nargs == 2 && is_message(args[1]) ? args[1] : NULL;
    default:
        /* Iterating calls recv(), which a subclass may have overridden. */
        return nargs == 1 && !hot->patched
                       && _PyType_Lookup(Py_TYPE(hot), method->state->name_recv)
                              == method->state->methods[WS_RECV]
                   ? Py_None
                   : NULL;
    }
}

static PyObject *
method_call(PyObject *callable, PyObject *const *args, size_t nargsf,
            PyObject *kwnames)
{
    WsMethod *method = (WsMethod *)callable;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);

    if (kwnames == NULL && nargs >= 1
        && PyObject_TypeCheck(args[0], method->state->hot_type)) {
        WsHot *hot = (WsHot *)args[0];

        PyObject *argument = hot->fast ? find_argument(method, hot, args, nargs) : NULL;

        if (argument != NULL) {
            return ws_call_new(method, hot, argument);
        }
    }
    return PyObject_Vectorcall(method->twin, args, nargsf, kwnames);
}

int
ws_set_attribute(PyObject *object, PyObject *name, PyObject *value)
{
    WsHot *hot = (WsHot *)object;

    /* Names of attributes are interned. */
    if (name == hot->state->name_recv) {
        hot->patched = 1;
    }
    return PyObject_GenericSetAttr(object, name, value);
}

static PyObject *
method_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    if (object == NULL || object == Py_None) {
        return Py_NewRef(((WsMethod *)self)->twin);
    }
    return PyMethod_New(self, object);
}

/* Whoever finds it in the class, such as unittest.mock, sees the function, down to
   its __class__. */
static PyObject *
method_getattr(PyObject *self, PyObject *name)
{
    return PyObject_GetAttr(((WsMethod *)self)->twin, name);
}

static PyObject *
method_repr(PyObject *self)
{
    return PyObject_Repr(((WsMethod *)self)->twin);
}

static PyObject *
method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "twin", NULL};
    const char *kind;
    PyObject *twin;
    WsMethod *method;
    int index = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO!", names, &kind,
                                     &PyFunction_Type, &twin)) {
        return NULL;
    }
    while (index < WS_KINDS && strcmp(kinds[index], kind)) {
        index++;
    }
    if (index == WS_KINDS) {
        return PyErr_Format(PyExc_ValueError, "there's no native method %s", kind);
    }
    method = (WsMethod *)type->tp_alloc(type, 0);
    if (method == NULL) {
        return NULL;
    }
    method->vectorcall = method_call;
    method->module = Py_NewRef(PyType_GetModule(type));
    method->state = ws_state(method->module);
    method->twin = Py_NewRef(twin);
    method->kind = index;
    Py_XSETREF(method->state->methods[index], Py_NewRef(method));
    return (PyObject *)method;
}

/* Cycles through a method are broken elsewhere: every one passes the function, or the
   module. The calls that are garbage with it need both. */

static int
method_traverse(WsMethod *method, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(method));
    Py_VISIT(method->module);
    Py_VISIT(method->twin);
    return 0;
}

static void
method_dealloc(WsMethod *method)
{
    PyTypeObject *type = Py_TYPE(method);
    PyObject *module = method->module;

    PyObject_GC_UnTrack(method);
    Py_XDECREF(method->twin);
    type->tp_free(method);
    Py_XDECREF(module);
    Py_DECREF(type);
}

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(WsMethod, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_new, method_new},
    {Py_tp_dealloc, method_dealloc},
    {Py_tp_traverse, method_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, method_get},
    {Py_tp_getattro, method_getattr},
    {Py_tp_repr, method_repr},
    {Py_tp_members, method_members},
    {0, NULL},
};

static PyType_Spec method_spec = {
    .name = "websockets.speedups.Method",
    .basicsize = sizeof(WsMethod),
    /* Method descriptors are called without making a bound method first. */
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = method_slots,
};

int
ws_add_method(PyObject *module)
{
    return ws_add_type(module, &method_spec, &ws_state(module)->method_type);
}
