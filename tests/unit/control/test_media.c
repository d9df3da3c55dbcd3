/* SPDX-License-Identifier: BSD-3-Clause */
/* Media of the control plane over real files: a worker made by hand, whose ring is a list. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "media.h"

#define MIB       (1u << 20)
#define QUOTA     (8u * MIB)
#define TRANSFERS 300u

static char root[64];
static struct loop *loop;
static struct journal journal;
static struct media *media;
static uint64_t now_ms = UINT64_C(1700000000000);

/* What the worker has been told of each of its transfers. */
static struct {
    struct channel_media_answer opened, done;
    uint64_t credit;
    uint8_t *bytes;
    size_t len;
} seen[TRANSFERS];
static uint64_t room; /* in the ring */
static uint8_t record[sizeof(struct channel_media_piece) + WAX_MEDIA_PIECE_BYTES];

static void port_answer(void *ctx, uint32_t worker, const void *answer, uint32_t bytes)
{
    const struct channel_media_answer *a = answer;
    uint32_t n = (uint32_t)a->tag;
    (void)ctx;
    cr_assert_eq(worker, 1);
    cr_assert_lt(n, TRANSFERS);
    if (a->record.kind == CHANNEL_MEDIA_CREDIT) {
        cr_assert_eq(bytes, sizeof(struct channel_media_credit));
        seen[n].credit += ((const struct channel_media_credit *)answer)->bytes;
        return;
    }
    cr_assert_eq(bytes, sizeof *a);
    cr_assert_eq(seen[n].done.tag, 0, "nothing follows the end");
    if (a->record.kind == CHANNEL_MEDIA_OPENED)
        seen[n].opened = *a;
    else
        seen[n].done = *a;
    seen[n].credit += a->credit;
}

static uint64_t port_room(void *ctx, uint32_t worker)
{
    (void)ctx;
    (void)worker;
    return room;
}

static struct channel_record *port_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct channel_record *r = (void *)record;
    (void)ctx;
    (void)worker;
    cr_assert_leq(bytes, sizeof record);
    *r = (struct channel_record){.bytes = bytes};
    return r;
}

static void port_publish(void *ctx, uint32_t worker)
{
    const struct channel_media_piece *piece = (const void *)record;
    uint32_t n = (uint32_t)piece->tag;
    size_t len = piece->record.bytes - sizeof *piece;
    (void)ctx;
    (void)worker;
    room -= piece->record.bytes;
    seen[n].bytes = realloc(seen[n].bytes, seen[n].len + len);
    memcpy(seen[n].bytes + seen[n].len, piece->bytes, len);
    seen[n].len += len;
}

static void turn(void)
{
    media_turn(media, now_ms);
    loop_turn(loop, 1);
}

/* Turns until something holds; false when it never does. */
#define until(what)                                                                                          \
    ({                                                                                                       \
        for (uint32_t turns_ = 0; turns_ < 5000 && !(what); turns_++)                                        \
            turn();                                                                                          \
        (what);                                                                                              \
    })

static void begin(void)
{
    struct media_config config = {.loop = loop,
                                  .journal = &journal,
                                  .path = root,
                                  .bytes_max = 4u * MIB,
                                  .ttl_s = 1000,
                                  .quota_bytes = QUOTA};
    struct media_port port = {
        .answer = port_answer, .room = port_room, .reserve = port_reserve, .publish = port_publish};
    struct media_counts counts;
    cr_assert_eq(media_open(&config, &port, &media), WAX_OK);
    cr_assert(until((media_count(media, &counts), counts.ready)));
    room = UINT64_MAX / 2;
}

static void end(void)
{
    struct media_counts counts;
    media_close(media);
    cr_assert(until(!media_busy(media)), "everything ends");
    media_count(media, &counts);
    cr_expect_eq(counts.buffers_now, 0);
    cr_expect_eq(counts.uploads_now, 0);
    cr_expect_eq(counts.downloads_now, 0);
    media_free(media);
}

static void setup(void)
{
    strcpy(root, "/tmp/wax-media-XXXXXX");
    cr_assert(mkdtemp(root) != NULL && sodium_init() >= 0);
    journal_init(&journal, STDERR_FILENO, "test", CONFIG_LEVEL_ERROR, false);
    loop = loop_new();
    begin();
}

static void teardown(void)
{
    char command[128];
    end();
    loop_free(loop);
    for (uint32_t i = 0; i < TRANSFERS; i++)
        free(seen[i].bytes);
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(media, .init = setup, .fini = teardown);

/* ---- a worker ---- */

static void put(uint32_t n, uint8_t user, uint8_t id, uint64_t bytes)
{
    struct channel_media_put p = {.record = {sizeof p, CHANNEL_MEDIA_PUT, 0}, .tag = n, .bytes = bytes};
    p.name.user[0] = user;
    p.id[0] = id;
    media_take(media, 1, &p.record);
}

static void piece(uint32_t n, const void *bytes, size_t len)
{
    uint8_t room_for[sizeof(struct channel_media_piece) + WAX_MEDIA_PIECE_BYTES];
    struct channel_media_piece *p = (void *)room_for;
    cr_assert_leq(len, WAX_MEDIA_PIECE_BYTES);
    *p = (struct channel_media_piece){.record = {(uint32_t)(sizeof *p + len), CHANNEL_MEDIA_PIECE, 0},
                                      .tag = n};
    memcpy(p->bytes, bytes, len);
    media_take(media, 1, &p->record);
}

static void mark(uint32_t n, enum channel_media_kind kind)
{
    struct channel_media_mark m = {.record = {sizeof m, (uint16_t)kind, 0}, .tag = n};
    media_take(media, 1, &m.record);
}

static void get(uint32_t n, uint8_t id, bool head)
{
    struct channel_media_get g = {.record = {sizeof g, CHANNEL_MEDIA_GET, 0}, .tag = n, .head = head};
    g.id[0] = id;
    media_take(media, 1, &g.record);
}

static void read_part(uint32_t n, uint64_t offset, uint64_t bytes, uint32_t credit)
{
    struct channel_media_read r = {
        .record = {sizeof r, CHANNEL_MEDIA_READ, 0}, .tag = n, .offset = offset, .bytes = bytes};
    struct channel_media_credit c = {
        .record = {sizeof c, CHANNEL_MEDIA_CREDIT, 0}, .tag = n, .bytes = credit};
    media_take(media, 1, &r.record);
    media_take(media, 1, &c.record);
}

static void give(uint32_t n, uint32_t credit)
{
    struct channel_media_credit c = {
        .record = {sizeof c, CHANNEL_MEDIA_CREDIT, 0}, .tag = n, .bytes = credit};
    media_take(media, 1, &c.record);
}

static void drop(uint32_t n, uint8_t user, uint8_t id)
{
    struct channel_media_delete d = {.record = {sizeof d, CHANNEL_MEDIA_DELETE, 0}, .tag = n};
    d.name.user[0] = user;
    d.id[0] = id;
    media_take(media, 1, &d.record);
}

static uint8_t byte_of(uint64_t at)
{
    return (uint8_t)(at * 2654435761u >> 11);
}

/* Bytes of a blob from `from` on, as credit allows; returns where it has come to. */
static uint64_t feed(uint32_t n, uint64_t from, uint64_t to)
{
    uint8_t bytes[WAX_MEDIA_PIECE_BYTES];
    for (uint32_t turns = 0; from < to && turns < 20000 && seen[n].done.record.kind == 0; turns++) {
        uint64_t len = to - from < sizeof bytes ? to - from : sizeof bytes;
        len = len < seen[n].credit ? len : seen[n].credit;
        if (len == 0) {
            turn();
            continue;
        }
        for (uint64_t i = 0; i < len; i++)
            bytes[i] = byte_of(from + i);
        piece(n, bytes, len);
        seen[n].credit -= len;
        from += len;
    }
    return from;
}

static void upload(uint32_t n, uint8_t user, uint8_t id, uint64_t bytes)
{
    put(n, user, id, bytes);
    cr_assert(until(seen[n].opened.tag == n || seen[n].opened.record.kind != 0));
    cr_assert_eq(seen[n].opened.status, WAX_OK);
    cr_assert_eq(feed(n, 0, bytes), bytes);
    mark(n, CHANNEL_MEDIA_END);
    cr_assert(until(seen[n].done.record.kind != 0));
    cr_assert_eq(seen[n].done.status, WAX_OK);
    cr_assert_eq(seen[n].done.bytes, bytes);
}

static bool is_right(uint32_t n, uint64_t from, uint64_t bytes)
{
    bool same = seen[n].len == bytes;
    for (uint64_t i = 0; same && i < bytes; i++)
        same = seen[n].bytes[i] == byte_of(from + i);
    return same;
}

static bool opened(uint32_t n, enum wax_status status)
{
    return until(seen[n].opened.record.kind != 0) && seen[n].opened.status == status;
}

static bool done(uint32_t n, enum wax_status status)
{
    return until(seen[n].done.record.kind != 0) && seen[n].done.status == status;
}

/* Files below a folder of ours. */
static uint32_t files_in(const char *folder)
{
    char path[512];
    uint32_t count = 0;
    snprintf(path, sizeof path, "%s/%s", root, folder);
    DIR *directory = opendir(path);
    cr_assert(directory != NULL);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* ---- tests ---- */

Test(media, what_was_uploaded_is_read_also_after_a_new_start)
{
    upload(1, 1, 0x2a, 3u * MIB + 5);
    cr_expect_eq(seen[1].done.expires_s, now_ms / 1000 + 1000);
    cr_expect_eq(files_in("new"), 0);
    cr_expect_eq(files_in("2a"), 1);
    for (uint32_t n = 2; n < 4; n++) {
        get(n, 0x2a, false);
        cr_assert(opened(n, WAX_OK));
        cr_expect_eq(seen[n].opened.bytes, 3u * MIB + 5);
        read_part(n, 0, 3u * MIB + 5, UINT32_MAX);
        cr_assert(done(n, WAX_OK));
        cr_expect(is_right(n, 0, 3u * MIB + 5));
        if (n == 2) {
            end();
            begin();
        }
    }
}

Test(media, a_part_against_credit)
{
    upload(1, 1, 1, 300000);
    get(2, 1, false);
    cr_assert(opened(2, WAX_OK));
    read_part(2, 1000, 200000, 10000);
    cr_assert(until(seen[2].len == 10000));
    for (uint32_t i = 0; i < 20; i++)
        turn();
    cr_expect_eq(seen[2].len, 10000, "no more than was allowed");
    give(2, 100000);
    cr_assert(until(seen[2].len == 110000));
    cr_expect_eq(seen[2].done.record.kind, 0);
    give(2, 1000000);
    cr_assert(done(2, WAX_OK));
    cr_expect(is_right(2, 1000, 200000));
}

Test(media, a_full_ring_is_waited_for)
{
    upload(1, 1, 1, 300000);
    room = 40000;
    get(2, 1, false);
    cr_assert(opened(2, WAX_OK));
    read_part(2, 0, 300000, UINT32_MAX);
    for (uint32_t i = 0; i < 50; i++)
        turn();
    cr_expect_eq(seen[2].len, 2 * WAX_MEDIA_PIECE_BYTES);
    cr_expect(media_turn(media, now_ms), "it says so");
    room = UINT64_MAX / 2;
    cr_assert(done(2, WAX_OK));
    cr_expect(is_right(2, 0, 300000));
}

Test(media, an_upload_is_held_to_its_buffers)
{
    struct media_counts counts;
    put(1, 1, 1, CHANNEL_MEDIA_UNKNOWN);
    cr_assert(opened(1, WAX_OK));
    uint64_t most = (uint64_t)WAX_MEDIA_UPLOAD_BUFFERS * WAX_MEDIA_BUFFER_BYTES;
    cr_expect_eq(seen[1].credit, most);
    for (uint64_t at = 0; at < 3u * MIB;) {
        at = feed(1, at, at + 50000);
        media_count(media, &counts);
        cr_expect_leq(counts.buffers_now, WAX_MEDIA_UPLOAD_BUFFERS);
        cr_expect_leq(seen[1].credit, most);
    }
    uint8_t much[WAX_MEDIA_PIECE_BYTES] = {0};
    for (uint32_t i = 0; i < 40; i++)
        piece(1, much, sizeof much);
    cr_assert(done(1, WAX_CHANNEL_CORRUPT), "who takes more than he was given");
    cr_assert(until(files_in("new") == 0));
}

Test(media, an_upload_that_is_given_up_leaves_nothing)
{
    put(1, 1, 1, 100000);
    mark(1, CHANNEL_MEDIA_CLOSE); /* while its file is being made */
    put(2, 1, 2, 100000);
    cr_assert(opened(2, WAX_OK));
    cr_assert_eq(feed(2, 0, 99999), 99999);
    mark(2, CHANNEL_MEDIA_CLOSE);
    put(3, 1, 3, 100000);
    cr_assert(opened(3, WAX_OK));
    cr_assert_eq(feed(3, 0, 50000), 50000);
    mark(3, CHANNEL_MEDIA_END); /* too early */
    cr_assert(done(3, WAX_MEDIA_BROKEN));
    put(4, 1, 4, 100000);
    cr_assert(opened(4, WAX_OK));
    media_detach(media);
    cr_assert(until(!media_busy(media)));
    cr_expect_eq(files_in("new"), 0);
    uint64_t blobs, bytes;
    cr_expect(!media_of_account(media, (const uint8_t[WAX_USER_BYTES]){1}, &blobs, &bytes));
    for (uint8_t id = 1; id <= 4; id++) {
        get(10u + id, id, true);
        cr_expect(opened(10u + id, WAX_MEDIA_NOT_FOUND));
    }
    upload(20, 1, 2, 10);
}

Test(media, an_end_while_the_listing_runs)
{
    upload(1, 1, 1, 1000);
    for (uint32_t i = 0; i < 20; i++) {
        struct media_config config = {.loop = loop, .journal = &journal, .path = root, .bytes_max = MIB};
        struct media_port port = {.answer = port_answer};
        end();
        cr_assert_eq(media_open(&config, &port, &media), WAX_OK);
        for (uint32_t turns = 0; turns < i % 4u; turns++)
            loop_turn(loop, 0);
        end();
        begin();
    }
    get(2, 1, true);
    cr_expect(opened(2, WAX_OK));
}

Test(media, what_a_killed_process_left_is_removed)
{
    char path[128];
    upload(1, 1, 1, 1000);
    end();
    snprintf(path, sizeof path, "%s/new/12345", root);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    fclose(file);
    begin();
    cr_expect_eq(files_in("new"), 0);
    get(2, 1, true);
    cr_expect(opened(2, WAX_OK));
}

Test(media, ids_quotas_and_sizes_are_held_to)
{
    struct media_counts counts;
    upload(1, 1, 1, 1000);
    put(2, 1, 1, 10);
    cr_expect(opened(2, WAX_MEDIA_EXISTS));
    put(3, 2, 1, 10);
    cr_expect(opened(3, WAX_MEDIA_EXISTS));
    put(4, 1, 4, 4u * MIB + 1);
    cr_expect(opened(4, WAX_HTTP_TOO_LARGE));
    put(5, 1, 5, 4u * MIB);
    cr_expect(opened(5, WAX_OK));
    put(6, 1, 5, 10);
    cr_expect(opened(6, WAX_MEDIA_EXISTS), "also of one that runs");
    put(7, 1, 7, 4u * MIB);
    cr_expect(opened(7, WAX_MEDIA_QUOTA), "1000 bytes and what is announced");
    put(8, 2, 8, 4u * MIB);
    cr_expect(opened(8, WAX_OK), "of another account");
    put(9, 1, 9, CHANNEL_MEDIA_UNKNOWN);
    cr_assert(opened(9, WAX_OK));
    uint64_t left = QUOTA - 4u * MIB - 1000;
    cr_expect_eq(feed(9, 0, left), left);
    cr_expect_eq(seen[9].done.record.kind, 0);
    piece(9, "x", 1);
    cr_expect(done(9, WAX_MEDIA_QUOTA), "of what has come in chunks");
    mark(5, CHANNEL_MEDIA_CLOSE);
    mark(8, CHANNEL_MEDIA_CLOSE);
    put(10, 3, 10, CHANNEL_MEDIA_UNKNOWN);
    cr_assert(opened(10, WAX_OK));
    cr_expect_eq(feed(10, 0, 4u * MIB), 4u * MIB);
    piece(10, "x", 1);
    cr_expect(done(10, WAX_HTTP_TOO_LARGE), "of what has come in chunks");
    media_count(media, &counts);
    cr_expect_eq(counts.bytes, 1000);
}

/* On a disk of 70 MiB, of which 64 stay free. */
Test(media, uploads_leave_some_of_the_disk)
{
    end();
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", root, "tmpfs", 0, "size=70m") != 0) {
        begin();
        cr_skip_test("needs root, for a small disk");
    }
    begin();
    upload(1, 1, 1, 3u * MIB);
    put(2, 1, 2, 4u * MIB);
    cr_expect(opened(2, WAX_MEDIA_NO_SPACE), "what is announced does not fit");
    put(3, 1, 3, CHANNEL_MEDIA_UNKNOWN);
    cr_assert(opened(3, WAX_OK));
    (void)feed(3, 0, 4u * MIB);
    cr_expect(done(3, WAX_MEDIA_NO_SPACE), "what comes does not fit");
    cr_assert(until(!media_busy(media)));
    cr_expect_eq(files_in("new"), 0);
    turn(); /* its descriptor is closed */
    upload(4, 2, 4, MIB);
    get(5, 1, true);
    cr_expect(opened(5, WAX_OK));
    end();
    cr_assert_eq(umount2(root, MNT_DETACH), 0);
    begin();
}

Test(media, a_running_upload_can_be_followed)
{
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t n = 10 * round;
        uint64_t size = round == 0 ? 500000 : CHANNEL_MEDIA_UNKNOWN;
        put(n + 1, 1, (uint8_t)(n + 1), size);
        cr_assert(opened(n + 1, WAX_OK));
        get(n + 2, (uint8_t)(n + 1), false);
        cr_assert(opened(n + 2, WAX_OK));
        cr_expect_eq(seen[n + 2].opened.bytes, size);
        read_part(n + 2, 0, size, UINT32_MAX);
        cr_assert_eq(feed(n + 1, 0, 1000), 1000);
        cr_expect(until(seen[n + 2].len == 1000), "though it fills no buffer");
        cr_assert_eq(feed(n + 1, 1000, 200000), 200000);
        cr_expect(until(seen[n + 2].len == 200000));
        get(n + 3, (uint8_t)(n + 1), false); /* one who reads only later */
        cr_assert(opened(n + 3, WAX_OK));
        cr_assert_eq(feed(n + 1, 200000, 500000), 500000);
        mark(n + 1, CHANNEL_MEDIA_END);
        cr_assert(done(n + 1, WAX_OK));
        cr_assert(done(n + 2, WAX_OK));
        cr_expect(is_right(n + 2, 0, 500000));
        read_part(n + 3, 0, round == 0 ? size : 500000, UINT32_MAX);
        cr_assert(done(n + 3, WAX_OK));
        cr_expect(is_right(n + 3, 0, 500000));
    }
}

Test(media, who_follows_an_upload_that_breaks_off_is_told)
{
    put(1, 1, 1, 500000);
    cr_assert(opened(1, WAX_OK));
    for (uint32_t n = 2; n < 5; n++) {
        get(n, 1, false);
        cr_assert(opened(n, WAX_OK));
    }
    read_part(2, 0, 500000, UINT32_MAX);
    read_part(3, 0, 500000, 10);
    cr_assert_eq(feed(1, 0, 100000), 100000);
    cr_assert(until(seen[2].len == 100000 && seen[3].len == 10));
    mark(1, CHANNEL_MEDIA_CLOSE);
    for (uint32_t n = 2; n < 5; n++)
        cr_expect(done(n, WAX_MEDIA_BROKEN));
}

Test(media, a_deletion_is_its_owners_and_readers_go_on)
{
    upload(1, 1, 1, 300000);
    get(2, 1, false);
    cr_assert(opened(2, WAX_OK));
    drop(3, 2, 1);
    cr_expect(done(3, WAX_MEDIA_NOT_OWNER));
    drop(4, 1, 9);
    cr_expect(done(4, WAX_MEDIA_NOT_FOUND));
    drop(5, 1, 1);
    cr_expect(done(5, WAX_OK));
    cr_expect_eq(files_in("01"), 0);
    drop(6, 1, 1);
    cr_expect(done(6, WAX_MEDIA_NOT_FOUND));
    read_part(2, 0, 300000, UINT32_MAX);
    cr_expect(done(2, WAX_OK));
    cr_expect(is_right(2, 0, 300000));
    put(7, 1, 7, 10);
    cr_assert(opened(7, WAX_OK));
    drop(8, 1, 7);
    cr_expect(done(8, WAX_MEDIA_EXISTS), "a running upload is ended by its uploader's connection");
}

Test(media, blobs_expire_also_those_found_at_the_start)
{
    struct media_counts counts;
    for (uint8_t id = 1; id <= 200; id++)
        upload(id, id, id, 10);
    now_ms += 999000;
    get(201, 1, true);
    cr_expect(opened(201, WAX_OK));
    end();
    begin();
    now_ms += 1000;
    turn();
    for (uint32_t n = 202; n < 300; n++) {
        get(n, (uint8_t)(n - 100u), true);
        cr_expect_eq(seen[n].opened.status, WAX_MEDIA_NOT_FOUND, "though not all files go in one turn");
    }
    cr_expect(until((media_count(media, &counts), counts.blobs == 0)));
    cr_expect(until(!media_busy(media)));
    cr_expect_eq(counts.expired, 200);
    cr_expect_eq(files_in("01"), 0);
    cr_expect_eq(files_in("c8"), 0);
}

Test(media, an_account_that_is_deleted_has_no_blobs)
{
    upload(1, 1, 1, 1000);
    upload(2, 1, 2, 1000);
    upload(3, 2, 3, 1000);
    put(4, 1, 4, 1000);
    cr_assert(opened(4, WAX_OK));
    put(5, 1, 5, 1000);
    cr_assert(opened(5, WAX_OK));
    cr_assert_eq(feed(5, 0, 1000), 1000);
    mark(5, CHANNEL_MEDIA_END); /* it can't be stopped any more */
    media_forget(media, (const uint8_t[WAX_USER_BYTES]){1});
    cr_expect(done(4, WAX_MEDIA_BROKEN));
    cr_expect(done(5, WAX_OK) || seen[5].done.status == WAX_MEDIA_BROKEN);
    cr_expect(until(!media_busy(media)));
    uint64_t blobs = 0, bytes = 0;
    cr_expect(!media_of_account(media, (const uint8_t[WAX_USER_BYTES]){1}, &blobs, &bytes));
    cr_expect(media_of_account(media, (const uint8_t[WAX_USER_BYTES]){2}, &blobs, &bytes));
    cr_expect_eq(blobs, 1);
    cr_expect_eq(bytes, 1000);
    cr_expect_eq(files_in("01") + files_in("02") + files_in("04") + files_in("05") + files_in("new"), 0);
}

Test(media, an_account_may_be_deleted_while_the_listing_runs)
{
    struct media_config config = {.loop = loop, .journal = &journal, .path = root, .bytes_max = MIB};
    struct media_port port = {.answer = port_answer, .room = port_room};
    uint64_t blobs = 0, bytes = 0;
    upload(1, 1, 1, 1000);
    upload(2, 2, 2, 1000);
    end();
    cr_assert_eq(media_open(&config, &port, &media), WAX_OK);
    media_forget(media, (const uint8_t[WAX_USER_BYTES]){1});
    cr_expect(until(media_of_account(media, (const uint8_t[WAX_USER_BYTES]){2}, &blobs, &bytes)));
    cr_expect(!media_of_account(media, (const uint8_t[WAX_USER_BYTES]){1}, &blobs, &bytes));
    cr_expect(until(!media_busy(media)));
    cr_expect_eq(files_in("01"), 0);
    cr_expect_eq(files_in("02"), 1);
}

/* However many read, and however slowly: the buffers are few, and each gets its turn. */
Test(media, readers_share_few_buffers_and_all_come_to_their_end)
{
    enum { READERS = 250 };
    struct media_counts counts;
    upload(1, 1, 1, MIB);
    room = 0;
    for (uint32_t n = 2; n < 2 + READERS; n++) {
        get(n, 1, false);
        cr_assert(opened(n, WAX_OK));
        read_part(n, 0, MIB, UINT32_MAX);
    }
    for (uint32_t i = 0; i < 100; i++)
        turn();
    media_count(media, &counts);
    cr_expect_eq(counts.buffers_now, WAX_MEDIA_READ_BUFFERS, "all wait for room");
    cr_expect_eq(counts.downloads_now, READERS);
    for (uint32_t i = 0; i < 20000 && seen[1 + READERS].done.record.kind == 0; i++) {
        room = 200000;
        turn();
        media_count(media, &counts);
        cr_assert_leq(counts.buffers_now, WAX_MEDIA_READ_BUFFERS);
    }
    room = UINT64_MAX / 2;
    for (uint32_t n = 2; n < 2 + READERS; n++) {
        cr_expect(done(n, WAX_OK));
        cr_expect(is_right(n, 0, MIB), "%u", n);
    }
}

Test(media, a_file_that_is_not_what_its_name_says_is_not_served)
{
    char command[128];
    upload(1, 1, 1, 1000);
    snprintf(command, sizeof command, "truncate -s 999 %s/01/*", root);
    cr_assert_eq(system(command), 0);
    get(2, 1, false);
    cr_expect(opened(2, WAX_MEDIA_DAMAGED));
}

Test(media, a_place_that_is_used_again_ends_what_it_had)
{
    put(1, 1, 1, 1000);
    cr_assert(opened(1, WAX_OK));
    memset(&seen[1].opened, 0, sizeof seen[1].opened);
    struct channel_media_get g = {.record = {sizeof g, CHANNEL_MEDIA_GET, 0}, .tag = UINT64_C(7) << 32 | 1};
    g.id[0] = 9;
    media_take(media, 1, &g.record);
    cr_expect_eq(seen[1].opened.status, WAX_MEDIA_NOT_FOUND);
    piece(1, "late", 4);
    mark(1, CHANNEL_MEDIA_END);
    cr_expect(until(!media_busy(media)));
    cr_expect_eq(files_in("new"), 0);
}
