/* Heads of HTTP messages, when they are as nearly all are; see http.c. */

#ifndef WEBSOCKETS_HTTP_H
#define WEBSOCKETS_HTTP_H

#include "common.h"

/* Add the functions to the module: 0, or -1 with an error set. */
int ws_add_http(PyObject *module);

#endif
