/* The extension module websockets.speedups.

   Owns: the table of what Python sees. Each function lives in the file of its
   subject and has a Python twin in src/websockets/_codec/.
   Doesn't know: any state. The module has none, so every interpreter of a
   process may load it. */

#include "mask.h"

static PyMethodDef functions[] = {
    {"apply_mask", (PyCFunction)(void (*)(void))ws_apply_mask,
     METH_FASTCALL | METH_KEYWORDS, ws_apply_mask_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "speedups",
    .m_doc = "Native code behind websockets._codec.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit_speedups(void)
{
    return PyModuleDef_Init(&definition);
}
