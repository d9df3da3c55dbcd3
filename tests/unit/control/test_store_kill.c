/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store over real files, killed under load at random, again and again. Who is killed has told, in memory
 * that outlives it, what was answered; the next life must stream all of that, in order, with its bytes, and
 * go on. WAX_KILLS in the environment sets how often.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_life.h"

static void live(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    life_open(life, directory);
    life_check(life);
    told->ready = true;
    while (told->next < POSITIONS - 1)
        life_load(life);
    fault(life, "not killed in time", 0);
}

Test(store_kill, whatever_was_answered_outlives_a_kill_at_any_moment, .timeout = 600)
{
    char directory[64] = "/tmp/wax-kill-XXXXXX", command[96];
    const char *wanted = getenv("WAX_KILLS");
    uint32_t kills = wanted != NULL ? (uint32_t)atoi(wanted) : 25;
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)told, MAP_FAILED);
    cr_assert_geq(sodium_init(), 0);
    cr_assert_not_null(mkdtemp(directory));
    told->next = 1;
    for (uint32_t i = 0; i < kills; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            live(told, directory);
        for (int j = 0; j < 10000 && i % 4 != 3 && !told->ready && told->fault[0] == '\0'; j++)
            usleep(1000); /* each fourth is killed while it starts */
        usleep(randombytes_uniform(100000));
        told->ready = false;
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
        told->lives++;
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
    cr_assert_gt(told->next, kills);
    cr_assert_gt(told->checked, kills, "so little was answered that nothing was shown");
    cr_log_info("%u kills, %lu messages, %lu found again", kills, (unsigned long)told->next,
                (unsigned long)told->checked);
}

/* Under load, with compaction and rounds of purging: a backup is made, slowly. */
static void live_and_copy(struct told *told, const char *directory, const char *copy)
{
    struct life *life = calloc(1, sizeof *life);
    struct storage_backup backup;
    struct mailbox_counts begun, ended;
    life->told = told;
    life_open(life, directory);
    life->keeps_fifths = true;
    while (told->next < 4000)
        life_load(life);
    while (mailboxes_busy(life->m))
        life_turn(life);
    for (uint64_t p = 1; p < told->next; p++)
        told->dead[p] = told->retired[p] == RETIRE_TAKEN;
    for (uint64_t end = life_wall_ms() + 900; life_wall_ms() < end;) /* two rounds */
        life_turn(life);
    for (uint64_t p = 1; p < told->next; p++)
        told->before[p] = told->stored[p] != 0 && told->retired[p] == 0;
    mailboxes_counts(life->m, &begun);
    if (storage_local_backup(life->storage, copy, 4000000) != WAX_OK)
        fault(life, "no backup", 0);
    if (storage_local_backup(life->storage, copy, 0) != WAX_FULL)
        fault(life, "two backups", 0);
    uint64_t later = 0; /* the first that is offered when all shards have been looked at */
    do {
        life_load(life);
        storage_local_backup_look(life->storage, &backup);
        if (later == 0 && backup.bytes_all != 0)
            later = told->next;
    } while (backup.state == STORAGE_BACKUP_RUNS && told->next < POSITIONS - 1);
    mailboxes_counts(life->m, &ended);
    if (backup.state != STORAGE_BACKUP_WHOLE || backup.bytes != backup.bytes_all)
        fault(life, strerror(backup.error), backup.bytes);
    if (ended.purges < begun.purges + WAX_STORE_SHARDS || ended.moved == begun.moved ||
        ended.stored < begun.stored + 1000)
        fault(life, "nothing happened meanwhile", ended.stored - begun.stored);
    memset(told->dead + later, 1, POSITIONS - later); /* nor must these come */
    _exit(0);
}

static void open_and_check(struct told *told, const char *directory)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    life_open(life, directory);
    life_check(life);
    _exit(0);
}

Test(store_kill, a_backup_under_load_has_all_that_was_answered_before_it_began, .timeout = 120)
{
    char directory[64] = "/tmp/wax-kill-XXXXXX", copy[96], command[96];
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    cr_assert_neq((void *)told, MAP_FAILED);
    cr_assert_geq(sodium_init(), 0);
    cr_assert_not_null(mkdtemp(directory));
    snprintf(copy, sizeof copy, "%s/copy", directory);
    told->next = 1;
    pid_t child = fork();
    if (child == 0)
        live_and_copy(told, directory, copy);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
    for (uint64_t p = 1; p < told->next; p++)
        told->retired[p] |= told->before[p] == 0; /* it may be in it or not */
    child = fork();
    if (child == 0)
        open_and_check(told, copy);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
    cr_assert_gt(told->checked, 700);
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}
