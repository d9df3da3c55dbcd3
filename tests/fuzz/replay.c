/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over a stored corpus in an ordinary build: every file of the directories given, every
 * beginning of each short file, and, on request, seeded mutations. Each input lies in memory of its exact
 * size, so that AddressSanitizer sees one byte too many. Fails when a directory holds no file: a corpus was
 * lost. An input that aborts the target is left in the file `crash-replay`.
 *
 *     fuzz-net [--mutations N] [--seed N] DIRECTORY|FILE...
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

#define FILE_BYTES_MAX     (4u << 20)
#define PREFIXES_BYTES_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;
static const uint8_t *current;
static size_t current_size;

static void keep_crash(int signal_number)
{
    (void)signal(signal_number, SIG_DFL);
    int fd = open("crash-replay", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, current, current_size) == (ssize_t)current_size) {
        static const char said[] = "the input is in crash-replay\n";
        (void)!write(STDERR_FILENO, said, sizeof said - 1);
    }
    (void)raise(signal_number);
}

static void run(const uint8_t *data, size_t size)
{
    current = data;
    current_size = size;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
}

static size_t mutate(struct rng *rng, uint8_t *data, size_t size, size_t room)
{
    for (uint64_t changes = rng_between(rng, 1, 4); changes > 0; changes--) {
        size_t at = (size_t)rng_below(rng, size + 1);
        switch (rng_below(rng, 4)) {
        case 0: /* a bit */
            if (at < size) {
                data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
            }
            break;
        case 1: /* a byte, often an extreme one */
            if (at < size) {
                data[at] = (uint8_t)(rng_chance(rng, 500000) ? rng_next(rng) : 0 - rng_below(rng, 3));
            }
            break;
        case 2: /* cut off */
            size = at;
            break;
        default: /* doubled from here on */
            if (2 * size - at <= room) {
                memmove(data + size, data + at, size - at);
                size += size - at;
            }
        }
    }
    return size;
}

static int replay_file(const char *path, unsigned long mutations, uint64_t seed)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(FILE_BYTES_MAX), *scratch = malloc(FILE_BYTES_MAX);
    if (data == NULL || scratch == NULL) {
        abort();
    }
    size_t size = fread(data, 1, FILE_BYTES_MAX, f);
    fclose(f);
    run(data, size);
    for (size_t n = 0; n < size && size <= PREFIXES_BYTES_MAX; n++) {
        run(data, n);
    }
    struct rng rng;
    rng_init(&rng, seed);
    for (unsigned long i = 0; i < mutations; i++) {
        memcpy(scratch, data, size);
        run(scratch, mutate(&rng, scratch, size, FILE_BYTES_MAX));
    }
    free(scratch);
    free(data);
    return 0;
}

static int replay_directory(const char *path, unsigned long mutations, uint64_t seed)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        perror(path);
        return 1;
    }
    int files = 0, failed = 0;
    for (int i = 0; i < n; i++) {
        char name[4096];
        struct stat st;
        int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (length > 0 && (size_t)length < sizeof name && stat(name, &st) == 0 && S_ISREG(st.st_mode)) {
            failed |= replay_file(name, mutations, seed + (uint64_t)files++);
        }
        free(entries[i]);
    }
    free(entries);
    if (files == 0) {
        fprintf(stderr, "%s: no file in the corpus\n", path);
        return 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    unsigned long mutations = 0;
    uint64_t seed = 1;
    int paths = 0, failed = 0;
    (void)signal(SIGABRT, keep_crash);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
            mutations = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            bool directory = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
            failed |= directory ? replay_directory(argv[i], mutations, seed)
                                : replay_file(argv[i], mutations, seed);
            paths++;
        }
    }
    if (paths == 0) {
        fprintf(stderr, "usage: %s [--mutations N] [--seed N] DIRECTORY|FILE...\n", argv[0]);
        return 2;
    }
    printf("%lu inputs\n", inputs);
    return failed;
}
