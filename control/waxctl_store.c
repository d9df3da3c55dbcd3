/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl store and mailbox. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master_key.h"
#include "store_files.h"
#include "waxctl.h"

#define SEGMENT_BYTES (8u << 20)

static double mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

void show_store(const struct options *options, struct json_object *reply)
{
    (void)options;
    uint64_t live = get_u(reply, "live_bytes"), log = get_u(reply, "log_bytes"),
             items = get_u(reply, "items");
    uint64_t commit = get_u(reply, "commit_bytes"), moved = get_u(reply, "moved_bytes");
    uint64_t purge = get_u(reply, "purge_bytes"), fresh = commit > moved ? commit - moved : 0;
    printf("living      %" PRIu64 " items in %" PRIu64 " mailboxes, %.1f MB\n", items,
           get_u(reply, "mailboxes"), mb(live));
    printf("log         %" PRIu64 " segments, %.1f MB, %.0f %% of it lives\n", get_u(reply, "segments"),
           mb(log), log != 0 ? 100.0 * (double)live / (double)log : 100.0);
    printf("since start %" PRIu64 " stored in %" PRIu64 " commits (%.1f MB), %" PRIu64 " retired, %" PRIu64
           " expired and stripped\n",
           get_u(reply, "stored"), get_u(reply, "commits"), mb(commit), get_u(reply, "retired"),
           get_u(reply, "stripped"));
    printf("            %" PRIu64 " copied (%.1f MB), keys destroyed in %" PRIu64
           " rounds (%.1f MB), at the latest %" PRIu64 " ms after\n",
           get_u(reply, "moved"), mb(moved), get_u(reply, "purges"), mb(purge),
           get_u(reply, "purge_late_ms"));
    if (fresh != 0)
        printf("            each byte of the log was written %.2f times\n",
               (double)(commit + purge) / (double)fresh);
    if (get_u(reply, "refused") != 0)
        printf("            %" PRIu64 " refused, for the disk was full\n", get_u(reply, "refused"));
    if (get_u(reply, "damaged") != 0)
        printf("            %" PRIu64 " places of DAMAGE met at the start\n", get_u(reply, "damaged"));
    struct json_object *within = get_object(reply, "answered_within_ms");
    for (size_t i = 0; i < json_object_array_length(within); i++) {
        uint64_t count = json_object_get_uint64(json_object_array_get_idx(within, i));
        if (count != 0)
            printf("%s %s%5u ms %12" PRIu64 " items\n", i == 0 ? "answered   " : "           ",
                   i + 1 == json_object_array_length(within) ? ">" : "<",
                   i + 1 == json_object_array_length(within) ? 1u << (i - 1) : 1u << i, count);
    }
}

void request_limit(const struct options *options, struct json_object *request)
{
    json_object_object_add(request, "limit", json_object_new_uint64(options->limit));
}

void request_mailbox(const struct options *options, struct json_object *request)
{
    request_limit(options, request);
    if (options->operand[0] != NULL)
        json_object_object_add(request, "user", json_object_new_string(options->operand[0]));
}

static void show_of(const char *what, uint64_t now, uint64_t most)
{
    printf("%" PRIu64, now);
    if (most != 0)
        printf(" of %" PRIu64, most);
    printf(" %s, ", what);
}

void show_mailboxes(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *list = get_object(reply, "mailboxes");
    size_t count = json_object_array_length(list);
    if (count != 0)
        printf("%-32s %6s %9s %9s %12s %s\n", "user", "device", "messages", "receipts", "bytes",
               "waiting for");
    for (size_t i = 0; i < count; i++) {
        struct json_object *box = json_object_array_get_idx(list, i);
        uint64_t now_ms = get_u(reply, "now_ms"), since_ms = get_u(box, "since_ms");
        printf("%-32s %6" PRIu64 " %9" PRIu64 " %9" PRIu64 " %12" PRIu64 " %" PRIu64 " s%s\n",
               get_text(box, "user"), get_u(box, "device"), get_u(box, "messages"), get_u(box, "receipts"),
               get_u(box, "bytes"), now_ms > since_ms ? (now_ms - since_ms) / 1000u : 0,
               get_bool(box, "draining") ? ", being drained" : "");
    }
    printf("%zu of %" PRIu64 " mailboxes\n", count, get_u(reply, "count"));
    struct json_object *account = get_object(reply, "account"), *quota = get_object(reply, "quota");
    if (account != NULL) {
        printf("for the quota: ");
        show_of("messages", get_u(account, "messages"), get_u(quota, "messages"));
        show_of("bytes of messages", get_u(account, "bytes"), get_u(quota, "bytes"));
        printf("%" PRIu64 " receipts\n", get_u(account, "receipts"));
    }
}

/* ---- a store that nobody serves ---- */

struct totals {
    struct image_counts counts;
    uint64_t segments, without_keys;
    bool json;
};

static void count_segment(void *ctx, uint32_t shard, uint64_t id, const struct image_counts *counts,
                          bool keys)
{
    struct totals *t = ctx;
    t->segments++;
    t->without_keys += !keys;
    t->counts.records += counts->records;
    t->counts.opened += counts->opened;
    t->counts.without_key += counts->without_key;
    t->counts.forged += counts->forged;
    t->counts.damaged += counts->damaged;
    t->counts.lost_bytes += counts->lost_bytes;
    if (!t->json && (counts->damaged != 0 || counts->forged != 0))
        printf("shard %u segment %" PRIu64 ": %" PRIu64 " places of damage, %" PRIu64
               " records that their keys don't open\n",
               shard, id, counts->damaged, counts->forged);
}

static void print_name(const char *key, const struct log_name *name)
{
    char hex[2 * WAX_USER_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, name->user, sizeof name->user);
    printf(",\"%s\":\"%s\",\"%s_device\":%u", key, hex, key, name->device);
}

static void dump_record(void *ctx, uint32_t shard, const struct log_record *record)
{
    (void)ctx;
    printf("{\"shard\":%u,\"sequence\":%" PRIu64, shard, record->place.sequence);
    if (record->type == LOG_MESSAGE) {
        const struct log_message *m = &record->message;
        printf(",\"type\":\"message\"");
        print_name("user", &m->name);
        print_name("sender", &m->sender);
        printf(",\"position\":%" PRIu64 ",\"id\":%" PRIu64 ",\"taken_ms\":%" PRIu64
               ",\"ttl_s\":%u,\"bytes\":%zu,\"moved\":%s,\"stripped\":%s",
               m->position, m->id, m->taken_ms, m->ttl_s, m->payload.len, m->moved ? "true" : "false",
               m->stripped ? "true" : "false");
    } else if (record->type == LOG_RECEIPT) {
        const struct log_receipt *r = &record->receipt;
        printf(",\"type\":\"receipt\"");
        print_name("user", &r->name);
        print_name("about", &r->about);
        printf(",\"position\":%" PRIu64 ",\"id\":%" PRIu64 ",\"retires\":%" PRIu64 ",\"kind\":%u",
               r->position, r->id, r->retire, r->kind);
    } else {
        printf(",\"type\":\"retirement\"");
        print_name("user", &record->retire.name);
        printf(",\"positions\":[");
        for (uint32_t i = 0; i < record->retire.count; i++)
            printf("%s%" PRIu64, i == 0 ? "" : ",", log_retire_position(&record->retire, i));
        printf("]");
    }
    printf("}\n");
}

/* Read options->operand[0]; a port's functions take what is found. Returns 0, or an exit code. */
static int read_store(const struct options *options, const struct store_files_port *port)
{
    const char *directory = options->operand[0], *reason = "", *key = options->text[OPTION_KEY];
    uint8_t master[MASTER_KEY_BYTES];
    enum wax_status status = sodium_init() < 0 ? WAX_NO_MEMORY : WAX_OK;
    if (status == WAX_OK)
        status = master_key_load(key != NULL ? key : "", directory, master, &reason);
    if (status == WAX_OK) {
        status = store_files_read(directory, SEGMENT_BYTES, master, port);
        reason = wax_status_text(status);
    }
    sodium_memzero(master, sizeof master);
    if (status != WAX_OK)
        fprintf(stderr, "waxctl: %s: %s\n", directory, reason);
    return status == WAX_OK ? 0 : EXIT_NOT_DONE;
}

int store_dump_run(const struct options *options)
{
    struct totals t = {.segments = 0};
    const struct store_files_port port = {.ctx = &t, .record = dump_record};
    return read_store(options, &port);
}

int store_verify_run(const struct options *options)
{
    struct totals t = {.segments = 0, .json = options->json};
    const struct image_counts *c = &t.counts;
    const struct store_files_port port = {.ctx = &t, .segment = count_segment};
    int code = read_store(options, &port);
    if (code != 0)
        return code;
    bool sound = c->damaged + c->forged == 0;
    if (options->json)
        printf("{\"sound\":%s,\"segments\":%" PRIu64 ",\"segments_without_key\":%" PRIu64
               ",\"records\":%" PRIu64 ",\"readable\":%" PRIu64 ",\"without_key\":%" PRIu64
               ",\"forged\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"lost_bytes\":%" PRIu64 "}\n",
               sound ? "true" : "false", t.segments, t.without_keys, c->records, c->opened, c->without_key,
               c->forged, c->damaged, c->lost_bytes);
    else
        printf("%" PRIu64 " segments (%" PRIu64 " without a key), %" PRIu64 " records: %" PRIu64
               " can be read, %" PRIu64 " have no key any more, %" PRIu64 " are not sound; %" PRIu64
               " places of damage, %" PRIu64 " bytes lost\n",
               t.segments, t.without_keys, c->records, c->opened, c->without_key, c->forged, c->damaged,
               c->lost_bytes);
    return sound ? 0 : EXIT_NOT_DONE;
}

/* ---- a copy of the store that runs ---- */

#define BACKUP_MB_PER_S 50u

/* How the backup that was begun has ended: true when it is whole. */
static bool backup_wait(const struct options *options)
{
    const struct timespec nap = {.tv_nsec = 100000000};
    for (;;) {
        struct json_object *reply = ask_object(options, "store"), *backup = get_object(reply, "backup");
        const char *state = get_text(backup, "state");
        bool whole = strcmp(state, "whole") == 0, runs = strcmp(state, "running") == 0;
        if (options->json && !runs)
            print_json(backup);
        else if (whole)
            printf("whole: %.1f MB of log\n", mb(get_u(backup, "bytes_all")));
        else if (!runs)
            fprintf(stderr, "waxctl: the backup has failed: %s\n", get_text(backup, "error"));
        json_object_put(reply);
        if (!runs)
            return whole;
        nanosleep(&nap, NULL);
    }
}

int store_backup_run(const struct options *options)
{
    const char *directory = options->operand[0];
    char path[PATH_MAX], here[PATH_MAX];
    struct json_object *request = json_object_new_object();
    int len = directory[0] == '/' || getcwd(here, sizeof here) == NULL
                  ? snprintf(path, sizeof path, "%s", directory)
                  : snprintf(path, sizeof path, "%s/%s", here, directory);
    if (len >= (int)sizeof path)
        path[0] = '\0';
    json_object_object_add(request, "command", json_object_new_string("store-backup"));
    json_object_object_add(request, "directory", json_object_new_string(path));
    json_object_object_add(request, "mb_per_s",
                           json_object_new_uint64(options->text[OPTION_RATE] != NULL
                                                      ? options->number[OPTION_RATE]
                                                      : BACKUP_MB_PER_S));
    struct json_object *reply = ask_request(options, request);
    bool failed = answer_failed(reply, !options->json);
    if (failed && options->json)
        print_json(reply);
    json_object_put(reply);
    return !failed && backup_wait(options) ? 0 : EXIT_NOT_DONE;
}
