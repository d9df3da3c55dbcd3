/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_lines.h"

#include <stdio.h>
#include <string.h>

struct config_lines config_lines_of(const char *dump)
{
    return (struct config_lines){.at = dump};
}

/* One line: "section:", "  key: value", "  - key: value", "    key: value". False when it holds no value. */
static bool take(struct config_lines *lines, const char *line, struct config_line *out)
{
    size_t indent = strspn(line, " ");
    bool entry = strncmp(line + indent, "- ", 2) == 0;
    const char *key = line + indent + (entry ? 2 : 0);
    size_t len = strcspn(key, ":");
    const char *value = key[len] == ':' ? key + len + 1 : "";
    value += strspn(value, " ");
    if (indent == 0) {
        snprintf(lines->section, sizeof lines->section, "%.*s", (int)len, key);
        lines->list[0] = '\0';
        lines->index = 0;
        return false;
    }
    if (value[0] == '\0') { /* a list within a section */
        snprintf(lines->list, sizeof lines->list, ".%.*s", (int)(len < 24 ? len : 24), key);
        lines->index = 0;
        return false;
    }
    if (indent == 2 && !entry) { /* behind such a list */
        lines->list[0] = '\0';
        lines->index = 0;
    }
    lines->index += entry;
    if (lines->index != 0)
        snprintf(out->key, sizeof out->key, "%.40s%.40s[%u].%.*s", lines->section, lines->list,
                 lines->index - 1, (int)(len < 24 ? len : 24), key);
    else
        snprintf(out->key, sizeof out->key, "%.40s.%.*s", lines->section, (int)(len < 24 ? len : 24), key);
    snprintf(out->value, sizeof out->value, "%s", value);
    return strcmp(value, "[]") != 0;
}

bool config_lines_next(struct config_lines *lines, struct config_line *out)
{
    char line[CONFIG_LINE_BYTES];
    while (*lines->at != '\0') {
        size_t len = strcspn(lines->at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), lines->at);
        lines->at += len + (lines->at[len] == '\n');
        if (take(lines, line, out))
            return true;
    }
    return false;
}

const char *config_taken_by(const char *key)
{
    static const struct {
        const char *begin, *by;
    } rules[] = {
        {"tls.", "waxctl tls reload"},
        {"log.", "restart both"},
        {"control.socket", "restart both"},
        {"control.", "restart waxwire-control"},
        {"store.", "restart waxwire-control"},
        {"media.", "restart waxwire-control"},
        {"accounts.", "restart waxwire-control"},
        {"management.", "restart waxwire-control"},
        {"wake.", "restart waxwire-control"},
        {"protocol.token_s", "restart waxwire-control"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strncmp(key, rules[i].begin, strlen(rules[i].begin)) == 0)
            return rules[i].by;
    }
    return "restart waxwire-dataplane";
}
