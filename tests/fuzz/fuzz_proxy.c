/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PROXY protocol's header: whatever comes, nothing outside it is read, a whole one stays what it is with
 * more behind it, and no part of it was anything else than MORE.
 */
#include <stdlib.h>

#include "conn/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum wax_status status = proxy_parse(view_of(data, size), &whole);
    if (status != WAX_OK)
        return 0;
    check(whole.bytes >= PROXY_FIXED_BYTES && whole.bytes <= PROXY_BYTES_MAX && whole.bytes <= size);
    check(!whole.known || (!addr_is_any(&whole.client) && !addr_is_group(&whole.client)));
    for (size_t len = 0; len < whole.bytes; len++) {
        uint8_t *copy = malloc(len + 1); /* so that a sanitizer sees a byte too many */
        if (copy == NULL)
            return 0;
        memcpy(copy, data, len);
        check(proxy_parse(view_of(copy, len), &part) == WAX_MORE);
        free(copy);
    }
    check(proxy_parse(view_of(data, whole.bytes), &part) == WAX_OK);
    check(part.bytes == whole.bytes && part.known == whole.known && part.port == whole.port);
    check(!part.known || addr_same(&part.client, &whole.client));
    return 0;
}
