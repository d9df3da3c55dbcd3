/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_table.h"

#include <stdlib.h>

struct entry {
    struct channel_session_open session;
    uint32_t home;
    struct entry *next;
};

struct session_table {
    struct entry **slots;
    uint32_t mask;
    uint32_t count;
};

/* User names are digests: their bytes are as good as a hash; who forces collisions only slows an operator's
 * list. */
static uint32_t slot_of(const struct session_table *table, const struct device_name *name)
{
    return (load_be32(name->user) ^ load_be32(name->user + 8) ^ (uint32_t)name->device * 0x9e3779b1u) &
           table->mask;
}

static struct entry **find(const struct session_table *table, const struct device_name *name)
{
    struct entry **at = &table->slots[slot_of(table, name)];
    while (*at != NULL && ((*at)->session.name.device != name->device ||
                           memcmp((*at)->session.name.user, name->user, WAX_USER_BYTES) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct session_table *table)
{
    struct entry **before = table->slots;
    uint32_t slots = table->mask + 1;
    table->mask = slots * 2 - 1;
    table->slots = calloc((size_t)slots * 2, sizeof *table->slots);
    if (table->slots == NULL)
        abort();
    for (uint32_t i = 0; i < slots; i++) {
        while (before[i] != NULL) {
            struct entry *entry = before[i];
            before[i] = entry->next;
            struct entry **at = &table->slots[slot_of(table, &entry->session.name)];
            entry->next = *at;
            *at = entry;
        }
    }
    free(before);
}

struct session_table *session_table_new(void)
{
    struct session_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        abort();
    table->mask = 255;
    table->slots = calloc(table->mask + 1u, sizeof *table->slots);
    if (table->slots == NULL)
        abort();
    return table;
}

void session_table_free(struct session_table *table)
{
    session_table_clear(table);
    free(table->slots);
    free(table);
}

bool session_table_open(struct session_table *table, const struct channel_session_open *open, uint32_t home)
{
    struct entry **at = find(table, &open->name);
    if (*at != NULL) {
        if (open->generation < (*at)->session.generation)
            return false;
        (*at)->session = *open;
        (*at)->home = home;
        return true;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        abort();
    entry->session = *open;
    entry->home = home;
    *at = entry;
    if (++table->count > table->mask)
        grow(table);
    return true;
}

const struct channel_session_open *session_table_find(const struct session_table *table,
                                                      const struct device_name *name, uint32_t *home)
{
    const struct entry *entry = *find(table, name);
    if (entry != NULL)
        *home = entry->home;
    return entry != NULL ? &entry->session : NULL;
}

bool session_table_close(struct session_table *table, const struct device_name *name, uint64_t generation)
{
    struct entry **at = find(table, name);
    struct entry *entry = *at;
    if (entry == NULL || entry->session.generation != generation)
        return false;
    *at = entry->next;
    free(entry);
    table->count--;
    return true;
}

void session_table_clear(struct session_table *table)
{
    for (uint32_t i = 0; i <= table->mask; i++) {
        while (table->slots[i] != NULL) {
            struct entry *entry = table->slots[i];
            table->slots[i] = entry->next;
            free(entry);
        }
    }
    table->count = 0;
}

uint32_t session_table_count(const struct session_table *table)
{
    return table->count;
}

void session_table_each(const struct session_table *table, void *ctx,
                        bool (*each)(void *ctx, const struct channel_session_open *session))
{
    for (uint32_t i = 0; i <= table->mask; i++) {
        for (const struct entry *entry = table->slots[i]; entry != NULL; entry = entry->next) {
            if (!each(ctx, &entry->session))
                return;
        }
    }
}
