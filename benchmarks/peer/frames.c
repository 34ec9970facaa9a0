/* Frames, masks and the value of Sec-WebSocket-Accept.
 *
 * Owns: the little of RFC 6455 that a peer of measurements needs. Doesn't know: sockets.
 */

#include "peer.h"

#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* Look at the first frame of a buffer: 1 when it is complete, else 0, and *missing is
 * how many bytes are known to come. */
int
next_frame(struct buffer *buffer, struct frame *frame, size_t *missing)
{
    uint8_t *head = buffer->data + buffer->start;
    size_t available = buffer->end - buffer->start, length = 2, size;
    int index;

    *missing = 1;
    if (available < 2)
        return 0;
    size = head[1] & 0x7f;
    if (size == 126) {
        length = 4;
        if (available < length)
            return 0;
        size = (size_t)head[2] << 8 | head[3];
    }
    else if (size == 127) {
        length = 10;
        if (available < length)
            return 0;
        for (size = 0, index = 2; index < 10; index++)
            size = size << 8 | head[index];
    }
    frame->key = head[1] & 0x80 ? head + length : NULL;
    length += frame->key ? 4 : 0;
    if (available < length + size) {
        *missing = length + size - available;
        return 0;
    }
    frame->head = head;
    frame->opcode = head[0] & 0x0f;
    frame->payload = head + length;
    frame->size = size;
    return 1;
}

void
unmask(uint8_t *data, size_t size, const uint8_t *key)
{
    uint64_t wide, word;
    size_t index = 0;

    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    for (; index + 8 <= size; index += 8) {
        memcpy(&word, data + index, 8);
        word ^= wide;
        memcpy(data + index, &word, 8);
    }
    for (; index < size; index++)
        data[index] ^= key[index & 3];
}

/* Write the head of a frame that isn't masked; return its length, at most 10. */
size_t
write_head(uint8_t *head, uint8_t first, size_t size)
{
    int index;

    head[0] = first;
    if (size < 126) {
        head[1] = (uint8_t)size;
        return 2;
    }
    if (size < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        return 4;
    }
    head[1] = 127;
    for (index = 0; index < 8; index++)
        head[2 + index] = (uint8_t)(size >> (56 - 8 * index));
    return 10;
}

static uint32_t
rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static void
sha1_block(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f, k, next;
    int round;

    for (round = 0; round < 16; round++)
        w[round] = (uint32_t)block[4 * round] << 24 | (uint32_t)block[4 * round + 1] << 16
                   | (uint32_t)block[4 * round + 2] << 8 | block[4 * round + 3];
    for (; round < 80; round++)
        w[round] = rotate(w[round - 3] ^ w[round - 8] ^ w[round - 14] ^ w[round - 16], 1);
    for (round = 0; round < 80; round++) {
        if (round < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        }
        else if (round < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        }
        else if (round < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        }
        else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        next = rotate(a, 5) + f + e + k + w[round];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Sec-WebSocket-Accept for a key of 24 characters. */
void
accept_value(const char *key, char value[29])
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t text[128] = {0}, digest[21] = {0};
    size_t size = 24 + sizeof GUID - 1;
    int index;

    /* 60 bytes, and the padding: two blocks. */
    memcpy(text, key, 24);
    memcpy(text + 24, GUID, sizeof GUID - 1);
    text[size] = 0x80;
    text[126] = (uint8_t)(size * 8 >> 8);
    text[127] = (uint8_t)(size * 8);
    sha1_block(state, text);
    sha1_block(state, text + 64);
    for (index = 0; index < 20; index++)
        digest[index] = (uint8_t)(state[index / 4] >> (24 - 8 * (index % 4)));
    for (index = 0; index < 7; index++) {
        const uint8_t *three = digest + 3 * index;

        value[4 * index] = digits[three[0] >> 2];
        value[4 * index + 1] = digits[(three[0] & 3) << 4 | three[1] >> 4];
        value[4 * index + 2] = digits[(three[1] & 15) << 2 | three[2] >> 6];
        value[4 * index + 3] = digits[three[2] & 63];
    }
    value[27] = '=';
    value[28] = '\0';
}
