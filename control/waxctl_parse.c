/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "waxctl_table.h"

#define NUMBER_MAX 1000000000ul

static char refusal[256];

#define REFUSE(...) (snprintf(refusal, sizeof refusal, __VA_ARGS__), refusal)

static bool is_user(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
}

/* The command whose words are the first ones, the one with more words first; takes them away. */
static const char *find_command(const char **word, uint32_t *words, const struct waxctl_command **command)
{
    size_t count;
    const struct waxctl_command *all = waxctl_commands(&count);
    bool begins = false;
    char two[128];
    *command = NULL;
    for (uint32_t take = 2; take > 0 && *command == NULL; take--) {
        if (*words < take)
            continue;
        snprintf(two, sizeof two, take == 2 ? "%.60s %.60s" : "%.60s", word[0], take == 2 ? word[1] : "");
        for (size_t i = 0; i < count && *command == NULL; i++) {
            size_t len = strlen(word[0]);
            begins |= strncmp(all[i].name, word[0], len) == 0 && all[i].name[len] == ' ';
            if (strcmp(all[i].name, two) == 0) {
                *command = &all[i];
                *words -= take;
                memmove(word, word + take, *words * sizeof *word);
            }
        }
    }
    if (*command != NULL || *words == 0)
        return NULL;
    if (begins && *words == 1)
        return REFUSE("'%.60s' is not whole: see waxctl --help", word[0]);
    return begins ? REFUSE("unknown command '%.60s %.60s'", word[0], word[1])
                  : REFUSE("unknown command '%.60s'", word[0]);
}

/* Keep the value of an option. */
static const char *take_value(enum waxctl_option_number number, const char *value, struct options *out)
{
    const struct waxctl_option *option = waxctl_option(number);
    out->text[number] = value;
    if (option->kind == WAXCTL_NUMBER) {
        char *end;
        unsigned long n = isdigit((unsigned char)value[0]) ? strtoul(value, &end, 10) : NUMBER_MAX + 1;
        if (n > NUMBER_MAX || *end != '\0')
            return REFUSE("%s takes a number, not '%.60s'", option->name, value);
        out->number[number] = (uint32_t)n;
    }
    if (number == OPTION_CONFIG) {
        if (out->configs == WAXCTL_OPERANDS_MAX)
            return REFUSE("--config is given too often");
        out->config[out->configs++] = value;
    }
    return NULL;
}

/* The options of a line; what is none of them is a word. */
static const char *take_arguments(int argc, char **argv, struct options *out, const char **word,
                                  uint32_t *words)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        uint32_t number = OPTIONS;
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (*words == WAXCTL_OPERANDS_MAX)
                return REFUSE("too many words");
            word[(*words)++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        size_t len = strcspn(argv[i], "=");
        for (uint32_t n = 0; n < OPTIONS && number == OPTIONS; n++) {
            const char *name = waxctl_option((enum waxctl_option_number)n)->name;
            if (strncmp(name, argv[i], len) == 0 && name[len] == '\0')
                number = n;
        }
        if (number == OPTIONS)
            return REFUSE("unknown option '%.60s'", argv[i]);
        const struct waxctl_option *option = waxctl_option((enum waxctl_option_number)number);
        const char *value = argv[i][len] == '=' ? argv[i] + len + 1 : NULL;
        if (option->value == NULL && value != NULL)
            return REFUSE("%s takes no value", option->name);
        if (option->value != NULL && value == NULL) {
            if (i + 1 == argc)
                return REFUSE("%s needs a value: %s", option->name, option->value);
            value = argv[++i];
        }
        const char *why = take_value((enum waxctl_option_number)number, value != NULL ? value : "", out);
        if (why != NULL)
            return why;
    }
    return NULL;
}

/* Whether a command takes what was given. */
static const char *check(const struct waxctl_command *command, const struct options *options)
{
    uint32_t least, most;
    uint64_t takes = waxctl_options_of(command);
    waxctl_operands(command, &least, &most);
    for (uint32_t n = 0; n < OPTIONS; n++) {
        if (options->text[n] != NULL && (takes >> n & 1) == 0)
            return REFUSE("%s takes no %s", command->name, waxctl_option((enum waxctl_option_number)n)->name);
    }
    if (options->operands < least)
        return REFUSE("%s takes %s", command->name, command->operands);
    if (options->operands > most)
        return most == 0 ? REFUSE("%s takes nothing more, but '%.60s' was given", command->name,
                                  options->operand[0])
                         : REFUSE("%s takes %s alone, but '%.60s' was given too", command->name,
                                  command->operands, options->operand[most]);
    for (uint32_t i = 0; i < options->operands; i++) {
        if (waxctl_operand_kind(command, i) == WAXCTL_USER && !is_user(options->operand[i]))
            return REFUSE("a user is 32 hexadecimal digits, not '%.60s'", options->operand[i]);
    }
    return NULL;
}

const char *waxctl_parse(int argc, char **argv, const struct waxctl_command **command,
                         struct options *options)
{
    *command = NULL;
    memset(options, 0, sizeof *options);
    const char *why = take_arguments(argc, argv, options, options->operand, &options->operands);
    if (why == NULL && options->operands != 0)
        why = find_command(options->operand, &options->operands, command);
    for (uint32_t i = options->operands; i < WAXCTL_OPERANDS_MAX; i++)
        options->operand[i] = NULL;
    if (why != NULL)
        return why;
    options->socket = options->text[OPTION_SOCKET];
    options->json = options->text[OPTION_JSON] != NULL;
    options->interval_ms = options->text[OPTION_INTERVAL] != NULL ? options->number[OPTION_INTERVAL] : 1000;
    options->limit = options->text[OPTION_LIMIT] != NULL ? options->number[OPTION_LIMIT] : 1000;
    if (*command == NULL || options->text[OPTION_HELP] != NULL)
        return NULL; /* nothing more is needed to show help */
    return check(*command, options);
}
