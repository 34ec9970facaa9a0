/* What the files that make the type TlsTransport share: its methods that do something.

   Doesn't know: anything besides. */

#ifndef WEBSOCKETS_TLS_TYPE_H
#define WEBSOCKETS_TLS_TYPE_H

#include "tls.h"

#ifdef WS_SOCKETS

/* For the driver. */
PyObject *ws_tls_method_open(WsTls *self, PyObject *none);
PyObject *ws_tls_method_flush(WsTls *self, PyObject *none);
PyObject *ws_tls_method_discard(WsTls *self, PyObject *none);
PyObject *ws_tls_method_fail(WsTls *self, PyObject *exc);

/* For the transport below. */
PyObject *ws_tls_method_data_received(WsTls *self, PyObject *data);
PyObject *ws_tls_method_eof_received(WsTls *self, PyObject *none);
PyObject *ws_tls_method_connection_lost(WsTls *self, PyObject *exc);
PyObject *ws_tls_method_pause_writing(WsTls *self, PyObject *none);
PyObject *ws_tls_method_resume_writing(WsTls *self, PyObject *none);

/* For programs. */
PyObject *ws_tls_method_pause_reading(WsTls *self, PyObject *none);
PyObject *ws_tls_method_resume_reading(WsTls *self, PyObject *none);

#endif
#endif
