/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEM_BYTES_MAX = 1 << 20, SOON_S = 14 * 86400 };

/* All files of a configuration's `tls` section, in locked memory that no core dump has. */
struct files {
    uint32_t count;
    struct tls_identity identity[WAX_CERTIFICATES_MAX];
    struct view client_ca;
};

static void file_free(struct view *bytes)
{
    sodium_free((void *)(uintptr_t)bytes->data);
    *bytes = view_of(NULL, 0);
}

static void files_free(struct files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        file_free(&files->identity[i].chain);
        file_free(&files->identity[i].key);
    }
    file_free(&files->client_ca);
    files->count = 0;
}

/* A whole file. False and the reason when it can't be read. *mode may be NULL. */
static bool file_read(const char *path, struct view *out, mode_t *mode, struct tls_reason *reason)
{
    struct stat info;
    const char *wrong = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        wrong = strerror(errno);
    else if (!S_ISREG(info.st_mode) || info.st_size <= 0 || info.st_size > PEM_BYTES_MAX)
        wrong = "is no regular file of 1 byte to 1 MiB";
    uint8_t *bytes = wrong == NULL ? sodium_malloc((size_t)info.st_size) : NULL;
    if (wrong == NULL && bytes == NULL)
        wrong = "no locked memory for it";
    if (wrong == NULL && read(fd, bytes, (size_t)info.st_size) != (ssize_t)info.st_size)
        wrong = "can't be read";
    if (fd >= 0)
        close(fd);
    if (wrong != NULL) {
        snprintf(reason->text, sizeof reason->text, "%s: %s", path, wrong);
        sodium_free(bytes);
        return false;
    }
    *out = view_of(bytes, (size_t)info.st_size);
    if (mode != NULL)
        *mode = info.st_mode;
    return true;
}

static bool identity_read(struct plane *plane, struct files *files, const char *chain, const char *key,
                          struct tls_reason *reason)
{
    struct tls_identity *identity = &files->identity[files->count++];
    mode_t mode = 0;
    *identity = (struct tls_identity){.name = chain};
    if (!file_read(chain, &identity->chain, NULL, reason) || !file_read(key, &identity->key, &mode, reason))
        return false;
    if ((mode & S_IROTH) != 0)
        journal_say(&plane->journal, CONFIG_LEVEL_WARN, "tls", "everybody may read a private key",
                    J_T("key", key));
    return true;
}

static bool files_read(struct plane *plane, const struct config_tls *tls, struct files *files,
                       struct tls_reason *reason)
{
    *files = (struct files){0};
    bool good =
        tls->certificate[0] == '\0' || identity_read(plane, files, tls->certificate, tls->key, reason);
    for (uint32_t i = 0; good && i < tls->identity_count; i++)
        good = identity_read(plane, files, tls->identity[i].certificate, tls->identity[i].key, reason);
    if (good && tls->client_certificates != CONFIG_CLIENT_CERTIFICATES_OFF)
        good = file_read(tls->client_ca, &files->client_ca, NULL, reason);
    return good;
}

static void date_write(char out[16], int64_t at_s)
{
    time_t at = (time_t)at_s;
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
}

/* Says what is served, and which of it will not be for long. Returns how many have expired. */
static uint32_t files_tell(struct plane *plane, const struct files *files)
{
    struct tls_reason reason;
    int64_t now_s = (int64_t)time(NULL);
    uint32_t expired = 0;
    for (uint32_t i = 0; i < files->count; i++) {
        struct tls_identity_view view;
        char from[16], until[16];
        if (!tls_identity_look(&files->identity[i], &view, &reason))
            continue;
        date_write(from, view.from_s);
        date_write(until, view.until_s);
        expired += view.until_s < now_s;
        bool late = view.until_s<now_s + SOON_S, early = view.from_s> now_s;
        journal_say(&plane->journal, late || early ? CONFIG_LEVEL_WARN : CONFIG_LEVEL_INFO, "tls",
                    view.until_s < now_s ? "a certificate has expired"
                    : early              ? "a certificate is not valid yet"
                    : late               ? "a certificate expires soon"
                                         : "certificate",
                    J_T("file", files->identity[i].name), J_T("names", view.names), J_T("key", view.kind),
                    J_T("from", from), J_T("until", until));
    }
    return expired;
}

/* A context for each handshake thread, or none at all. */
static enum wax_status contexts_make(struct plane *plane, const struct config_tls *tls,
                                     const struct files *files, struct tls_context **contexts,
                                     struct tls_reason *reason)
{
    static const enum tls_client_auth auth[] = {
        [CONFIG_CLIENT_CERTIFICATES_OFF] = TLS_CLIENT_OFF,
        [CONFIG_CLIENT_CERTIFICATES_OPTIONAL] = TLS_CLIENT_OPTIONAL,
        [CONFIG_CLIENT_CERTIFICATES_REQUIRED] = TLS_CLIENT_REQUIRED,
    };
    const struct tls_server_settings settings = {.identity = files->identity,
                                                 .identities = files->count,
                                                 .client_auth = auth[tls->client_certificates],
                                                 .client_ca = files->client_ca,
                                                 .tickets = tls->tickets,
                                                 .ticket_keys = plane->tickets};
    enum wax_status status = WAX_OK;
    uint32_t made = 0;
    while (status == WAX_OK && made < plane->config.handshake_threads) {
        status = tls_server_create(&contexts[made], &settings, reason);
        made += status == WAX_OK ? 1 : 0;
    }
    while (status != WAX_OK && made > 0) {
        tls_context_free(contexts[--made]);
        contexts[made] = NULL;
    }
    return status;
}

static enum wax_status certificates_load(struct plane *plane, const struct config_tls *tls,
                                         struct tls_context **contexts, uint32_t *expired,
                                         struct tls_reason *reason)
{
    struct files files;
    reason->text[0] = '\0';
    enum wax_status status = WAX_TLS_CERTIFICATE;
    if (files_read(plane, tls, &files, reason))
        status = contexts_make(plane, tls, &files, contexts, reason);
    if (status == WAX_OK)
        *expired = files_tell(plane, &files);
    files_free(&files);
    return status;
}

static bool tls_listened(const struct wax_config *config)
{
    bool tls = false;
    for (uint32_t i = 0; i < config->listener_count; i++)
        tls |= config->listener[i].tls;
    return tls;
}

bool certificates_start(struct plane *plane, struct tls_context **contexts)
{
    struct tls_reason reason;
    uint32_t expired;
    if (!tls_listened(&plane->config))
        return true;
    enum wax_status status = certificates_load(plane, &plane->config.tls, contexts, &expired, &reason);
    if (status != WAX_OK) {
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "tls", "a certificate or key cannot be used",
                    J_T("reason", reason.text), J_T("status", wax_status_text(status)));
        return false;
    }
    journal_say(&plane->journal, CONFIG_LEVEL_INFO, "tls", "TLS 1.3", J_T("groups", tls_groups()),
                J_T("aes", crypto_has_aes() ? "by the CPU" : "slow, ChaCha20 is preferred"));
    return true;
}

/* The `tls` section as the files have it now. */
static enum wax_status config_again(const struct plane *plane, struct wax_config *config,
                                    struct config_error *error)
{
    enum wax_status status = WAX_OK;
    config_defaults(config);
    for (uint32_t i = 0; status == WAX_OK && i < plane->file_count; i++)
        status = config_load(config, plane->file[i], error);
    return status == WAX_OK ? config_check(config, error) : status;
}

enum wax_status certificates_reload(struct plane *plane, char *text, size_t room)
{
    static struct wax_config config; /* too large for a stack; only the channel's thread comes here */
    struct tls_context *contexts[WAX_HANDSHAKE_THREADS_MAX] = {NULL};
    struct config_error error;
    struct tls_reason reason;
    if (!tls_listened(&plane->config) || !atomic_load(&plane->jobs_running)) {
        snprintf(text, room, "no listener uses TLS");
        return WAX_BAD_ARGUMENT;
    }
    enum wax_status status = config_again(plane, &config, &error);
    if (status != WAX_OK) {
        snprintf(text, room, "%s", error.text);
        return status;
    }
    uint32_t expired = 0;
    status = certificates_load(plane, &config.tls, contexts, &expired, &reason);
    if (status != WAX_OK) {
        snprintf(text, room, "%s", reason.text);
        return status;
    }
    for (uint32_t i = 0; i < plane->config.handshake_threads; i++)
        jobs_switch(&plane->jobs, i, contexts[i]);
    uint32_t count = config.tls.identity_count + (config.tls.certificate[0] != '\0' ? 1 : 0);
    int used = snprintf(text, room, "%" PRIu32 " certificate%s served", count, count == 1 ? "" : "s");
    if (expired != 0 && used > 0 && (size_t)used < room)
        snprintf(text + used, room - (size_t)used, ", %" PRIu32 " expired: no client will take %s", expired,
                 expired == 1 ? "it" : "them");
    return WAX_OK;
}

void certificates_order(void *ctx, const struct channel_order *order, struct channel_report *report)
{
    struct plane *plane = ctx;
    if (order->kind == CHANNEL_ORDER_TICKET_KEYS) {
        tickets_take(plane, order->key, order->keys);
        return;
    }
    if (order->kind == CHANNEL_ORDER_TOKENS) {
        tokens_take(&plane->tokens, (const struct channel_order_tokens *)(const void *)order);
        return;
    }
    enum wax_status status = certificates_reload(plane, report->text, sizeof report->text);
    report->status = (uint32_t)status;
    journal_say(&plane->journal, status == WAX_OK ? CONFIG_LEVEL_INFO : CONFIG_LEVEL_ERROR, "tls",
                status == WAX_OK ? "certificates reloaded" : "certificates not reloaded, the old ones stay",
                J_T("text", report->text), J_T("status", wax_status_text(status)));
}
