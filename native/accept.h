/* The proof of the opening handshake; see accept.c. */

#ifndef WEBSOCKETS_ACCEPT_H
#define WEBSOCKETS_ACCEPT_H

#include "common.h"

/* Add the function to the module: 0, or -1 with an error set. */
int ws_add_accept(PyObject *module);

#endif
