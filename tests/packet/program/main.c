/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet [--verbose] [--list] [--only NAME] FILE|FOLDER...
 *
 * Plays every scenario of the scripts and tells the outcome as TAP. A scenario that says `fails "TEXT"` must
 * fail with a message that has TEXT in it: so the interpreter is tested itself.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "play.h"
#include "text.h"

#define LINE_BYTES 512u
#define NAMES_MAX  4096u

struct run {
    bool verbose, list;
    const char *only;
    unsigned passed, failed;
    char *names[NAMES_MAX];
    unsigned name_count;
};

/* One scenario while it is played. */
struct scene {
    struct play play;
    char name[PLAY_NAME_BYTES];
    char fails[LINE_BYTES]; /* what it must fail with, or empty */
    bool open;
};

static void tell(struct run *run, const struct scene *s, bool good, const char *message)
{
    run->passed += good;
    run->failed += !good;
    printf("%s %u - %s\n", good ? "ok" : "not ok", run->passed + run->failed, s->name);
    for (const char *at = good ? "" : message; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        printf("# %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    fflush(stdout);
}

static void scene_close(struct run *run, struct scene *s)
{
    if (!s->open) {
        return;
    }
    s->open = false;
    if (run->list) {
        printf("%s\n", s->name);
        return;
    }
    if (run->only != NULL && strstr(s->name, run->only) == NULL) {
        return;
    }
    if (!s->play.failed) {
        play_start(&s->play);
    }
    bool good = play_end(&s->play);
    if (s->fails[0] == '\0') {
        tell(run, s, good, s->play.message);
    } else if (good) {
        tell(run, s, false, "it passed, and must fail");
    } else {
        bool right = strstr(s->play.message, s->fails) != NULL;
        char message[sizeof s->play.message + LINE_BYTES + 64];
        snprintf(message, sizeof message, "%s\nit must fail with: %s", s->play.message, s->fails);
        tell(run, s, right, message);
    }
}

/* Names are the keys of the conformance table: no two are the same. */
static bool name_new(struct run *run, const char *name)
{
    for (unsigned i = 0; i < run->name_count; i++) {
        if (strcmp(run->names[i], name) == 0) {
            return false;
        }
    }
    if (run->name_count < NAMES_MAX) {
        run->names[run->name_count++] = strdup(name);
    }
    return true;
}

static bool name_sound(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static void scene_open(struct run *run, struct scene *s, const char *file, unsigned line, struct text *t)
{
    const char *word = text_next(t);
    snprintf(s->name, sizeof s->name, "%s", word != NULL ? word : "");
    s->fails[0] = '\0';
    s->open = true;
    play_begin(&s->play, file, s->name);
    s->play.verbose = run->verbose;
    s->play.line = line;
    if (run->verbose && !run->list && (run->only == NULL || strstr(s->name, run->only) != NULL)) {
        printf("# %s\n", s->name);
    }
    if (!name_sound(s->name) || !text_end(t)) {
        play_fail(&s->play, "a scenario's name has small letters, digits and _");
    } else if (!name_new(run, s->name)) {
        play_fail(&s->play, "another scenario has this name");
    }
}

static void scene_fails(struct scene *s, const char *at)
{
    const char *from = strchr(at, '"'), *to = from != NULL ? strrchr(from + 1, '"') : NULL;
    if (to == NULL || to == from + 1) {
        play_fail(&s->play, "fails needs a text in quotes");
        return;
    }
    snprintf(s->fails, sizeof s->fails, "%.*s", (int)(to - from - 1), from + 1);
}

static void file_line(struct run *run, struct scene *s, const char *file, unsigned number, const char *line)
{
    struct text t = {.at = line};
    if (text_is(&t, "scenario")) {
        scene_close(run, s);
        scene_open(run, s, file, number, &t);
        return;
    }
    if (text_end(&t)) {
        return;
    }
    if (!s->open) {
        snprintf(s->name, sizeof s->name, "%s", file);
        tell(run, s, false, "an event stands before the first scenario");
        return;
    }
    if (text_is(&t, "fails")) {
        scene_fails(s, t.at);
        return;
    }
    if (run->list || (run->only != NULL && strstr(s->name, run->only) == NULL) || s->play.failed) {
        return;
    }
    s->play.line = number;
    play_line(&s->play, line);
}

static void run_file(struct run *run, const char *path)
{
    char line[LINE_BYTES];
    unsigned number = 0;
    struct scene *s = (struct scene *)calloc(1, sizeof *s);
    snprintf(s->name, sizeof s->name, "%.100s", path);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        tell(run, s, false, "the file can't be read");
        free(s);
        return;
    }
    unsigned before = run->name_count;
    while (fgets(line, sizeof line, file) != NULL) {
        size_t len = strcspn(line, "\n");
        number++;
        if (line[len] == '\0' && len == sizeof line - 1) {
            tell(run, s, false, "a line is too long");
            break;
        }
        line[len] = '\0';
        file_line(run, s, path, number, line);
    }
    scene_close(run, s);
    if (run->name_count == before) {
        tell(run, s, false, "the file holds no scenario");
    }
    fclose(file);
    free(s);
}

static int script_only(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".pkt") == 0;
}

static void run_path(struct run *run, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        run_file(run, path);
        return;
    }
    struct dirent **entries;
    int n = scandir(path, &entries, script_only, alphasort);
    for (int i = 0; i < n; i++) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        run_file(run, file);
        free(entries[i]);
    }
    if (n > 0) {
        free(entries);
    }
}

int main(int argc, char **argv)
{
    struct run *run = (struct run *)calloc(1, sizeof *run);
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            run->verbose = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            run->list = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            run->only = argv[++i];
        } else {
            fprintf(stderr, "packet [--verbose] [--list] [--only NAME] FILE|FOLDER...\n");
            return 2;
        }
    }
    for (; i < argc; i++) {
        run_path(run, argv[i]);
    }
    unsigned total = run->passed + run->failed;
    bool good = run->failed == 0 && (run->list ? run->name_count > 0 : total > 0);
    if (!run->list) {
        printf("1..%u\n# %u passed, %u failed\n", total, run->passed, run->failed);
    }
    for (unsigned k = 0; k < run->name_count; k++) {
        free(run->names[k]);
    }
    free(run);
    return good ? 0 : 1;
}
