/* Timers of the system, for event loops that watch descriptors. */

#ifndef WEBSOCKETS_TIMER_H
#define WEBSOCKETS_TIMER_H

#include "common.h"

/* Add the type TimerFd to the module, where the system has such timers. */
int ws_add_timer(PyObject *module);

#endif
