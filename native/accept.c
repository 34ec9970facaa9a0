/* The proof of the opening handshake. The Python twin, in _codec/heads.py, is the
   specification.

   Owns: SHA-1, for RFC 6455, section 4.2.2. It protects nothing: the standard wants
   a calculation that only a WebSocket server would make. Calling the library for
   the 60 bytes takes five times as long, most of it to find the algorithm.
   Doesn't know: headers. */

#include "accept.h"

#include <string.h>

enum { DIGEST = 20, BLOCK = 64 };

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static uint32_t
rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* FIPS 180-4, section 6.1.2. */
static void
digest_block(uint32_t state[5], const uint8_t block[BLOCK])
{
    uint32_t words[80];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

    for (int i = 0; i < 16; i++) {
        const uint8_t *at = block + 4 * i;
        words[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16
                   | (uint32_t)at[2] << 8 | at[3];
    }
    for (int i = 16; i < 80; i++) {
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    }
    for (int i = 0; i < 80; i++) {
        uint32_t mixed;
        if (i < 20) {
            mixed = (d ^ (b & (c ^ d))) + 0x5a827999u;
        } else if (i < 40) {
            mixed = (b ^ c ^ d) + 0x6ed9eba1u;
        } else if (i < 60) {
            mixed = ((b & c) | (d & (b | c))) + 0x8f1bbcdcu;
        } else {
            mixed = (b ^ c ^ d) + 0xca62c1d6u;
        }
        mixed += rotate(a, 5) + e + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = mixed;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

typedef struct {
    uint32_t state[5];
    uint8_t block[BLOCK];
    size_t used;
    uint64_t size;
} Sha1;

static void
update(Sha1 *sha1, const void *data, size_t size)
{
    const uint8_t *at = data;

    sha1->size += size;
    while (size > 0) {
        size_t part = size < BLOCK - sha1->used ? size : BLOCK - sha1->used;
        memcpy(sha1->block + sha1->used, at, part);
        sha1->used += part;
        at += part;
        size -= part;
        if (sha1->used == BLOCK) {
            digest_block(sha1->state, sha1->block);
            sha1->used = 0;
        }
    }
}

static void
finish(Sha1 *sha1, uint8_t digest[DIGEST])
{
    static const uint8_t padding[BLOCK] = {0x80};
    uint64_t bits = sha1->size * 8;
    uint8_t length[8];

    update(sha1, padding, 1 + (BLOCK + 55 - sha1->used) % BLOCK);
    for (int i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    update(sha1, length, 8);
    for (int i = 0; i < DIGEST; i++) {
        digest[i] = (uint8_t)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

/* RFC 4648, section 4, for a digest and its last two bytes without a third. */
static PyObject *
base64(const uint8_t digest[DIGEST])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[28];

    for (int i = 0; i < 7; i++) {
        const uint8_t *at = digest + 3 * i;
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8;
        bits |= i < 6 ? at[2] : 0;
        text[4 * i] = alphabet[bits >> 18];
        text[4 * i + 1] = alphabet[bits >> 12 & 63];
        text[4 * i + 2] = alphabet[bits >> 6 & 63];
        text[4 * i + 3] = i < 6 ? alphabet[bits & 63] : '=';
    }
    return PyUnicode_FromStringAndSize(text, sizeof(text));
}

static PyObject *
accept_key(PyObject *module, PyObject *key)
{
    Sha1 sha1 = {
        .state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u},
    };
    uint8_t digest[DIGEST];
    Py_ssize_t size;

    (void)module;
    if (!PyUnicode_Check(key)) {
        PyErr_Format(PyExc_TypeError, "key must be a str, not %.100s",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(key, &size);
    if (text == NULL) {
        return NULL;
    }
    update(&sha1, text, (size_t)size);
    update(&sha1, GUID, sizeof(GUID) - 1);
    finish(&sha1, digest);
    return base64(digest);
}

static PyMethodDef functions[] = {
    {"accept_key", accept_key, METH_O,
     "accept_key($module, key, /)\n--\n\n"
     "Return the value of Sec-WebSocket-Accept that answers a key."},
    {NULL, NULL, 0, NULL},
};

int
ws_add_accept(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
