/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl: the operator's command line. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "waxctl_table.h"
#include "waxwire/config.h"

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

#define CONFIG_FILE_DEFAULT "/etc/waxwire/waxwire.yaml"

/* Where the admin socket is, and which files the configuration is of, when the command line doesn't say. */
static int find_defaults(struct options *options)
{
    static struct wax_config config;
    struct config_error error;
    config_defaults(&config);
    if (options->configs == 0 && access(CONFIG_FILE_DEFAULT, R_OK) == 0)
        options->config[options->configs++] = CONFIG_FILE_DEFAULT;
    for (uint32_t i = 0; options->socket == NULL && i < options->configs; i++) {
        if (config_load(&config, options->config[i], &error) != WAX_OK) {
            fprintf(stderr, "waxctl: %s\n", error.text);
            return EXIT_USAGE;
        }
    }
    if (options->socket == NULL)
        options->socket = config.admin_socket;
    return 0;
}

static int ask_and_show(const struct waxctl_command *command, const struct options *options)
{
    struct json_object *request = json_object_new_object();
    json_object_object_add(request, "command", json_object_new_string(command->ask));
    if (command->request != NULL)
        command->request(options, request);
    struct json_object *reply = ask_request(options, request);
    bool failed = answer_failed(reply, !options->json);
    if (options->json)
        print_json(reply);
    else if (!failed)
        command->show(options, reply);
    json_object_put(reply);
    return failed ? EXIT_NOT_DONE : 0;
}

int main(int argc, char **argv)
{
    static struct options options;
    const struct waxctl_command *command;
    const char *why = waxctl_parse(argc, argv, &command, &options);
    if (why != NULL) {
        fprintf(stderr, "waxctl: %s\n", why);
        return EXIT_USAGE;
    }
    if (options.text[OPTION_VERSION] != NULL) {
        puts("waxctl " WAX_VERSION);
        return 0;
    }
    if (options.text[OPTION_HELP] != NULL || command == NULL) {
        bool asked = options.text[OPTION_HELP] != NULL;
        if (command != NULL)
            waxctl_help_command(stdout, command);
        else
            waxctl_help(asked ? stdout : stderr);
        return asked ? 0 : EXIT_USAGE;
    }
    int code = find_defaults(&options);
    if (code != 0 && !command->alone)
        return code;
    return command->run != NULL ? command->run(&options) : ask_and_show(command, &options);
}
