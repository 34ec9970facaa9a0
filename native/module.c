/* The extension module websockets.speedups.

   Owns: the table of what Python sees. Each subject lives in a file of its own,
   has a function ws_add_<subject>() that fills the module, and a Python twin in
   src/websockets/.
   Doesn't know: any global state: what there is belongs to the module object, so
   every interpreter of a process may load it. */

#include "accept.h"
#include "common.h"

#include "bind.h"
#include "broadcast.h"
#include "deflate.h"
#include "hot.h"
#include "http.h"
#include "mask.h"
#include "message.h"
#include "random.h"
#include "reader.h"
#include "timer.h"
#include "writer.h"
#include "transport.h"

static PyMethodDef functions[] = {
    {"apply_mask", (PyCFunction)(void (*)(void))ws_apply_mask,
     METH_FASTCALL | METH_KEYWORDS, ws_apply_mask_doc},
    {"bind", (PyCFunction)(void (*)(void))ws_bind, METH_FASTCALL, ws_bind_doc},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    if (ws_add_names(module) == 0 && ws_add_reader(module) == 0
        && ws_add_message(module) == 0 && ws_add_utf8(module) == 0
        && ws_add_writer(module) == 0 && ws_add_random(module) == 0
        && ws_add_deflate(module) == 0 && ws_add_transports(module) == 0
        && ws_add_hot(module) == 0 && ws_add_accept(module) == 0
        && ws_add_http(module) == 0 && ws_add_broadcast(module) == 0
        && ws_add_timer(module) == 0) {
        return 0;
    }
    if (!PyErr_Occurred()) {
        /* Python doesn't say so in each place where a type is made. */
        PyErr_NoMemory();
    }
    return -1;
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    WsState *state = ws_state(module);
    int stop;

    Py_VISIT(state->reader_type);
    Py_VISIT(state->message_type);
    Py_VISIT(state->date);
    stop = ws_hot_traverse(state, visit, arg);
    if (stop == 0) {
        stop = ws_deflate_traverse(state, visit, arg);
    }
    return stop ? stop : ws_traverse_transports(state, visit, arg);
}

static int
clear(PyObject *module)
{
    WsState *state = ws_state(module);

    Py_CLEAR(state->reader_type);
    Py_CLEAR(state->message_type);
    Py_CLEAR(state->date);
    ws_deflate_clear(state);
    ws_clear_transports(state);
    ws_hot_clear(state);
    ws_clear_names(state);
    return 0;
}

static void
release(void *module)
{
    clear((PyObject *)module);
    ws_free_transports(ws_state(module));
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "speedups",
    .m_doc = "Native code behind websockets._codec and websockets.asyncio.",
    .m_size = sizeof(WsState),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

int
ws_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **kept)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    int result;

    if (type == NULL) {
        return -1;
    }
    result = PyModule_AddType(module, type);
    if (kept != NULL) {
        *kept = type;
    }
    else {
        Py_DECREF(type);
    }
    return result;
}

WsState *
ws_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &definition);

    return module == NULL ? NULL : ws_state(module);
}

PyMODINIT_FUNC PyInit_speedups(void);

PyMODINIT_FUNC
PyInit_speedups(void)
{
    return PyModuleDef_Init(&definition);
}
