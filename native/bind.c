/* What the native code needs of the Python code around it.

   Owns: references to classes and functions of asyncio and of this library, where the
   attributes of the session's objects are, and names.
   Doesn't know: what they are for. */

#include "bind.h"

#include <structmember.h> /* PyMemberDef, which 3.12 has in Python.h */

Py_ssize_t
ws_slot_offset(PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    Py_ssize_t offset = -1;

    if (member == NULL) {
        return -1;
    }
    if (Py_IS_TYPE(member, &PyMemberDescr_Type)) {
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s isn't a slot of %R", name, type);
    }
    Py_DECREF(member);
    return offset;
}

const char ws_bind_doc[] =
    "bind($module, session, messages, output, protocol, current_task, cancelled, invalid_state, open, done, task)\n"
    "--\n"
    "\n"
    "Tell the native code which classes and functions it works with.";

PyObject *
ws_bind(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    WsState *state = ws_state(module);
    Py_ssize_t session_messages, session_protocol, session_streaming, session_wanted;
    Py_ssize_t session_reading_paused, messages_message, messages_frames, output_paused;
    Py_ssize_t protocol_state, protocol_writes, protocol_continues, protocol_send_frame;
    Py_ssize_t protocol_max_message, protocol_max_fragment;

    if (nargs != 10) {
        PyErr_Format(PyExc_TypeError, "bind() takes 10 arguments (%zd given)", nargs);
        return NULL;
    }
    if (!PyType_Check(args[0]) || !PyType_Check(args[1]) || !PyType_Check(args[2])
        || !PyType_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "bind() takes four classes first");
        return NULL;
    }
    if ((session_messages = ws_slot_offset(args[0], "_messages")) < 0
        || (session_protocol = ws_slot_offset(args[0], "protocol")) < 0
        || (session_streaming = ws_slot_offset(args[0], "_streaming")) < 0
        || (session_wanted = ws_slot_offset(args[0], "_wanted")) < 0
        || (session_reading_paused = ws_slot_offset(args[0], "reading_paused")) < 0
        || (messages_message = ws_slot_offset(args[1], "_message")) < 0
        || (messages_frames = ws_slot_offset(args[1], "_frames")) < 0
        || (output_paused = ws_slot_offset(args[2], "paused")) < 0
        || (protocol_state = ws_slot_offset(args[3], "_state")) < 0
        || (protocol_writes = ws_slot_offset(args[3], "writes")) < 0
        || (protocol_continues = ws_slot_offset(args[3], "expect_continuation_frame")) < 0
        || (protocol_send_frame = ws_slot_offset(args[3], "_send_frame")) < 0
        || (protocol_max_message = ws_slot_offset(args[3], "max_message_size")) < 0
        || (protocol_max_fragment = ws_slot_offset(args[3], "max_fragment_size")) < 0) {
        return NULL;
    }
    state->session_messages = session_messages;
    state->session_protocol = session_protocol;
    state->session_streaming = session_streaming;
    state->session_wanted = session_wanted;
    state->session_reading_paused = session_reading_paused;
    state->messages_message = messages_message;
    state->messages_frames = messages_frames;
    state->output_paused = output_paused;
    state->protocol_state = protocol_state;
    state->protocol_writes = protocol_writes;
    state->protocol_continues = protocol_continues;
    state->protocol_send_frame = protocol_send_frame;
    state->protocol_max_message = protocol_max_message;
    state->protocol_max_fragment = protocol_max_fragment;
    Py_XSETREF(state->session_type, (PyTypeObject *)Py_NewRef(args[0]));
    Py_XSETREF(state->output_type, (PyTypeObject *)Py_NewRef(args[2]));
    Py_XSETREF(state->protocol_type, (PyTypeObject *)Py_NewRef(args[3]));
    Py_XSETREF(state->current_task, Py_NewRef(args[4]));
    Py_XSETREF(state->cancelled_error, Py_NewRef(args[5]));
    Py_XSETREF(state->invalid_state_error, Py_NewRef(args[6]));
    Py_XSETREF(state->open, Py_NewRef(args[7]));
    Py_XSETREF(state->done_future, Py_NewRef(args[8]));
    Py_XSETREF(state->task_type, Py_NewRef(args[9]));
    Py_RETURN_NONE;
}

int
ws_add_names(PyObject *module)
{
    WsState *state = ws_state(module);

#define NAME(field, text)                                                              \
    if ((state->name_##field = PyUnicode_InternFromString(text)) == NULL) {            \
        return -1;                                                                     \
    }
    WS_NAMES(NAME)
#undef NAME
    state->names_context = Py_BuildValue("(s)", "context");
    return state->names_context == NULL ? -1 : 0;
}

void
ws_clear_names(WsState *state)
{
#define NAME(field, text) Py_CLEAR(state->name_##field);
    WS_NAMES(NAME)
#undef NAME
    Py_CLEAR(state->names_context);
}
