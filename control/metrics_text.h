/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that is counted, in Prometheus's text format (version 0.0.4). */
#ifndef CONTROL_METRICS_TEXT_H
#define CONTROL_METRICS_TEXT_H

#include "admin.h"

/* The whole text, which the caller frees. No user, address or content is in it. */
char *metrics_text(const struct admin_sources *sources, uint64_t now_ms);

#endif
