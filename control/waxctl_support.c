/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl support: a tar file for those who help. Everything that goes in is redacted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "redact.h"
#include "waxctl.h"

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

#define MEMBER_BYTES (1u << 20) /* of a file of the machine, or the journal; longer ones are cut */
#define BLOCK        512u

/* One entry of a tar file (ustar), its text redacted. */
static void put_member(FILE *out, const char *name, char *text, size_t len, bool addresses)
{
    char head[BLOCK] = {0}, full[100];
    static const char zeros[BLOCK];
    len = redact(text, len, addresses);
    snprintf(full, sizeof full, "waxwire-support/%s", name);
    memcpy(head, full, strlen(full));
    snprintf(head + 100, 8, "%07o", 0600);
    snprintf(head + 108, 8, "%07o", 0);
    snprintf(head + 116, 8, "%07o", 0);
    snprintf(head + 124, 12, "%011zo", len);
    snprintf(head + 136, 12, "%011llo", (unsigned long long)time(NULL));
    memset(head + 148, ' ', 8);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof head; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 7, "%06o", sum);
    fwrite(head, 1, sizeof head, out);
    fwrite(text, 1, len, out);
    fwrite(zeros, 1, (BLOCK - len % BLOCK) % BLOCK, out);
}

static void put_text(FILE *out, const char *name, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    put_member(out, name, copy, strlen(copy), false);
    free(copy);
}

/* What a stream holds, up to a bound. */
static void put_stream(FILE *out, const char *name, FILE *in, bool addresses)
{
    char *text = malloc(MEMBER_BYTES);
    if (text == NULL)
        abort();
    size_t len = fread(text, 1, MEMBER_BYTES, in);
    put_member(out, name, text, len, addresses);
    free(text);
}

static void put_machine(FILE *out)
{
    static const struct {
        const char *name, *path;
    } files[] = {
        {"machine/os-release", "/etc/os-release"},
        {"machine/cmdline", "/proc/cmdline"},
        {"machine/meminfo", "/proc/meminfo"},
        {"machine/cpuinfo", "/proc/cpuinfo"},
        {"machine/interrupts", "/proc/interrupts"},
        {"machine/loadavg", "/proc/loadavg"},
        {"machine/pressure-cpu", "/proc/pressure/cpu"},
        {"machine/pressure-io", "/proc/pressure/io"},
        {"machine/pressure-memory", "/proc/pressure/memory"},
        {"machine/net-dev", "/proc/net/dev"},
        {"machine/numa", "/sys/devices/system/node/online"},
        {"machine/isolated", "/sys/devices/system/cpu/isolated"},
    };
    struct utsname machine;
    char text[4 * sizeof machine.release];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        FILE *in = fopen(files[i].path, "re");
        if (in == NULL)
            continue;
        put_stream(out, files[i].name, in, true);
        fclose(in);
    }
    uname(&machine);
    snprintf(text, sizeof text, "waxctl %s\n%s %s %s\n", WAX_VERSION, machine.sysname, machine.release,
             machine.machine);
    put_text(out, "versions", text);
}

/* The lines of both programs, where systemd has them. */
static void put_journal(FILE *out)
{
    if (access("/usr/bin/journalctl", X_OK) != 0)
        return;
    FILE *in = popen("/usr/bin/journalctl --no-pager --quiet -o short-iso -n 2000 -u waxwire-control "
                     "-u waxwire-dataplane 2>/dev/null",
                     "re");
    if (in == NULL)
        return;
    put_stream(out, "journal", in, true);
    pclose(in);
}

/* What the control plane answers, without what names people. */
static void put_answers(FILE *out, const struct options *options)
{
    static const char *const commands[] = {"status", "workers", "counters", "limits",
                                           "store",  "media",   "config"};
    char name[64];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct json_object *reply = ask_object(options, commands[i]);
        bool config = strcmp(commands[i], "config") == 0;
        snprintf(name, sizeof name, config ? "%s.yaml" : "%s.json", commands[i]);
        put_text(out, name,
                 config ? get_text(reply, "text")
                        : json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PRETTY));
        json_object_put(reply);
    }
}

int support_run(const struct options *options)
{
    static const char zeros[2 * BLOCK];
    const char *path = options->text[OPTION_OUTPUT];
    path = path != NULL ? path : "waxwire-support.tar";
    bool standard = strcmp(path, "-") == 0;
    int fd =
        standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "we") : NULL;
    if (out == NULL) {
        fprintf(stderr, "waxctl: %s: %s\n", path, strerror(errno));
        return EXIT_NOT_DONE;
    }
    int probe =
        connect_admin(options->socket); /* a control plane that is away is no reason to have no bundle */
    if (probe >= 0) {
        close(probe);
        put_answers(out, options);
    } else {
        put_text(out, "control-plane-away", strerror(errno));
    }
    put_machine(out);
    put_journal(out);
    fwrite(zeros, 1, sizeof zeros, out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        fprintf(stderr, "waxctl: %s: %s\n", path, strerror(errno));
        return EXIT_NOT_DONE;
    }
    if (options->json && !standard)
        printf("{\"path\":\"%s\",\"control\":%s}\n", path, probe >= 0 ? "true" : "false");
    else if (!standard)
        printf("%s is written%s; look into it before you send it\n", path,
               probe >= 0 ? "" : ", without the control plane, which does not answer");
    return 0;
}
