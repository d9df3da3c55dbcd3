/* SPDX-License-Identifier: BSD-3-Clause */
#include "hello.h"

#include <criterion/criterion.h>

enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };

static struct view cut(struct view *from, size_t len)
{
    cr_assert_leq(len, from->len);
    struct view piece = view_of(from->data, len);
    *from = view_of(from->data + len, from->len - len);
    return piece;
}

/* A vector whose length stands before it in so many bytes. */
static struct view cut_vector(struct view *from, size_t length_bytes)
{
    struct view head = cut(from, length_bytes);
    return cut(from, length_bytes == 1 ? head.data[0] : load_be16(head.data));
}

static void part_set(struct hello_part *part, struct view bytes)
{
    cr_assert_leq(bytes.len, sizeof part->bytes);
    memcpy(part->bytes, bytes.data, bytes.len);
    part->len = bytes.len;
}

static void parse(struct hello *hello, struct view message, bool server)
{
    memset(hello, 0, sizeof *hello);
    hello->version = load_be16(cut(&message, 2).data);
    memcpy(hello->random, cut(&message, 32).data, 32);
    part_set(&hello->session_id, cut_vector(&message, 1));
    part_set(&hello->suites, server ? cut(&message, 2) : cut_vector(&message, 2));
    part_set(&hello->compression, server ? cut(&message, 1) : cut_vector(&message, 1));
    struct view extensions = cut_vector(&message, 2);
    while (extensions.len > 0) {
        uint16_t type = load_be16(cut(&extensions, 2).data);
        struct view body = cut_vector(&extensions, 2);
        hello_add(hello, type, body.data, body.len);
    }
}

void hello_take(struct hello *hello, SSL *peer)
{
    uint8_t bytes[HELLO_BYTES];
    SSL_do_handshake(peer);
    int n = BIO_read(SSL_get_wbio(peer), bytes, sizeof bytes);
    cr_assert(n > 9 && bytes[0] == 22 && bytes[5] == CLIENT_HELLO);
    parse(hello, view_of(bytes + 9, (size_t)n - 9), false);
}

struct writer {
    uint8_t *out;
    size_t len;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    cr_assert_leq(w->len + len, HELLO_BYTES);
    memcpy(w->out + w->len, bytes, len);
    w->len += len;
}

static void put_number(struct writer *w, size_t number, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;) {
        uint8_t byte = (uint8_t)(number >> 8 * i);
        put(w, &byte, 1);
    }
}

static void put_part(struct writer *w, const struct hello_part *part, size_t length_bytes)
{
    put_number(w, part->len, length_bytes);
    put(w, part->bytes, part->len);
}

size_t hello_write(const struct hello *hello, uint8_t out[HELLO_BYTES])
{
    struct writer w = {out, 9};
    put_number(&w, hello->version, 2);
    put(&w, hello->random, 32);
    put_part(&w, &hello->session_id, 1);
    put_part(&w, &hello->suites, 2);
    put_part(&w, &hello->compression, 1);
    if (!hello->bare) {
        size_t all = 0;
        for (uint32_t i = 0; i < hello->count; i++)
            all += 4 + hello->extension[i].len;
        put_number(&w, all, 2);
        for (uint32_t i = 0; i < hello->count; i++) {
            put_number(&w, hello->type[i], 2);
            put_part(&w, &hello->extension[i], 2);
        }
    }
    put(&w, hello->behind.bytes, hello->behind.len);
    size_t message = w.len - 9;
    memcpy(out, "\x16\x03\x01", 3);
    store_be16(out + 3, (uint16_t)(message + 4));
    store_be32(out + 5, (uint32_t)message);
    out[5] = CLIENT_HELLO;
    return w.len;
}

int hello_find(const struct hello *hello, uint16_t type)
{
    for (uint32_t i = 0; i < hello->count; i++)
        if (hello->type[i] == type)
            return (int)i;
    return -1;
}

void hello_add(struct hello *hello, uint16_t type, const void *bytes, size_t len)
{
    cr_assert_lt(hello->count, HELLO_EXTENSIONS);
    hello->type[hello->count] = type;
    part_set(&hello->extension[hello->count++], view_of(bytes, len));
}

void hello_set(struct hello *hello, uint16_t type, const void *bytes, size_t len)
{
    int at = hello_find(hello, type);
    if (at < 0)
        hello_add(hello, type, bytes, len);
    else
        part_set(&hello->extension[at], view_of(bytes, len));
}

void hello_remove(struct hello *hello, uint16_t type)
{
    int at = hello_find(hello, type);
    cr_assert_geq(at, 0, "the hello has no extension %u", type);
    hello->count--;
    for (uint32_t i = (uint32_t)at; i < hello->count; i++) {
        hello->type[i] = hello->type[i + 1];
        hello->extension[i] = hello->extension[i + 1];
    }
}

static bool is_retry(const uint8_t *random)
{
    static const uint8_t retry[] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11};
    return memcmp(random, retry, sizeof retry) == 0;
}

struct answer answer_to(struct tls_shake *shake, const uint8_t *bytes, size_t len)
{
    static uint8_t out[TLS_SHAKE_OUT_BYTES];
    struct tls_shake_result result;
    size_t consumed, out_len;
    struct answer answer = {.alert = -1};
    answer.status =
        tls_shake_input(shake, view_of(bytes, len), span_of(out, sizeof out), &consumed, &out_len, &result);
    for (size_t at = 0; at + 5 <= out_len; at += 5u + load_be16(out + at + 3)) {
        const uint8_t *body = out + at + 5;
        size_t body_len = load_be16(out + at + 3);
        if (out[at] == 21 && body_len == 2) {
            cr_assert_eq(body[0], 2, "an alert of the server's is fatal");
            answer.alert = body[1];
        } else if (out[at] == 22 && body[0] == SERVER_HELLO) {
            parse(&answer.hello, view_of(body + 4, body_len - 4), true);
            answer.retry = is_retry(answer.hello.random);
            answer.server_hello = !answer.retry;
        }
    }
    return answer;
}

struct answer answer_hello(struct tls_context *ctx, const struct hello *hello)
{
    uint8_t bytes[HELLO_BYTES];
    struct tls_shake *shake = tls_shake_new(ctx);
    struct answer answer = answer_to(shake, bytes, hello_write(hello, bytes));
    tls_shake_free(shake);
    return answer;
}
