/* SPDX-License-Identifier: BSD-3-Clause */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

enum { EXIT_USAGE = 2 };

static void usage(FILE *out)
{
    fputs("usage: waxwire-control --config FILE [--config FILE ...] [--check | --dump]\n"
          "\n"
          "The control plane of a waxwire appliance: accounts, mailboxes, admin socket.\n"
          "\n"
          "  --config FILE  the configuration; later files are laid over earlier ones\n"
          "  --check        check the configuration, and exit\n"
          "  --dump         print the whole configuration, defaults included, and exit\n"
          "  --help         this text\n"
          "  --version      the version\n"
          "\n"
          "Exit: 0 stopped by a signal, 1 start failed, 2 usage or configuration, 4 the store is\n"
          "in use by another process, 5 the store failed. SIGTERM stops it cleanly.\n",
          out);
}

static int dump(const struct wax_config *config)
{
    size_t len = config_dump(config, NULL, 0);
    char *text = malloc(len + 1);
    if (text == NULL)
        return 1;
    config_dump(config, text, len + 1);
    fputs(text, stdout);
    free(text);
    return 0;
}

int control_arguments(int argc, char **argv, struct wax_config *config)
{
    bool check = false, show = false;
    uint32_t files = 0;
    struct config_error error;
    config_defaults(config);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("waxwire-control " WAX_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--check") == 0) {
            check = true;
        } else if (strcmp(argv[i], "--dump") == 0) {
            show = true;
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            files++;
            if (config_load(config, argv[++i], &error) != WAX_OK) {
                fprintf(stderr, "waxwire-control: %s\n", error.text);
                return EXIT_USAGE;
            }
        } else {
            fprintf(stderr, "waxwire-control: unknown argument '%s'\n", argv[i]);
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (files == 0) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (show)
        return dump(config);
    if (config_check(config, &error) != WAX_OK) {
        fprintf(stderr, "waxwire-control: %s\n", error.text);
        return EXIT_USAGE;
    }
    if (check)
        puts("the configuration is good");
    return check ? 0 : -1;
}
