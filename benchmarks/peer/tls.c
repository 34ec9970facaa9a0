/* TLS by OpenSSL, where its headers were found when this was compiled.
 *
 * Owns: OpenSSL. Doesn't know: what is sent.
 */

#include "peer.h"

#include <errno.h>

#ifdef WITH_TLS

#include <openssl/err.h>
#include <openssl/ssl.h>

const int TLS_AVAILABLE = 1;

static SSL_CTX *
settings_of(const SSL_METHOD *method)
{
    SSL_CTX *settings = SSL_CTX_new(method);

    if (settings == NULL)
        fail("OpenSSL has no settings for us");
    SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE
                                   | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                   | SSL_MODE_RELEASE_BUFFERS);
    return settings;
}

/* One file has the certificate and its key. */
void *
tls_server_settings(const char *certificate)
{
    SSL_CTX *settings = settings_of(TLS_server_method());

    if (SSL_CTX_use_certificate_chain_file(settings, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(settings, certificate, SSL_FILETYPE_PEM) != 1)
        fail("%s: not a certificate with its key", certificate);
    return settings;
}

void *
tls_client_settings(void)
{
    return settings_of(TLS_client_method());
}

void
tls_start(struct connection *connection, void *settings, int server)
{
    SSL *tls = SSL_new(settings);

    if (tls == NULL || SSL_set_fd(tls, connection->fd) != 1)
        fail("OpenSSL can't begin");
    if (server)
        SSL_set_accept_state(tls);
    else
        SSL_set_connect_state(tls);
    connection->tls = tls;
}

static ssize_t
outcome(SSL *tls, int result)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return IO_AGAIN;
    default:
        ERR_clear_error();
        return IO_END;
    }
}

/* As for reading and writing: positive, IO_AGAIN or IO_END. */
int
tls_handshake(struct connection *connection)
{
    return (int)outcome(connection->tls, SSL_do_handshake(connection->tls));
}

ssize_t
tls_read(struct connection *connection, void *data, size_t size)
{
    int most = size > 1 << 30 ? 1 << 30 : (int)size;

    return outcome(connection->tls, SSL_read(connection->tls, data, most));
}

ssize_t
tls_write(struct connection *connection, const void *data, size_t size)
{
    int most = size > 1 << 30 ? 1 << 30 : (int)size;

    return outcome(connection->tls, SSL_write(connection->tls, data, most));
}

void
tls_free(struct connection *connection)
{
    SSL_free(connection->tls);
}

#else

const int TLS_AVAILABLE = 0;

#define ABSENT fail("compiled without OpenSSL")

void *
tls_server_settings(const char *certificate)
{
    (void)certificate;
    ABSENT;
}

void *
tls_client_settings(void)
{
    ABSENT;
}

void
tls_start(struct connection *connection, void *settings, int server)
{
    (void)connection, (void)settings, (void)server;
    ABSENT;
}

int
tls_handshake(struct connection *connection)
{
    (void)connection;
    ABSENT;
}

ssize_t
tls_read(struct connection *connection, void *data, size_t size)
{
    (void)connection, (void)data, (void)size;
    ABSENT;
}

ssize_t
tls_write(struct connection *connection, const void *data, size_t size)
{
    (void)connection, (void)data, (void)size;
    ABSENT;
}

void
tls_free(struct connection *connection)
{
    (void)connection;
}

#endif
