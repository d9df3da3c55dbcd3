/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What record.c and state.c share. Private to tls/.
 */
#ifndef WAXWIRE_TLS_RECORD_PRIVATE_H
#define WAXWIRE_TLS_RECORD_PRIVATE_H

#include "tls/record.h"

/* Sets key and IV of a direction from its traffic secret, and begins to count anew. */
void dir_rekey(struct tls_dir *dir, const uint8_t *secret);

/* tls_seal without the limit on a key's use: an alert must get out. */
enum wax_status dir_seal(struct tls_dir *dir, uint8_t type, struct view plain, struct span out, size_t *len);

#endif
