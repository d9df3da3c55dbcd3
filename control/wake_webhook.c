/* SPDX-License-Identifier: BSD-3-Clause */
/* A push gateway that is asked over HTTP: POST {"wakes": [...]}; 2xx: taken. */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "wake.h"

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

struct peer {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

/* What a gateway answers beside its status is of no interest. */
static size_t ignore(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static void set_options(struct peer *peer, const struct wake_config *config)
{
    CURL *easy = peer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, config->webhook);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (config->webhook_socket[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, config->webhook_socket);
    if (config->webhook_ca[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->webhook_ca);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)WAKE_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)WAKE_WEBHOOK_MS);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "waxwire/" WAX_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, peer->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, peer->error);
}

static void *peer_open(const struct wake_config *config)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        abort();
    peer->easy = curl_easy_init();
    peer->multi = curl_multi_init();
    peer->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (peer->easy == NULL || peer->multi == NULL || peer->headers == NULL)
        abort();
    set_options(peer, config);
    return peer;
}

static void peer_close(void *ctx)
{
    struct peer *peer = ctx;
    curl_easy_cleanup(peer->easy);
    curl_multi_cleanup(peer->multi);
    curl_slist_free_all(peer->headers);
    free(peer);
}

/* A status of 4xx says that the same request will never do, but for those that ask for patience. */
static enum wake_told judge(struct peer *peer, CURLcode code, char reason[WAKE_REASON_BYTES])
{
    long status = 0;
    if (code != CURLE_OK) {
        snprintf(reason, WAKE_REASON_BYTES, "%.150s",
                 peer->error[0] != '\0' ? peer->error : curl_easy_strerror(code));
        return WAKE_FAILED;
    }
    curl_easy_getinfo(peer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return WAKE_TOLD;
    snprintf(reason, WAKE_REASON_BYTES, "HTTP status %ld", status);
    bool for_good = status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
    return for_good ? WAKE_REFUSED : WAKE_FAILED;
}

static enum wake_told peer_tell(void *ctx, const char *text, size_t len, int stop,
                                char reason[WAKE_REASON_BYTES])
{
    struct peer *peer = ctx;
    struct curl_waitfd wait = {.fd = stop, .events = CURL_WAIT_POLLIN};
    enum wake_told told = WAKE_STOPPED;
    int running = 1, left;
    peer->error[0] = '\0';
    curl_easy_setopt(peer->easy, CURLOPT_POSTFIELDSIZE, (long)len);
    curl_easy_setopt(peer->easy, CURLOPT_POSTFIELDS, text);
    curl_multi_add_handle(peer->multi, peer->easy);
    while (curl_multi_perform(peer->multi, &running) == CURLM_OK && running != 0) {
        wait.revents = 0;
        if (curl_multi_poll(peer->multi, &wait, 1, 1000, NULL) != CURLM_OK || wait.revents != 0)
            break;
    }
    const CURLMsg *message = curl_multi_info_read(peer->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        told = judge(peer, message->data.result, reason);
    curl_multi_remove_handle(peer->multi, peer->easy);
    return told;
}

static void peer_rest(void *ctx, int wake, int timeout_ms)
{
    struct pollfd fd = {.fd = wake, .events = POLLIN};
    (void)ctx; /* curl notices by itself when a connection that it kept has ended */
    poll(&fd, 1, timeout_ms);
}

const struct wake_kind wake_webhook = {
    .name = "webhook",
    .retry_ms_most = WAKE_WEBHOOK_RETRY_MS,
    .open = peer_open,
    .close = peer_close,
    .tell = peer_tell,
    .rest = peer_rest,
    .first = "{\"wakes\":[",
    .between = ",",
    .last = "]}\n",
};
