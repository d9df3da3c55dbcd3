/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl config: is a configuration good, what is in force, and how do files differ from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_lines.h"
#include "waxctl.h"
#include "waxwire/config.h"

#define TEXT_BYTES (64u << 10)

/* The files of the operands, or else of --config, laid over the defaults. Returns an exit code. */
static int load_files(const struct options *options, struct wax_config *config, struct config_error *error)
{
    const char *const *file = options->operands != 0 ? options->operand : options->config;
    uint32_t count = options->operands != 0 ? options->operands : options->configs;
    config_defaults(config);
    if (count == 0) {
        snprintf(error->text, sizeof error->text,
                 "no configuration is named, and there is none at /etc/waxwire/waxwire.yaml");
        return EXIT_USAGE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (config_load(config, file[i], error) != WAX_OK)
            return EXIT_NOT_DONE;
    }
    return config_check(config, error) == WAX_OK ? 0 : EXIT_NOT_DONE;
}

/* Says why files can't be used; returns the code. */
static int refuse(const struct options *options, const char *key, int code, const char *text)
{
    if (!options->json) {
        fprintf(stderr, "waxctl: %s\n", text);
        return code;
    }
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, key, json_object_new_boolean(false));
    json_object_object_add(object, "error", json_object_new_string(text));
    print_json(object);
    json_object_put(object);
    return code;
}

int config_check_run(const struct options *options)
{
    static struct wax_config config;
    struct config_error error;
    int code = load_files(options, &config, &error);
    if (code != 0)
        return refuse(options, "good", code, error.text);
    puts(options->json ? "{\"good\":true}" : "the configuration is good");
    return 0;
}

static char *dump_text(const struct wax_config *config)
{
    char *text = malloc(TEXT_BYTES);
    if (text == NULL || config_dump(config, text, TEXT_BYTES) >= TEXT_BYTES)
        abort();
    return text;
}

/* {"section.key": "value", …} of a dump. */
static struct json_object *flat_object(const char *text)
{
    struct json_object *object = json_object_new_object();
    struct config_line line;
    for (struct config_lines lines = config_lines_of(text); config_lines_next(&lines, &line);)
        json_object_object_add(object, line.key, json_object_new_string(line.value));
    return object;
}

static void show_config(const struct options *options, const char *text)
{
    if (!options->json) {
        fputs(text, stdout);
        return;
    }
    struct json_object *object = flat_object(text);
    print_json(object);
    json_object_put(object);
}

int config_show_run(const struct options *options)
{
    static struct wax_config config;
    struct config_error error;
    if (options->operands == 0) {
        struct json_object *reply = ask_object(options, "config");
        bool failed = answer_failed(reply, true);
        if (!failed)
            show_config(options, get_text(reply, "text"));
        json_object_put(reply);
        return failed ? EXIT_NOT_DONE : 0;
    }
    int code = load_files(options, &config, &error);
    if (code != 0)
        return refuse(options, "good", code, error.text);
    char *text = dump_text(&config);
    show_config(options, text);
    free(text);
    return 0;
}

static void add_difference(const struct options *options, struct json_object *list, const char *key,
                           const char *runs, const char *file)
{
    struct json_object *entry = json_object_new_object();
    json_object_object_add(entry, "key", json_object_new_string(key));
    json_object_object_add(entry, "runs", runs != NULL ? json_object_new_string(runs) : NULL);
    json_object_object_add(entry, "file", file != NULL ? json_object_new_string(file) : NULL);
    json_object_object_add(entry, "taken_by", json_object_new_string(config_taken_by(key)));
    json_object_array_add(list, entry);
    if (!options->json)
        printf("%-36s %s -> %s  (%s)\n", key, runs != NULL ? runs : "-", file != NULL ? file : "-",
               config_taken_by(key));
}

/* What differs between two dumps, as a list. */
static struct json_object *differences(const struct options *options, struct json_object *runs,
                                       struct json_object *file)
{
    struct json_object *list = json_object_new_array();
    json_object_object_foreach(file, key, value)
    {
        const char *here = json_object_get_string(value), *there = get_text(runs, key);
        bool missing = get_object(runs, key) == NULL;
        if (missing || strcmp(here, there) != 0)
            add_difference(options, list, key, missing ? NULL : there, here);
    }
    json_object_object_foreach(runs, old, left)
    {
        if (get_object(file, old) == NULL)
            add_difference(options, list, old, json_object_get_string(left), NULL);
    }
    return list;
}

int config_diff_run(const struct options *options)
{
    static struct wax_config config;
    struct config_error error;
    int code = load_files(options, &config, &error);
    if (code != 0)
        return refuse(options, "same", EXIT_USAGE, error.text);
    struct json_object *reply = ask_object(options, "config");
    if (answer_failed(reply, true)) {
        json_object_put(reply);
        return EXIT_NOT_DONE;
    }
    char *text = dump_text(&config);
    struct json_object *runs = flat_object(get_text(reply, "text")), *file = flat_object(text);
    struct json_object *list = differences(options, runs, file), *answer = json_object_new_object();
    size_t count = json_object_array_length(list);
    json_object_object_add(answer, "same", json_object_new_boolean(count == 0));
    json_object_object_add(answer, "differences", list);
    if (options->json)
        print_json(answer);
    else if (count == 0)
        puts("the files say what runs");
    json_object_put(answer);
    json_object_put(file);
    json_object_put(runs);
    json_object_put(reply);
    free(text);
    return count == 0 ? 0 : EXIT_NOT_DONE;
}
