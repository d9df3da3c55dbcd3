/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may connect to a UNIX socket beside its owner. */
#ifndef CONTROL_SOCKET_SHARE_H
#define CONTROL_SOCKET_SHARE_H

#include <stdbool.h>

/*
 * Give the socket at a path to a group, by its name or number, with mode 0660. An empty name changes nothing.
 * False (errno) when there is no such group, or this process may not give to it.
 */
bool socket_share(const char *path, const char *group);

#endif
