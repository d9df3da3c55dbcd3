/* SPDX-License-Identifier: BSD-3-Clause */
#include "socket_share.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool socket_share(const char *path, const char *group)
{
    char *end;
    if (group[0] == '\0')
        return true;
    gid_t id = (gid_t)strtoul(group, &end, 10);
    if (*end != '\0') {
        errno = 0;
        const struct group *entry = getgrnam(group);
        if (entry == NULL) {
            errno = errno != 0 ? errno : ENOENT;
            return false;
        }
        id = entry->gr_gid;
    }
    return chown(path, (uid_t)-1, id) == 0 && chmod(path, 0660) == 0;
}
