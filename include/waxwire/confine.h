/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program gives up once it has started: privileges, and system calls that it never makes. Of use to
 * the data plane and the control plane; each is told apart by what it still needs.
 */
#ifndef WAXWIRE_CONFINE_H
#define WAXWIRE_CONFINE_H

#include <stdbool.h>

/* Kinds of sockets that may still be made, a set. UNIX sockets always may. */
enum confine_sockets {
    CONFINE_UNIX = 0,
    CONFINE_INET = 1 /* and netlink: drivers ask the kernel about interfaces */
};

/*
 * Take all capabilities from the calling thread and those that it will make, for good. A process of root
 * keeps them: it is a developer's, and has no user to be. True unless the kernel refuses.
 */
bool confine_capabilities(void);

/*
 * Lay a filter over all threads of the process: no new program, process, namespace, mount, trace of others,
 * module, BPF, key ring, user, or memory of others; no socket of a kind that isn't in `sockets`. Such calls
 * fail with EPERM, calls of another architecture end the process. New privileges by exec are off for good.
 * True unless the kernel refuses.
 */
bool confine_calls(enum confine_sockets sockets);

#endif
