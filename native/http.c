/* Heads of HTTP messages, when they are as nearly all are. The Python twin,
   _codec/heads.py, is the specification.

   Owns: one pass over a head that is here in one piece, the search for the headers
   of the opening handshake, the text of the Date header.
   Doesn't know: what to do about a head that is unusual, incomplete or wrong: it
   returns None, and the parsers in http11 find out. */

#include "http.h"

#include <string.h>
#include <time.h>

/* RFC 9110, section 5.6.2, as a set of bits for each half of ASCII. */
static const uint64_t TOKEN_CHARS[2] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu};

static int
is_token(uint8_t c)
{
    return c < 128 && (TOKEN_CHARS[c >> 6] >> (c & 63) & 1);
}

/* Visible characters, and bytes above 0x7F. */
static int
is_visible(uint8_t c)
{
    return c > ' ' && c != 0x7f;
}

static int
is_text(uint8_t c)
{
    return is_visible(c) || c == ' ' || c == '\t';
}

static uint8_t
lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Tell whether bytes are a name, which is given in lower case. */
static int
is_name(const uint8_t *data, size_t size, const char *name)
{
    if (size != strlen(name)) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        if (lower(data[i]) != (uint8_t)name[i]) {
            return 0;
        }
    }
    return 1;
}

typedef struct {
    const uint8_t *name;
    size_t name_size;
    const uint8_t *value;
    size_t value_size;
} Line;

/* Read "name: value", CR, LF. Return what follows; NULL for anything else. */
static const uint8_t *
read_line(const uint8_t *at, const uint8_t *end, Line *line)
{
    line->name = at;
    while (at < end && is_token(*at)) {
        at++;
    }
    line->name_size = (size_t)(at - line->name);
    if (line->name_size == 0 || end - at < 4 || at[0] != ':' || at[1] != ' ') {
        return NULL;
    }
    at += 2;
    line->value = at;
    while (at < end && is_text(*at)) {
        at++;
    }
    line->value_size = (size_t)(at - line->value);
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n') {
        return NULL;
    }
    if (line->value_size > 0 && (!is_visible(line->value[0]) || !is_visible(at[-1]))) {
        return NULL;
    }
    return at + 2;
}

/* Read lines and the empty one after them. Return what follows; NULL for anything
   else. What a request must not have, or must have, is asked for by `request`. */
static const uint8_t *
read_lines(const uint8_t *at, const uint8_t *end, Py_ssize_t most, int request)
{
    Line line;
    int hosts = 0;

    while (end - at < 2 || at[0] != '\r' || at[1] != '\n') {
        at = most-- > 0 ? read_line(at, end, &line) : NULL;
        if (at == NULL) {
            return NULL;
        }
        hosts += is_name(line.name, line.name_size, "host");
        if (request && (is_name(line.name, line.name_size, "content-length")
                        || is_name(line.name, line.name_size, "transfer-encoding"))) {
            return NULL;
        }
    }
    return request && hosts != 1 ? NULL : at + 2;
}

static PyObject *
latin1(const uint8_t *data, const uint8_t *end)
{
    return PyUnicode_DecodeLatin1((const char *)data, end - data, NULL);
}

/* Read a head. `begin` is how it starts, `after` what follows the part of the first
   line that counts. */
static PyObject *
read_head(PyObject *args, const char *format, const char *begin, const char *after,
          int request)
{
    Py_buffer data;
    Py_ssize_t limit;
    Py_ssize_t most;
    PyObject *result = NULL;

    if (!PyArg_ParseTuple(args, format, &data, &limit, &most)) {
        return NULL;
    }
    const uint8_t *start = data.buf;
    const uint8_t *end = start + (data.len < limit ? data.len : limit);
    const uint8_t *first = start + strlen(begin);
    const uint8_t *lines = NULL;
    const uint8_t *at = first;

    if (end - start > (Py_ssize_t)strlen(begin)
        && memcmp(start, begin, strlen(begin)) == 0) {
        while (at < end && (request ? is_visible(*at) && *at < 0x80 : is_text(*at))) {
            at++;
        }
        if ((at > first || !request) && end - at > (Py_ssize_t)strlen(after)
            && memcmp(at, after, strlen(after)) == 0) {
            lines = at + strlen(after);
        }
    }
    end = lines == NULL ? NULL : read_lines(lines, end, most, request);
    if (end == NULL) {
        result = Py_NewRef(Py_None);
    } else {
        PyObject *part = latin1(first, at);
        PyObject *text = latin1(lines, end - 2);
        if (part != NULL && text != NULL) {
            result = Py_BuildValue("OOn", part, text, (Py_ssize_t)(end - start));
        }
        Py_XDECREF(part);
        Py_XDECREF(text);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *
read_request(PyObject *module, PyObject *args)
{
    (void)module;
    return read_head(args, "y*nn:read_request", "GET ", " HTTP/1.1\r\n", 1);
}

static PyObject *
read_response(PyObject *module, PyObject *args)
{
    (void)module;
    return read_head(args, "y*nn:read_response", "HTTP/1.1 101 ", "\r\n", 0);
}

/* The headers that open a connection: the first two are judged here, the others are
   returned in this order. */
enum { UPGRADE, CONNECTION, RETURNED };
static const char *const NAMES[] = {
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-accept",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
};
enum { NAME_COUNT = sizeof(NAMES) / sizeof(NAMES[0]) };

static PyObject *
find_upgrade(PyObject *module, PyObject *lines)
{
    Line found[NAME_COUNT] = {{NULL, 0, NULL, 0}};
    Line line;

    (void)module;
    if (!PyUnicode_Check(lines)) {
        PyErr_Format(PyExc_TypeError, "lines must be a str, not %.100s",
                     Py_TYPE(lines)->tp_name);
        return NULL;
    }
    if (PyUnicode_KIND(lines) != PyUnicode_1BYTE_KIND) {
        Py_RETURN_NONE;
    }
    const uint8_t *at = PyUnicode_1BYTE_DATA(lines);
    const uint8_t *end = at + PyUnicode_GET_LENGTH(lines);
    while (at < end) {
        at = read_line(at, end, &line);
        if (at == NULL) {
            Py_RETURN_NONE;
        }
        for (int i = 0; i < NAME_COUNT; i++) {
            if (is_name(line.name, line.name_size, NAMES[i])) {
                if (found[i].name != NULL) {
                    Py_RETURN_NONE;
                }
                found[i] = line;
            }
        }
    }
    const Line *upgrade = &found[UPGRADE];
    const Line *connection = &found[CONNECTION];
    if (!is_name(upgrade->value, upgrade->value_size, "websocket")
        || !(is_name(connection->value, connection->value_size, "upgrade")
             || is_name(connection->value, connection->value_size,
                        "keep-alive, upgrade"))) {
        Py_RETURN_NONE;
    }
    PyObject *fields = PyTuple_New(NAME_COUNT - RETURNED);
    for (int i = RETURNED; fields != NULL && i < NAME_COUNT; i++) {
        PyObject *value = found[i].name == NULL
                              ? Py_NewRef(Py_None)
                              : latin1(found[i].value,
                                       found[i].value + found[i].value_size);
        if (value == NULL) {
            Py_CLEAR(fields);
        } else {
            PyTuple_SET_ITEM(fields, i - RETURNED, value);
        }
    }
    return fields;
}

/* -- the Date header */

/* 9999-12-31 23:59:59 */
static const int64_t LAST_SECOND = 253402300799;

/* Write the date that a number of seconds after 1970 stands for: RFC 9110,
   section 5.6.7. gmtime() is shared between threads, and its replacements have a
   name on each system. */
static PyObject *
format_date(int64_t seconds)
{
    static const char names[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t days = seconds / 86400;
    int second = (int)(seconds % 86400);
    /* Years that begin in March end with the day that some of them lack. Eras are
       the 400 years after which the calendar repeats; 719468 days lead from the
       first of March of the year 0 to 1970. */
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int in_era = (int)(shifted % 146097);
    int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int in_year = in_era - (365 * year + year / 4 - year / 100);
    int month = (5 * in_year + 2) / 153;
    int day = in_year - (153 * month + 2) / 5 + 1;

    month = month < 10 ? month + 2 : month - 10;
    year += (int)era * 400 + (month < 2);
    return PyUnicode_FromFormat("%s, %02d %s %04d %02d:%02d:%02d GMT", names[days % 7],
                                day, months[month], year, second / 3600,
                                second / 60 % 60, second % 60);
}

static PyObject *
date_of(PyObject *module, PyObject *number)
{
    long long seconds = PyLong_AsLongLong(number);

    (void)module;
    if (seconds == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (seconds < 0 || seconds > LAST_SECOND) {
        PyErr_Format(PyExc_ValueError, "expected 0 to %lld seconds, not %lld",
                     (long long)LAST_SECOND, seconds);
        return NULL;
    }
    return format_date(seconds);
}

static PyObject *
http_date(PyObject *module, PyObject *ignored)
{
    WsState *state = ws_state(module);
    int64_t now = (int64_t)time(NULL);

    (void)ignored;
    if (now < 0 || now > LAST_SECOND) {
        now = 0; /* Nobody knows the time. */
    }
    if (state->date == NULL || state->date_second != now) {
        PyObject *date = format_date(now);
        if (date == NULL) {
            return NULL;
        }
        Py_XSETREF(state->date, date);
        state->date_second = now;
    }
    return Py_NewRef(state->date);
}

static PyMethodDef functions[] = {
    {"read_request", read_request, METH_VARARGS,
     "read_request($module, data, limit, most, /)\n--\n\n"
     "Return path, header lines and size of the head of a request, or None."},
    {"read_response", read_response, METH_VARARGS,
     "read_response($module, data, limit, most, /)\n--\n\n"
     "Return reason phrase, header lines and size of the head of a response, or None."},
    {"find_upgrade", find_upgrade, METH_O,
     "find_upgrade($module, lines, /)\n--\n\n"
     "Return the headers of an opening handshake, or None."},
    {"date_of", date_of, METH_O,
     "date_of($module, seconds, /)\n--\n\n"
     "Return the date that a number of seconds after 1970 stands for."},
    {"http_date", http_date, METH_NOARGS,
     "http_date($module, /)\n--\n\n"
     "Return the value of the Date header."},
    {NULL, NULL, 0, NULL},
};

int
ws_add_http(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
