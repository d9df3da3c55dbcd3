/* SPDX-License-Identifier: BSD-3-Clause */
/* The sessions that the data plane has announced; for operators. Emptied when the channel ends. */
#ifndef CONTROL_SESSION_TABLE_H
#define CONTROL_SESSION_TABLE_H

#include "waxwire/channel.h"

struct session_table;

/* An empty table (NULL without memory), and its end. session_table_free takes NULL, too. */
struct session_table *session_table_new(void);
void session_table_free(struct session_table *table);

/*
 * Announced by the worker `home`; replaces an older session of the same device, and is ignored (false) when
 * it is older itself.
 */
bool session_table_open(struct session_table *table, const struct channel_session_open *open, uint32_t home);

/* The session of a device, and its home; NULL when it has none. Valid until the table changes. */
const struct channel_session_open *session_table_find(const struct session_table *table,
                                                      const struct device_name *name, uint32_t *home);

/* Ended; ignored (false) when the session is not of this generation. */
bool session_table_close(struct session_table *table, const struct device_name *name, uint64_t generation);

/* Forget all of them; how many there are. */
void session_table_clear(struct session_table *table);
uint32_t session_table_count(const struct session_table *table);

/* Call for each session, until `each` returns false. */
void session_table_each(const struct session_table *table, void *ctx,
                        bool (*each)(void *ctx, const struct channel_session_open *session));

#endif
