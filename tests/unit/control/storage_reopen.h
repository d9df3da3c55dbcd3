/* SPDX-License-Identifier: BSD-3-Clause */
/* A storage whose last process was killed. */
#ifndef CONTROL_STORAGE_REOPEN_H
#define CONTROL_STORAGE_REOPEN_H

#include <unistd.h>

#include "storage_local.h"

/* storage_local_open, tried for 2 s while it is locked: the kernel lets go of the killed one late. */
static inline enum wax_status storage_reopen(struct loop *loop, const struct storage_local_config *config,
                                             struct storage **out)
{
    enum wax_status status = WAX_STORE_LOCKED;
    for (int i = 0; i < 2000 && status == WAX_STORE_LOCKED; i++) {
        status = storage_local_open(loop, config, out);
        if (status == WAX_STORE_LOCKED)
            usleep(1000);
    }
    return status;
}

#endif
