/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A profile: a mapping of options by their names, and under `steps` a list of mappings, one for each traffic.
 * Nothing else of YAML is taken.
 */
#include <stdlib.h>
#include <yaml.h>

#include "waxgen/gen.h"

struct reader {
    yaml_parser_t parser;
    const char *path;
    struct gen_options *options;
};

static bool refuse(const struct reader *reader, const yaml_event_t *event, const char *why)
{
    fprintf(stderr, "waxgen: %s:%zu: %s\n", reader->path, event->start_mark.line + 1, why);
    return false;
}

/* The next event, which must be of a kind; the caller deletes it when true. */
static bool next(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return true;
    fprintf(stderr, "waxgen: %s:%zu: %s\n", reader->path, reader->parser.problem_mark.line + 1,
            reader->parser.problem);
    return false;
}

static const char *text_of(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT ? (const char *)event->data.scalar.value : NULL;
}

/* One step: its mapping as a line of commands, checked when its turn comes. */
static bool step(struct reader *reader)
{
    struct gen_options *o = reader->options;
    char line[GEN_LINE_BYTES] = "";
    size_t len = 0;
    for (;;) {
        yaml_event_t key, value;
        if (!next(reader, &key))
            return false;
        bool over = key.type == YAML_MAPPING_END_EVENT;
        if (over || text_of(&key) == NULL || !next(reader, &value)) {
            bool good = over || refuse(reader, &key, "options of a step are plain");
            yaml_event_delete(&key);
            if (!good)
                return false;
            break;
        }
        const char *text = text_of(&value);
        bool flag = text != NULL && strcmp(text, "true") == 0;
        int n = text == NULL
                    ? -1
                    : snprintf(line + len, sizeof line - len, "--%s %s ", text_of(&key), flag ? "" : text);
        bool good = n > 0 && (size_t)n < sizeof line - len;
        if (good)
            len += (size_t)n;
        else
            refuse(reader, &value, "too long, or not plain");
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (!good)
            return false;
    }
    o->steps[o->step_count] = strdup(line);
    return o->steps[o->step_count++] != NULL;
}

static bool steps(struct reader *reader)
{
    struct gen_options *o = reader->options;
    yaml_event_t event;
    if (o->steps == NULL)
        o->steps = calloc(GEN_STEPS_MAX, sizeof *o->steps);
    if (o->steps == NULL || !next(reader, &event))
        return false;
    bool good = event.type == YAML_SEQUENCE_START_EVENT || refuse(reader, &event, "steps are a list");
    yaml_event_delete(&event);
    while (good && next(reader, &event)) {
        bool over = event.type == YAML_SEQUENCE_END_EVENT;
        good = over || (event.type == YAML_MAPPING_START_EVENT && o->step_count < GEN_STEPS_MAX) ||
               refuse(reader, &event, "a step is a mapping, and there are 256 at most");
        yaml_event_delete(&event);
        if (over)
            return good;
        good = good && step(reader);
    }
    return false;
}

/* An option; its text stays, for those that are texts. */
static bool option(struct reader *reader, const char *name, const yaml_event_t *value)
{
    struct gen_options *o = reader->options;
    if (text_of(value) == NULL || o->kept_count == GEN_KEPT_MAX)
        return refuse(reader, value, "an option has one value, and there are 32 at most");
    char *text = strdup(text_of(value));
    if (text == NULL)
        return false;
    o->kept[o->kept_count++] = text;
    return options_set(name, text, o);
}

static bool mapping(struct reader *reader)
{
    bool good = true;
    while (good) {
        yaml_event_t key, value;
        if (!next(reader, &key))
            return false;
        const char *name = text_of(&key);
        bool over = key.type == YAML_MAPPING_END_EVENT;
        if (over || name == NULL) {
            good = over || refuse(reader, &key, "an option has a name");
            yaml_event_delete(&key);
            return good;
        }
        if (strcmp(name, "steps") == 0) {
            good = steps(reader);
        } else if ((good = next(reader, &value))) {
            good = option(reader, name, &value);
            yaml_event_delete(&value);
        }
        yaml_event_delete(&key);
    }
    return false;
}

/* Stream and document begin, then the mapping. */
static bool document(struct reader *reader)
{
    yaml_event_t event;
    for (;;) {
        if (!next(reader, &event))
            return false;
        yaml_event_type_t type = event.type;
        bool prelude = type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT;
        if (!prelude && type != YAML_MAPPING_START_EVENT)
            refuse(reader, &event, "a profile is a mapping");
        yaml_event_delete(&event);
        if (type == YAML_MAPPING_START_EVENT)
            return mapping(reader);
        if (!prelude)
            return false;
    }
}

bool profile_read(const char *path, struct gen_options *options)
{
    struct reader reader = {.path = path, .options = options};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "waxgen: ");
        perror(path);
        return false;
    }
    bool good = yaml_parser_initialize(&reader.parser) != 0;
    if (good) {
        yaml_parser_set_input_file(&reader.parser, file);
        good = document(&reader);
        yaml_parser_delete(&reader.parser);
    }
    fclose(file);
    return good;
}

void profile_free(struct gen_options *options)
{
    for (uint32_t i = 0; i < options->step_count; i++)
        free(options->steps[i]);
    free(options->steps);
    for (uint32_t i = 0; i < options->kept_count; i++)
        free(options->kept[i]);
    options->steps = NULL;
    options->step_count = options->kept_count = 0;
}
