/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: an input is a file. What is taken can be dumped, and the dump loads to
 * the same; what is refused changes nothing and says where.
 */
#include <stdlib.h>

#include "config_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[1 << 16];
    struct wax_config config, again, defaults;
    struct config_error error;
    config_defaults(&defaults);
    config = again = defaults;
    enum wax_status status = config_load_text(&config, "fuzz", view_of(data, size), &error);
    if (status != WAX_OK) {
        check(memcmp(&config, &defaults, sizeof config) == 0);
        check(strncmp(error.text, "fuzz:", 5) == 0);
        check(memchr(error.text, '\0', sizeof error.text) != NULL);
        return 0;
    }
    (void)config_check(&config, &error);
    size_t len = config_dump(&config, text, sizeof text);
    check(len < sizeof text);
    check(config_load_text(&again, "dump", view_of(text, len), &error) == WAX_OK);
    check(memcmp(&config, &again, sizeof config) == 0);
    return 0;
}
