/* FrameReader, as Python sees it. */

#include "reader_rules.h"

#include <structmember.h>

static PyObject *
reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"masked", "max_message_size", "max_fragment_size",
                            "max_fragments", NULL};
    PyObject *masked = NULL;
    PyObject *message = Py_None;
    PyObject *fragment = Py_None;
    PyObject *fragments = Py_None;
    WsReader *reader;
    int truth;

    if (kwargs == NULL && PyTuple_GET_SIZE(args) == 4) {
        /* As for each connection. */
        masked = PyTuple_GET_ITEM(args, 0);
        message = PyTuple_GET_ITEM(args, 1);
        fragment = PyTuple_GET_ITEM(args, 2);
        fragments = PyTuple_GET_ITEM(args, 3);
    } else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOO:FrameReader", names,
                                            &masked, &message, &fragment,
                                            &fragments)) {
        return NULL;
    }
    truth = PyObject_IsTrue(masked);
    if (truth < 0) {
        return NULL;
    }
    reader = (WsReader *)type->tp_alloc(type, 0);
    if (reader == NULL) {
        return NULL;
    }
    reader->state = (WsState *)PyType_GetModuleState(type);
    reader->masked = truth & 1;
    ws_set_limits(reader, message, fragment, fragments);
    return (PyObject *)reader;
}

static int
reader_traverse(WsReader *reader, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(reader));
    Py_VISIT(reader->held);
    Py_VISIT(reader->message_limit);
    Py_VISIT(reader->fragment_limit);
    Py_VISIT(reader->max_fragments);
    Py_VISIT(reader->error);
    return 0;
}

/* Only what can be a part of a cycle: the others are needed as long as methods can
   be called. */
static int
reader_tp_clear(WsReader *reader)
{
    Py_CLEAR(reader->error);
    return 0;
}

static void
reader_dealloc(WsReader *reader)
{
    PyTypeObject *type = Py_TYPE(reader);

    PyObject_GC_UnTrack(reader);
    ws_reader_release(reader);
    Py_CLEAR(reader->message_limit);
    Py_CLEAR(reader->fragment_limit);
    Py_CLEAR(reader->max_fragments);
    Py_CLEAR(reader->error);
    type->tp_free((PyObject *)reader);
    Py_DECREF(type);
}

static PyObject *
none_or_error(int result)
{
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
reader_feed(WsReader *reader, PyObject *data)
{
    Py_buffer view;
    int result;

    if (reader->closed || reader->error != NULL) {
        Py_RETURN_NONE;
    }
    ws_reader_trimmed(reader);
    if (PyBytes_CheckExact(data) && reader->size == 0) {
        if (PyBytes_GET_SIZE(data)) {
            reader->buf = (uint8_t *)PyBytes_AS_STRING(data);
            reader->size = (size_t)PyBytes_GET_SIZE(data);
            reader->held = Py_NewRef(data);
            reader->owner = WS_BUFFER_HELD;
        }
        Py_RETURN_NONE;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    result = ws_reader_feed(reader, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return none_or_error(result);
}

static PyObject *
reader_trim(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    ws_reader_trimmed(reader);
    Py_RETURN_NONE;
}

static PyObject *
reader_unfinished(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    return ws_reader_unfinished(reader);
}

static PyObject *
reader_read(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    PyObject *head, *payload;
    PyObject *frame = NULL;
    WsPart part;
    int result = ws_reader_take(reader, 0, &part);

    if (result == WS_RAISED) {
        return NULL;
    }
    if (result == WS_WAIT) {
        ws_reader_trimmed(reader);
        Py_RETURN_NONE;
    }
    payload = ws_part_bytes(&part);
    ws_reader_trimmed(reader);
    head = PyLong_FromLong(part.head);
    if (head != NULL && payload != NULL) {
        frame = PyTuple_Pack(3, head, payload,
                             part.complete ? Py_True : Py_False);
    }
    Py_XDECREF(head);
    Py_XDECREF(payload);
    return frame;
}

static PyObject *
reader_read_unfinished(WsReader *reader, PyObject *ignored)
{
    if (reader->missing
        || (reader->ahead == 1 && reader->scan > reader->size
            && reader->error == NULL)) {
        return reader_read(reader, ignored);
    }
    Py_RETURN_NONE;
}

static PyObject *
reader_scan(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    return ws_reader_scan(reader);
}

static PyObject *
reader_drop(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    return none_or_error(ws_reader_drop(reader));
}

static PyObject *
reader_clear(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    ws_reader_clear(reader);
    Py_RETURN_NONE;
}

static PyObject *
reader_stop(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    return none_or_error(ws_reader_stop(reader));
}

static PyObject *
reader_sizeof(WsReader *reader, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(sizeof(WsReader) + reader->capacity);
}

static PyObject *
get_masked(WsReader *reader, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(reader->masked);
}

static PyObject *
get_limits(WsReader *reader, void *Py_UNUSED(closure))
{
    return PyTuple_Pack(2, reader->message_limit, reader->fragment_limit);
}

static PyObject *
get_reserved(WsReader *reader, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(reader->reserved);
}

static int
set_reserved(WsReader *reader, PyObject *value, void *Py_UNUSED(closure))
{
    long bits;

    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "reserved can't be deleted");
        return -1;
    }
    bits = PyLong_AsLong(value);
    if (bits == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (bits < 0 || bits & ~(long)WS_RSV) {
        PyErr_Format(PyExc_ValueError, "reserved has other bits than %d: %ld",
                     WS_RSV, bits);
        return -1;
    }
    reader->reserved = (uint8_t)bits;
    return 0;
}

static PyObject *
get_error(WsReader *reader, void *Py_UNUSED(closure))
{
    return Py_NewRef(reader->error == NULL ? Py_None : reader->error);
}

static PyObject *
get_ahead(WsReader *reader, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(reader->ahead);
}

static PyObject *
get_pending(WsReader *reader, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(reader->size - reader->pos - reader->skipped);
}

static PyObject *
get_unscanned(WsReader *reader, void *Py_UNUSED(closure))
{
    if (reader->keeping) {
        return PyBool_FromLong(reader->keep < reader->size);
    }
    return PyBool_FromLong(reader->pos < reader->size
                           && reader->scan < reader->size
                           && reader->error == NULL);
}

#define METHOD(name, flags) (PyCFunction)(void (*)(void))reader_##name, flags

static PyMethodDef methods[] = {
    {"feed", METHOD(feed, METH_O),
     "feed($self, data, /)\n--\n\nAdd bytes from the network."},
    {"trim", METHOD(trim, METH_NOARGS),
     "trim($self, /)\n--\n\nLet go of a buffer of which everything was taken."},
    {"unfinished", METHOD(unfinished, METH_NOARGS),
     "unfinished($self, /)\n--\n\nTell what the stream lacks, if it ends here."},
    {"read", METHOD(read, METH_NOARGS),
     "read($self, /)\n--\n\nTake the next frame, or the part of it that is there."},
    {"read_unfinished", METHOD(read_unfinished, METH_NOARGS),
     "read_unfinished($self, /)\n--\n\n"
     "Take a part of a frame that isn't complete, if that is all that's here."},
    {"scan", METHOD(scan, METH_NOARGS),
     "scan($self, /)\n--\n\nLook ahead; return control frames."},
    {"drop", METHOD(drop, METH_NOARGS),
     "drop($self, /)\n--\n\nKeep only messages that are complete."},
    {"clear", METHOD(clear, METH_NOARGS),
     "clear($self, /)\n--\n\nIgnore every byte, here and to come."},
    {"stop", METHOD(stop, METH_NOARGS),
     "stop($self, /)\n--\n\nKeep messages; ignore every byte to come."},
    {"__sizeof__", METHOD(sizeof, METH_NOARGS),
     "__sizeof__($self, /)\n--\n\nReturn the size of the object and its buffer."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"max_fragments", T_OBJECT, offsetof(WsReader, max_fragments), READONLY,
     "Frames a message may have, or None."},
    {NULL, 0, 0, 0, NULL},
};

#define GETTER(name, doc) {#name, (getter)get_##name, NULL, doc, NULL}

static PyGetSetDef attributes[] = {
    GETTER(masked, "Whether the peer must mask its frames."),
    GETTER(limits, "Bytes a message and one frame may have, None for no limit."),
    GETTER(error, "The first error that scan() met."),
    GETTER(ahead, "Data frames that scan() passed and read() hasn't taken."),
    GETTER(pending, "Number of bytes held for read() and scan()."),
    GETTER(unscanned, "Whether bytes are there for scan()."),
    {"reserved", (getter)get_reserved, (setter)set_reserved,
     "Bits that extensions allow.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "FrameReader(*, masked, max_message_size=None, max_fragment_size=None, "
     "max_fragments=None)\n--\n\nCut a stream of bytes into frames."},
    {Py_tp_new, reader_new},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_clear, reader_tp_clear},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "websockets.speedups.FrameReader",
    .basicsize = sizeof(WsReader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
ws_add_reader(PyObject *module)
{
    return ws_add_type(module, &spec, &ws_state(module)->reader_type);
}
