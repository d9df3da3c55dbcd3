/* SPDX-License-Identifier: BSD-3-Clause */
/* What the table tells people and shells. */
#include <string.h>

#include "waxctl_table.h"

static const char exits[] =
    "0 done; 1 not done, or something is found wrong; 2 the command line or the configuration "
    "can't be used; 3 the control plane does not answer, or has gone.";

static const struct waxctl_option *option_at(uint32_t number)
{
    return waxctl_option((enum waxctl_option_number)number);
}

static void put_option(FILE *out, uint32_t number)
{
    const struct waxctl_option *option = option_at(number);
    char left[40];
    snprintf(left, sizeof left, "%s%s%s", option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    fprintf(out, "  %-20s %s\n", left, option->help);
}

void waxctl_help(FILE *out)
{
    size_t count;
    const struct waxctl_command *all = waxctl_commands(&count);
    fputs("usage: waxctl COMMAND [OPTION...]\n\n", out);
    for (size_t i = 0; i < count; i++) {
        char left[60];
        snprintf(left, sizeof left, "%s%s%s", all[i].name, all[i].operands[0] != '\0' ? " " : "",
                 all[i].operands);
        fprintf(out, "  %-24s %s\n", left, all[i].says);
    }
    fputs("\nwaxctl COMMAND --help tells what a command takes, with an example. Everywhere:\n", out);
    for (uint32_t n = OPTION_SOCKET; n <= OPTION_VERSION; n++)
        put_option(out, n);
    fprintf(out, "\nExit: %s\n", exits);
}

void waxctl_help_command(FILE *out, const struct waxctl_command *command)
{
    uint64_t takes = waxctl_options_of(command);
    fprintf(out, "usage: waxctl %s%s%s [OPTION...]\n\n%s\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands, command->says);
    if (command->more[0] != '\0')
        fprintf(out, "%s\n", command->more);
    fputs("\n", out);
    for (uint32_t n = 0; n < OPTIONS; n++) {
        if ((takes >> n & 1) != 0)
            put_option(out, n);
    }
    fprintf(out, "\nexample: %s\n         %s\n\nExit: %s\n", command->example, command->example_says, exits);
}

/* Text of a man page: minus signs and backslashes are roff's. */
static void put_roff(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

static void put_roff_option(FILE *out, uint32_t number)
{
    const struct waxctl_option *option = option_at(number);
    fputs(".TP\n\\fB", out);
    put_roff(out, option->name);
    fprintf(out, "\\fR%s%s%s\n", option->value != NULL ? " \\fI" : "",
            option->value != NULL ? option->value : "", option->value != NULL ? "\\fR" : "");
    put_roff(out, option->help);
    fputs("\n", out);
}

void waxctl_man(FILE *out)
{
    size_t count;
    const struct waxctl_command *all = waxctl_commands(&count);
    fputs(".TH WAXCTL 8 \"\" \"waxwire\" \"System administration\"\n.SH NAME\nwaxctl \\- look into and "
          "operate a "
          "waxwire relay\n.SH SYNOPSIS\n.B waxctl\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.SH "
          "DESCRIPTION\nwaxctl asks "
          "the control plane of a waxwire appliance over its admin socket.\n.SH COMMANDS\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ".TP\n\\fB%s\\fR%s%s%s\n", all[i].name, all[i].operands[0] != '\0' ? " \\fI" : "",
                all[i].operands, all[i].operands[0] != '\0' ? "\\fR" : "");
        put_roff(out, all[i].says);
        fputs(".\n", out);
        if (all[i].more[0] != '\0') {
            put_roff(out, all[i].more);
            fputs("\n", out);
        }
        uint64_t takes = all[i].options & ~OPTION_BIT(CONFIG);
        for (uint32_t n = 0, first = 1; n < OPTIONS; n++) {
            if ((takes >> n & 1) == 0)
                continue;
            fputs(first ? "Takes \\fB" : "and \\fB", out);
            put_roff(out, option_at(n)->name);
            fputs("\\fR\n", out);
            first = 0;
        }
        fputs(".RS\n.PP\n.EX\n", out);
        put_roff(out, all[i].example);
        fputs("\n.EE\n", out);
        put_roff(out, all[i].example_says);
        fputs("\n.RE\n", out);
    }
    fputs(".SH OPTIONS\n", out);
    for (uint32_t n = 0; n < OPTIONS; n++)
        put_roff_option(out, n);
    fputs(".SH EXIT STATUS\n", out);
    put_roff(out, exits);
    fputs("\n.SH FILES\n.TP\n/etc/waxwire/waxwire.yaml\nthe configuration\n.TP\n/run/waxwire/admin.sock\nthe "
          "admin "
          "socket\n",
          out);
}

/* "--socket|--config": options with a value of a kind, or all with one. */
static void put_alternatives(FILE *out, bool paths_only)
{
    bool first = true;
    for (uint32_t n = 0; n < OPTIONS; n++) {
        if (option_at(n)->value == NULL || (paths_only && option_at(n)->kind != WAXCTL_PATH))
            continue;
        fprintf(out, "%s%s", first ? "" : "|", option_at(n)->name);
        first = false;
    }
}

/* The words that may stand behind the first word of a command, or all first words. */
static void put_words(FILE *out, const char *behind)
{
    size_t count, len = behind != NULL ? strlen(behind) : 0;
    const struct waxctl_command *all = waxctl_commands(&count);
    const char *last = "";
    for (size_t i = 0; i < count; i++) {
        const char *word = all[i].name, *space = strchr(word, ' ');
        if (behind != NULL &&
            (space == NULL || (size_t)(space - word) != len || strncmp(word, behind, len) != 0))
            continue;
        word = behind != NULL ? space + 1 : word;
        size_t word_len = strcspn(word, " ");
        if (word_len == strcspn(last, " ") && strncmp(word, last, word_len) == 0)
            continue;
        fprintf(out, "%s%.*s", last[0] == '\0' ? "" : " ", (int)word_len, word);
        last = word;
    }
}

/* The cases of both shells: what a command's words are followed by. */
static void put_cases(FILE *out)
{
    size_t count;
    const struct waxctl_command *all = waxctl_commands(&count);
    char done[32] = "";
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(all[i].name, " ");
        fprintf(out, "    '%s') options='", all[i].name);
        for (uint32_t n = 0; n < OPTIONS; n++) {
            if ((waxctl_options_of(&all[i]) >> n & 1) != 0)
                fprintf(out, "%s ", option_at(n)->name);
        }
        bool paths = waxctl_operand_kind(&all[i], 0) == WAXCTL_PATH;
        bool shell = strcmp(all[i].operands, "SHELL") == 0;
        fprintf(out, "' files=%d more='%s", paths, shell ? "bash zsh man" : "");
        if (all[i].name[len] == '\0')
            put_words(out, all[i].name);
        fputs("' ;;\n", out);
        if (all[i].name[len] == ' ' && strncmp(done, all[i].name, len + 1) != 0) {
            snprintf(done, sizeof done, "%.*s ", (int)len, all[i].name);
            fprintf(out, "    '%.*s') [[ -n $options ]] || more='", (int)len, all[i].name);
            char first[32];
            snprintf(first, sizeof first, "%.*s", (int)len, all[i].name);
            put_words(out, first);
            fputs("' ;;\n", out);
        }
    }
}

void waxctl_complete_bash(FILE *out)
{
    fputs("# bash completion of waxctl; made by waxctl completion bash\n_waxctl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} i one='' two='' "
          "options='' files=0 more=''\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n        ",
          out);
    put_alternatives(out, false);
    fputs(") ((i++)) ;;\n        -*) ;;\n        *) if [[ -z $one ]]; then one=${COMP_WORDS[i]}; elif [[ -z "
          "$two ]]; then two=${COMP_WORDS[i]}; fi ;;\n"
          "        esac\n    done\n    case $last in\n    ",
          out);
    put_alternatives(out, true);
    fputs(") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n    ", out);
    put_alternatives(out, false);
    fputs(") COMPREPLY=(); return ;;\n    esac\n    local command\n    for command in \"$one $two\" "
          "\"$one\"; do\n"
          "    [[ -z $options ]] || break\n    case $command in\n    '') more='",
          out);
    put_words(out, NULL);
    fputs("' options='--help --version' ;;\n", out);
    put_cases(out);
    fputs("    esac\n    done\n    [[ -z $one ]] || [[ -z $two ]] || more=''\n"
          "    if [[ $word == -* ]]; then mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
          "    elif [[ $files == 1 ]]; then mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    else mapfile -t COMPREPLY < <(compgen -W \"$more\" -- \"$word\"); fi\n}\n"
          "complete -o filenames -F _waxctl waxctl\n",
          out);
}

void waxctl_complete_zsh(FILE *out)
{
    fputs("#compdef waxctl\n# zsh completion of waxctl; made by waxctl completion zsh\n_waxctl() {\n"
          "    local i one='' two='' options='' files=0 more='' command\n"
          "    for ((i = 2; i < CURRENT; i++)); do\n        case ${words[i]} in\n        ",
          out);
    put_alternatives(out, false);
    fputs(") ((i++)) ;;\n        -*) ;;\n        *) if [[ -z $one ]]; then one=${words[i]}; elif [[ -z $two "
          "]]; then two=${words[i]}; fi ;;\n"
          "        esac\n    done\n    case ${words[CURRENT-1]} in\n    ",
          out);
    put_alternatives(out, true);
    fputs(") _files; return ;;\n    ", out);
    put_alternatives(out, false);
    fputs(") return ;;\n    esac\n    for command in \"$one $two\" \"$one\"; do\n    [[ -z $options ]] || "
          "break\n    case $command in\n    '') more='",
          out);
    put_words(out, NULL);
    fputs("' options='--help --version' ;;\n", out);
    put_cases(out);
    fputs("    esac\n    done\n    [[ -z $one ]] || [[ -z $two ]] || more=''\n"
          "    if [[ ${words[CURRENT]} == -* ]]; then compadd -- ${=options}\n    elif [[ $files == 1 ]]; "
          "then _files\n"
          "    else compadd -- ${=more}; fi\n}\nif [[ ${funcstack[1]} == _waxctl ]]; then _waxctl \"$@\"; "
          "else compdef _waxctl waxctl; fi\n",
          out);
}

int completion_run(const struct options *options)
{
    const char *shell = options->operand[0];
    if (strcmp(shell, "bash") == 0)
        waxctl_complete_bash(stdout);
    else if (strcmp(shell, "zsh") == 0)
        waxctl_complete_zsh(stdout);
    else if (strcmp(shell, "man") == 0)
        waxctl_man(stdout);
    else
        fprintf(stderr, "waxctl: completion is for bash, zsh or man, not '%.60s'\n", shell);
    return strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0 || strcmp(shell, "man") == 0 ? 0
                                                                                                : EXIT_USAGE;
}
