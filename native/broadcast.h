/* One message to many connections: what asyncio/_broadcast.py does for each of them.

   Owns: who can be written to at once; the loops over connections.
   Doesn't know: who shares what, compression, the order of the two functions. */

#ifndef WEBSOCKETS_BROADCAST_H
#define WEBSOCKETS_BROADCAST_H

#include "common.h"

int ws_add_broadcast(PyObject *module);

#endif
