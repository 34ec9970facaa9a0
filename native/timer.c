/* Timers of the system, for event loops that watch descriptors.

   An event loop with a timer of its own computes in every turn how long it may wait, and
   has the kernel set a timer for that, which data that arrive before then take down
   again. A descriptor costs nothing until its time has come.

   Owns: the descriptor.
   Doesn't know: event loops. os.timerfd_create() is in Python since 3.13. */

#include "timer.h"

#ifdef __linux__

#include <errno.h>
#include <structmember.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000L

/* In seconds; about thirty million years. */
#define LATEST 1e15

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    int fd;
} WsTimer;

static PyObject *
timer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    WsTimer *timer;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":TimerFd", names)) {
        return NULL;
    }
    timer = (WsTimer *)type->tp_alloc(type, 0);
    if (timer == NULL) {
        return NULL;
    }
    timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer->fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(timer);
        return NULL;
    }
    return (PyObject *)timer;
}

static PyObject *
timer_fileno(WsTimer *timer, PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(timer->fd);
}

static PyObject *
timer_set(WsTimer *timer, PyObject *argument)
{
    struct itimerspec wanted = {0};
    double deadline = PyFloat_AsDouble(argument);

    if (deadline == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!(deadline > 0 && deadline <= LATEST)) {
        return PyErr_Format(PyExc_ValueError,
                            "a deadline must be above 0 and at most 1e15 seconds, not %R",
                            argument);
    }
    wanted.it_value.tv_sec = (time_t)deadline;
    wanted.it_value.tv_nsec = (long)((deadline - (double)wanted.it_value.tv_sec)
                                     * NANOSECONDS);
    if (wanted.it_value.tv_sec == 0 && wanted.it_value.tv_nsec == 0) {
        wanted.it_value.tv_nsec = 1; /* zero would turn it off */
    }
    if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &wanted, NULL) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
timer_expired(WsTimer *timer, PyObject *Py_UNUSED(none))
{
    uint64_t times;

    if (read(timer->fd, &times, sizeof(times)) == (ssize_t)sizeof(times)) {
        Py_RETURN_TRUE;
    }
    if (errno == EAGAIN) {
        Py_RETURN_FALSE;
    }
    return PyErr_SetFromErrno(PyExc_OSError);
}

static void
timer_dealloc(WsTimer *timer)
{
    PyTypeObject *type = Py_TYPE(timer);

    if (timer->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)timer);
    }
    if (timer->fd >= 0) {
        close(timer->fd);
    }
    type->tp_free((PyObject *)timer);
    Py_DECREF(type);
}

static PyMethodDef timer_methods[] = {
    {"fileno", (PyCFunction)timer_fileno, METH_NOARGS,
     "fileno($self)\n--\n\nReturn the descriptor."},
    {"set", (PyCFunction)timer_set, METH_O,
     "set($self, deadline, /)\n--\n\n"
     "Have the descriptor readable at a time of time.monotonic(), and not before."},
    {"expired", (PyCFunction)timer_expired, METH_NOARGS,
     "expired($self)\n--\n\n"
     "Tell whether that time has come; once, the descriptor isn't readable afterwards."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef timer_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(WsTimer, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, "TimerFd()\n--\n\n"
                "A timer of the system, behind a descriptor that is closed with it."},
    {Py_tp_new, timer_new},
    {Py_tp_methods, timer_methods},
    {Py_tp_members, timer_members},
    {Py_tp_dealloc, timer_dealloc},
    {0, NULL},
};

static PyType_Spec timer_spec = {
    .name = "websockets.speedups.TimerFd",
    .basicsize = sizeof(WsTimer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = timer_slots,
};

int
ws_add_timer(PyObject *module)
{
    return ws_add_type(module, &timer_spec, NULL);
}

#else

int
ws_add_timer(PyObject *Py_UNUSED(module))
{
    return 0;
}

#endif
