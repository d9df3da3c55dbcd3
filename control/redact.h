/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes out of a text what must not leave the appliance. */
#ifndef CONTROL_REDACT_H
#define CONTROL_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Rewrite `text` in place: blocks of PEM, runs of 32 or more hexadecimal digits (users, keys, ids) and of 40
 * or more characters of base64 (tokens, ids of blobs) become "<removed>"; with `addresses`, IPv4 and IPv6
 * addresses become "<address>". What replaces is never longer than what it replaces. Returns the new length.
 */
size_t redact(char *text, size_t len, bool addresses);

#endif
