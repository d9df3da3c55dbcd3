/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "management.h"

/* Whether a host of a request, with or without a port, is this machine by name or number. */
static bool is_loopback(const char *host, size_t len)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (len < n || strncasecmp(host, names[i], n) != 0)
            continue;
        if (len == n)
            return true;
        if (host[n] != ':')
            continue;
        for (n++; n < len && isdigit((unsigned char)host[n]); n++)
            ;
        if (n == len)
            return true;
    }
    return false;
}

/* The value of the one Host line; false when there is none, or more than one. */
static bool find_host(const char *head, size_t len, const char **host, size_t *host_len)
{
    uint32_t found = 0;
    for (const char *line = head, *end; (end = memmem(line, len - (size_t)(line - head), "\r\n", 2)) != NULL;
         line = end + 2) {
        if (end - line < 5 || strncasecmp(line, "Host:", 5) != 0)
            continue;
        const char *value = line + 5;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *host = value;
        *host_len = (size_t)(end - value);
        found++;
        end = memmem(line, len - (size_t)(line - head), "\r\n", 2);
    }
    return found == 1;
}

enum management_page management_read(const char *head, size_t len, bool local, bool *head_only)
{
    static const struct {
        const char *path;
        enum management_page page;
    } pages[] = {
        {"/", MANAGEMENT_INDEX},
        {"/dashboard.js", MANAGEMENT_SCRIPT},
        {"/dashboard.css", MANAGEMENT_STYLE},
        {"/metrics", MANAGEMENT_METRICS},
        {"/api/now", MANAGEMENT_NOW},
        {"/api/history", MANAGEMENT_HISTORY},
    };
    const char *host = NULL;
    size_t host_len = 0, path_len;
    bool get = len > 4 && memcmp(head, "GET ", 4) == 0;
    *head_only = len > 5 && memcmp(head, "HEAD ", 5) == 0;
    if (memchr(head, '\0', len) != NULL)
        return MANAGEMENT_BAD_REQUEST;
    const char *end = memmem(head, len, "\r\n", 2), *path = memchr(head, ' ', len);
    const char *space =
        path != NULL && end != NULL && path < end ? memchr(path + 1, ' ', (size_t)(end - path - 1)) : NULL;
    if (space == NULL || end - space != 9 || memcmp(space, " HTTP/1.", 8) != 0 || path[1] != '/')
        return MANAGEMENT_BAD_REQUEST;
    if (!get && !*head_only)
        return MANAGEMENT_METHOD;
    if (!find_host(head, len, &host, &host_len) && !local)
        return MANAGEMENT_BAD_REQUEST;
    if (!local && !is_loopback(host, host_len))
        return MANAGEMENT_WRONG_HOST;
    path++;
    for (path_len = 0; path + path_len < space && path[path_len] != '?'; path_len++)
        ;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strlen(pages[i].path) == path_len && memcmp(pages[i].path, path, path_len) == 0)
            return pages[i].page;
    }
    return MANAGEMENT_NOT_FOUND;
}
