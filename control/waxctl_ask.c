/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin socket, and what its answers hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "waxctl.h"

uint64_t get_u(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

const char *get_text(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

bool get_bool(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

struct json_object *get_object(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

void get_buckets(uint64_t buckets[LATENCY_BUCKETS], struct json_object *worker, bool away)
{
    struct json_object *filled = get_object(worker, "latency_buckets");
    for (size_t i = 0; filled != NULL && i < json_object_array_length(filled); i++) {
        struct json_object *pair = json_object_array_get_idx(filled, i);
        uint64_t bucket = json_object_get_uint64(json_object_array_get_idx(pair, 0));
        uint64_t count = json_object_get_uint64(json_object_array_get_idx(pair, 1));
        if (bucket < LATENCY_BUCKETS && (!away || buckets[bucket] >= count))
            buckets[bucket] += away ? -count : count;
    }
}

int connect_admin(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 5};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* A line of answer, or NULL with errno. */
static char *read_line(int fd)
{
    size_t len = 0, room = 1 << 16;
    char *text = malloc(room);
    while (text != NULL) {
        ssize_t got = recv(fd, text + len, room - len - 1, 0);
        if (got <= 0) {
            int saved = got == 0 ? ECONNRESET : errno;
            free(text);
            errno = saved;
            return NULL;
        }
        len += (size_t)got;
        if (text[len - 1] == '\n') {
            text[len] = '\0';
            return text;
        }
        if (len + 1 >= room) {
            room *= 2;
            char *grown = realloc(text, room);
            if (grown == NULL)
                free(text);
            text = grown;
        }
    }
    return NULL;
}

/* Send a request, which is taken, and read its answer. NULL (errno) when there is none. */
static struct json_object *exchange(const struct options *options, struct json_object *request)
{
    int fd = connect_admin(options->socket);
    const char *line = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
    char *text = NULL;
    if (fd >= 0 && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_MORE) == (ssize_t)strlen(line) &&
        send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
        text = read_line(fd);
    int saved = text != NULL ? EBADMSG : errno;
    struct json_object *reply = text != NULL ? json_tokener_parse(text) : NULL;
    if (reply != NULL && !json_object_is_type(reply, json_type_object)) {
        json_object_put(reply);
        reply = NULL;
    }
    if (fd >= 0)
        close(fd);
    free(text);
    json_object_put(request);
    errno = saved;
    return reply;
}

static struct json_object *request_of(const char *command)
{
    struct json_object *request = json_object_new_object();
    json_object_object_add(request, "command", json_object_new_string(command));
    return request;
}

struct json_object *ask_request(const struct options *options, struct json_object *request)
{
    struct json_object *reply = exchange(options, request);
    if (reply == NULL) {
        fprintf(stderr, "waxctl: the control plane does not answer on %s: %s\n", options->socket,
                strerror(errno));
        exit(EXIT_NO_ANSWER);
    }
    return reply;
}

struct json_object *ask_object(const struct options *options, const char *command)
{
    return ask_request(options, request_of(command));
}

struct json_object *try_ask_object(const struct options *options, const char *command)
{
    struct json_object *reply = exchange(options, request_of(command));
    if (reply != NULL && answer_failed(reply, false)) {
        json_object_put(reply);
        reply = NULL;
    }
    return reply;
}

bool answer_failed(struct json_object *reply, bool say)
{
    const char *error = get_text(reply, "error");
    bool undone = get_object(reply, "done") != NULL && !get_bool(reply, "done");
    if (say && (error[0] != '\0' || undone))
        fprintf(stderr, "waxctl: %s\n", error[0] != '\0' ? error : get_text(reply, "text"));
    return error[0] != '\0' || undone;
}

void print_json(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
}
