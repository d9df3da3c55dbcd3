/* SPDX-License-Identifier: BSD-3-Clause */
/* The C codec and identities against client/vectors.json, which tests/vectors/make.py makes from the
 * protocol's page, sharing no code with them. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <sodium.h>

#include "relay/envelope.h"
#include "vectors.h"
#include "waxwire/client.h"
#include "waxwire/request.h"

#define BYTES_MAX 65536u
#define SLOTS     12u

/* Where bytes of a vector are decoded to: each call of bytes_of takes the next. */
static uint8_t slots[SLOTS][BYTES_MAX], out[BYTES_MAX];
static unsigned slot;
static struct json_object *all; /* the file, for the life of a test */

static struct json_object *vectors(const char *part)
{
    struct json_object *list;

    if (all == NULL)
        all = json_object_from_file(VECTORS_FILE);
    cr_assert_not_null(all, "%s can't be read", VECTORS_FILE);
    cr_assert(json_object_object_get_ex(all, part, &list), "no %s", part);
    cr_assert_gt(json_object_array_length(list), 0);
    return list;
}

struct json_object *field(struct json_object *of, const char *name)
{
    struct json_object *value;

    cr_assert(json_object_object_get_ex(of, name, &value), "no %s in %s", name,
              json_object_to_json_string(of));
    return value;
}

const char *text_of(struct json_object *of, const char *name)
{
    return json_object_get_string(field(of, name));
}

/* A number; those of 64 bits are text, which json-c reads as well. */
uint64_t number_of(struct json_object *of, const char *name)
{
    return json_object_get_uint64(field(of, name));
}

struct view bytes_of(struct json_object *of, const char *name)
{
    const char *text = text_of(of, name);
    uint8_t *place = slots[slot++ % SLOTS];
    size_t len;

    cr_assert_eq(sodium_hex2bin(place, BYTES_MAX, text, strlen(text), NULL, &len, NULL), 0, "%s", text);
    return view_of(place, len);
}

struct name name_of(struct json_object *of)
{
    struct name name = {.device = (uint16_t)number_of(of, "device")};

    cr_assert_eq(bytes_of(of, "user").len, WAX_USER_BYTES);
    memcpy(name.user, bytes_of(of, "user").data, WAX_USER_BYTES);
    return name;
}

void same(const char *what, struct view a, struct view b)
{
    cr_assert_eq(a.len, b.len, "%s: %zu bytes, not %zu", what, a.len, b.len);
    if (a.len > 0)
        cr_assert_arr_eq(a.data, b.data, a.len, "%s", what);
}

/* ---- a check for each type of frame: what we write of the fields, and what we read of the bytes ---- */

static void check_hello(struct json_object *f, struct view frame)
{
    struct frame_hello read, hello = {
                                 .device = (uint16_t)number_of(f, "device"),
                                 .flags = (uint32_t)number_of(f, "flags"),
                                 .account_key = bytes_of(f, "account_key").data,
                                 .client_nonce = bytes_of(f, "nonce").data,
                                 .token = bytes_of(f, "token"),
                                 .invite = bytes_of(f, "invite"),
                             };

    same("hello", view_of(out, frame_write_hello(span_of(out, sizeof out), &hello)), frame);
    cr_assert_eq(frame_parse_hello(frame, &read), WAX_OK);
    cr_assert(read.device == hello.device && read.flags == hello.flags);
    cr_assert_arr_eq(read.account_key, hello.account_key, WAX_ACCOUNT_KEY_BYTES);
    cr_assert_arr_eq(read.client_nonce, hello.client_nonce, WAX_CLIENT_NONCE_BYTES);
    same("token", read.token, hello.token);
    same("invite", read.invite, hello.invite);
}

static void check_proof(struct json_object *f, struct view frame)
{
    struct frame_proof read,
        proof = {.flags = (uint8_t)number_of(f, "flags"), .signature = bytes_of(f, "signature").data};

    same("proof", view_of(out, frame_write_proof(span_of(out, sizeof out), &proof)), frame);
    cr_assert_eq(frame_parse_proof(frame, &read), WAX_OK);
    cr_assert_eq(read.flags, proof.flags);
    cr_assert_arr_eq(read.signature, proof.signature, WAX_SIGNATURE_BYTES);
}

static void check_send(struct json_object *f, struct view frame)
{
    struct frame_send read, send = {
                                .flags = (uint8_t)number_of(f, "flags"),
                                .to = name_of(f),
                                .ttl_s = (uint32_t)number_of(f, "ttl"),
                                .id = number_of(f, "id"),
                                .payload = bytes_of(f, "payload"),
                            };

    same("send", view_of(out, frame_write_send(span_of(out, sizeof out), &send)), frame);
    cr_assert_eq(frame_parse_send(frame, &read), WAX_OK);
    cr_assert(read.flags == send.flags && read.ttl_s == send.ttl_s && read.id == send.id);
    cr_assert(name_same(&read.to, &send.to));
    same("payload", read.payload, send.payload);
}

static void check_ack(struct json_object *f, struct view frame)
{
    uint32_t sequence = (uint32_t)number_of(f, "sequence"), read;

    same("ack", view_of(out, frame_write_ack(span_of(out, sizeof out), sequence)), frame);
    cr_assert_eq(frame_parse_ack(frame, &read), WAX_OK);
    cr_assert_eq(read, sequence);
}

static void check_challenge(struct json_object *f, struct view frame)
{
    struct frame_challenge read, challenge = {.relay_nonce = bytes_of(f, "nonce").data,
                                              .relay_id = bytes_of(f, "relay_id").data,
                                              .time_ms = number_of(f, "time")};

    same("challenge", view_of(out, frame_write_challenge(span_of(out, sizeof out), &challenge)), frame);
    cr_assert_eq(frame_parse_challenge(frame, &read), WAX_OK);
    cr_assert_arr_eq(read.relay_nonce, challenge.relay_nonce, WAX_NONCE_BYTES);
    cr_assert_arr_eq(read.relay_id, challenge.relay_id, WAX_RELAY_ID_BYTES);
    cr_assert_eq(read.time_ms, challenge.time_ms);
}

static void check_welcome(struct json_object *f, struct view frame)
{
    struct frame_welcome read, welcome = {
                                   .flags = (uint8_t)number_of(f, "flags"),
                                   .device = (uint16_t)number_of(f, "device"),
                                   .payload_bytes_max = (uint32_t)number_of(f, "largest"),
                                   .time_ms = number_of(f, "time"),
                                   .user = bytes_of(f, "user").data,
                                   .window = (uint32_t)number_of(f, "window"),
                                   .waiting = (uint32_t)number_of(f, "waiting"),
                                   .heartbeat_s = (uint16_t)number_of(f, "heartbeat"),
                                   .token = bytes_of(f, "token"),
                                   .media_token = bytes_of(f, "media_token"),
                               };

    same("welcome", view_of(out, frame_write_welcome(span_of(out, sizeof out), &welcome)), frame);
    cr_assert_eq(frame_parse_welcome(frame, &read), WAX_OK);
    cr_assert(read.flags == welcome.flags && read.device == welcome.device &&
              read.time_ms == welcome.time_ms);
    cr_assert(read.payload_bytes_max == welcome.payload_bytes_max && read.window == welcome.window);
    cr_assert(read.waiting == welcome.waiting && read.heartbeat_s == welcome.heartbeat_s);
    cr_assert_arr_eq(read.user, welcome.user, WAX_USER_BYTES);
    same("token", read.token, welcome.token);
    same("media token", read.media_token, welcome.media_token);
}

static void check_deliver(struct json_object *f, struct view frame)
{
    struct view head = bytes_of(f, "head"), payload = bytes_of(f, "payload");
    struct frame_deliver read, deliver = {
                                   .flags = (uint8_t)number_of(f, "flags"),
                                   .from = name_of(f),
                                   .seq = (uint32_t)number_of(f, "sequence"),
                                   .id = number_of(f, "id"),
                                   .taken_ms = number_of(f, "taken"),
                                   .head_bytes = (uint32_t)head.len,
                               };
    size_t len = frame_write_deliver_head(span_of(out, sizeof out), &deliver);

    memcpy(out + len, head.data, head.len);
    memcpy(out + len + head.len, payload.data, payload.len);
    same("deliver", view_of(out, len + head.len + payload.len), frame);
    cr_assert_eq(frame_parse_deliver(frame, &read), WAX_OK);
    cr_assert(read.flags == deliver.flags && read.seq == deliver.seq && read.id == deliver.id);
    cr_assert(read.taken_ms == deliver.taken_ms && name_same(&read.from, &deliver.from));
    cr_assert_eq(read.head_bytes, head.len);
    same("head and payload", read.payload, view_of(out + len, head.len + payload.len));
}

static void check_status(struct json_object *f, struct view frame)
{
    struct json_object *entries = field(f, "entries");
    size_t count = json_object_array_length(entries), len = frame_open_status(span_of(out, sizeof out));
    struct frame_status read;

    cr_assert_eq(frame_parse_status(frame, &read), WAX_OK);
    cr_assert_eq(read.count, count);
    for (size_t i = 0; i < count; i++) {
        struct json_object *e = json_object_array_get_idx(entries, i);
        struct frame_status_entry wanted = {.kind = (uint8_t)number_of(e, "kind"),
                                            .reason = (uint8_t)number_of(e, "reason"),
                                            .about = name_of(e),
                                            .id = number_of(e, "id")};
        struct frame_status_entry seen = frame_status_entry(&read, (uint32_t)i);
        cr_assert(seen.kind == wanted.kind && seen.reason == wanted.reason && seen.id == wanted.id);
        cr_assert(name_same(&seen.about, &wanted.about));
        len = frame_append_status(span_of(out, sizeof out), &wanted);
    }
    same("status", view_of(out, len), frame);
}

static void check_error(struct json_object *f, struct view frame)
{
    const char *text = text_of(f, "text");
    struct frame_error read, error = {.code = (uint8_t)number_of(f, "code"),
                                      .request = (uint32_t)number_of(f, "request"),
                                      .text = view_of(text, strlen(text))};

    same("error", view_of(out, frame_write_error(span_of(out, sizeof out), &error)), frame);
    cr_assert_eq(frame_parse_error(frame, &read), WAX_OK);
    cr_assert(read.code == error.code && read.request == error.request);
    same("text", read.text, error.text);
}

/* ---- parsers by themselves, for frames that are broken ---- */

#define PARSES(name)                                                                                         \
    static enum wax_status parses_##name(struct view frame)                                                  \
    {                                                                                                        \
        struct frame_##name read;                                                                            \
        return frame_parse_##name(frame, &read);                                                             \
    }
PARSES(hello)
PARSES(proof)
PARSES(send)
PARSES(challenge)
PARSES(welcome)
PARSES(deliver)
PARSES(status)
PARSES(error)
PARSES(multi)
PARSES(read)

#define PARSES_REQUEST(name)                                                                                 \
    static enum wax_status parses_##name(struct view frame)                                                  \
    {                                                                                                        \
        struct wire_##name read;                                                                             \
        return wire_##name##_read(frame, &read) ? WAX_OK : WAX_FRAME_MALFORMED;                              \
    }
PARSES_REQUEST(keys_put)
PARSES_REQUEST(keys_get)
PARSES_REQUEST(device)
PARSES_REQUEST(block)

static enum wax_status parses_ack(struct view frame)
{
    uint32_t read;

    return frame_parse_ack(frame, &read);
}

static const struct codec {
    const char *type;
    void (*check)(struct json_object *fields, struct view frame);
    enum wax_status (*parses)(struct view frame);
} codecs[] = {
    {"HELLO", check_hello, parses_hello},
    {"PROOF", check_proof, parses_proof},
    {"SEND", check_send, parses_send},
    {"ACK", check_ack, parses_ack},
    {"CHALLENGE", check_challenge, parses_challenge},
    {"WELCOME", check_welcome, parses_welcome},
    {"DELIVER", check_deliver, parses_deliver},
    {"STATUS", check_status, parses_status},
    {"ERROR", check_error, parses_error},
    {"SEND_MULTI", check_multi, parses_multi},
    {"READ", check_read, parses_read},
    {"KEYS_PUT", check_keys_put, parses_keys_put},
    {"KEYS_GET", check_keys_get, parses_keys_get},
    {"DEVICE", check_device, parses_device},
    {"BLOCK", check_block, parses_block},
};
#define CODECS (sizeof codecs / sizeof *codecs)

/* For each vector of that part whose type this codec has; returns how many types those were. */
static unsigned for_each(const char *part, void (*run)(const struct codec *codec, struct json_object *vector))
{
    struct json_object *list = vectors(part);
    unsigned types = 0;

    for (size_t c = 0; c < CODECS; c++) {
        unsigned ran = 0;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
            struct json_object *vector = json_object_array_get_idx(list, i);
            if (strcmp(text_of(vector, "type"), codecs[c].type) == 0) {
                run(&codecs[c], vector);
                ran++;
            }
        }
        types += ran > 0;
    }
    return types;
}

static void run_sound(const struct codec *codec, struct json_object *vector)
{
    static uint8_t frame[BYTES_MAX];
    struct view bytes = bytes_of(vector, "bytes");

    memcpy(frame, bytes.data, bytes.len);
    codec->check(field(vector, "fields"), view_of(frame, bytes.len));
}

static void run_broken(const struct codec *codec, struct json_object *vector)
{
    cr_assert_eq(codec->parses(bytes_of(vector, "bytes")), WAX_FRAME_MALFORMED, "%s",
                 text_of(vector, "name"));
}

Test(vectors, frames_are_written_and_read)
{
    cr_assert_eq(for_each("frames", run_sound), CODECS);
}

Test(vectors, broken_frames_are_refused)
{
    cr_assert_eq(for_each("broken", run_broken), CODECS);
}

/* ---- keys, signatures, numbers ---- */

static struct wax_identity identity_of(const char *wanted)
{
    struct json_object *keys = vectors("keys");
    struct wax_identity identity = {0};

    for (size_t i = 0; i < json_object_array_length(keys); i++) {
        struct json_object *key = json_object_array_get_idx(keys, i);
        if (strcmp(text_of(key, "name"), wanted) == 0)
            wax_identity_from_seed(&identity, bytes_of(key, "seed").data);
    }
    return identity;
}

Test(vectors, keys_and_user_ids)
{
    struct json_object *keys = vectors("keys");

    for (size_t i = 0; i < json_object_array_length(keys); i++) {
        struct json_object *key = json_object_array_get_idx(keys, i);
        struct wax_identity identity = identity_of(text_of(key, "name"));
        char text[WAX_USER_TEXT_BYTES];
        same("key", view_of(identity.account_key, WAX_ACCOUNT_KEY_BYTES), bytes_of(key, "account_key"));
        wax_user_text(text, identity.user);
        cr_assert_str_eq(text, text_of(key, "user"));
    }
}

Test(vectors, signatures)
{
    struct json_object *list = vectors("signatures");

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        struct wax_identity identity = identity_of(text_of(s, "key"));
        struct view text = bytes_of(s, "signed");
        uint8_t signature[WAX_SIGNATURE_BYTES];
        if (strncmp(text_of(s, "name"), "proof", 5) == 0) {
            frame_write_proof_signed(out, bytes_of(s, "relay_id").data, bytes_of(s, "relay_nonce").data,
                                     bytes_of(s, "nonce").data, (uint16_t)number_of(s, "device"),
                                     bytes_of(s, "binding").data);
            same("what is signed", view_of(out, WIRE_PROOF_SIGNED_BYTES), text);
        }
        crypto_sign_detached(signature, NULL, text.data, text.len, identity.secret_key);
        same("signature", view_of(signature, sizeof signature), bytes_of(s, "signature"));
    }
}

Test(vectors, sequences)
{
    struct json_object *list = vectors("sequences");

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        cr_assert_eq(sequence_next((uint32_t)number_of(s, "sequence")), number_of(s, "next"));
    }
}
