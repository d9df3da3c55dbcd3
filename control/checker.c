/* SPDX-License-Identifier: BSD-3-Clause */
#include "checker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct checks {
    struct check *first, **tail;
};

struct checker {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct checks asked, done;
    bool stop;
    int event;
    struct loop_op event_op;
};

static void append(struct checks *checks, struct check *check)
{
    check->next = NULL;
    *checks->tail = check;
    checks->tail = &check->next;
}

static struct check *take_all(struct checks *checks)
{
    struct check *first = checks->first;
    checks->first = NULL;
    checks->tail = &checks->first;
    return first;
}

static void check_do(struct check *check)
{
    crypto_generichash(check->user, sizeof check->user, check->account_key, sizeof check->account_key, NULL,
                       0);
    check->good = crypto_sign_verify_detached(check->signature, check->text.data, check->text.len,
                                              check->account_key) == 0;
}

static void *checker_thread(void *arg)
{
    struct checker *checker = arg;
    pthread_mutex_lock(&checker->mutex);
    for (;;) {
        while (checker->asked.first == NULL && !checker->stop)
            pthread_cond_wait(&checker->wake, &checker->mutex);
        if (checker->stop)
            break;
        struct check *check = take_all(&checker->asked);
        while (check != NULL) {
            struct check *next = check->next;
            pthread_mutex_unlock(&checker->mutex);
            check_do(check);
            pthread_mutex_lock(&checker->mutex);
            append(&checker->done, check);
            check = next;
        }
        eventfd_write(checker->event, 1);
    }
    pthread_mutex_unlock(&checker->mutex);
    return NULL;
}

static void checks_done(struct loop_op *op, int32_t result, bool more)
{
    struct checker *checker = (struct checker *)(void *)((char *)op - offsetof(struct checker, event_op));
    eventfd_t count;
    if (result == -ECANCELED)
        return;
    if (!more)
        loop_poll(checker->loop, checker->event, POLLIN, op);
    eventfd_read(checker->event, &count);
    pthread_mutex_lock(&checker->mutex);
    struct check *check = take_all(&checker->done);
    pthread_mutex_unlock(&checker->mutex);
    while (check != NULL) {
        struct check *next = check->next;
        check->done(check);
        check = next;
    }
}

struct checker *checker_new(struct loop *loop)
{
    struct checker *checker = calloc(1, sizeof *checker);
    if (checker == NULL)
        abort();
    checker->loop = loop;
    take_all(&checker->asked);
    take_all(&checker->done);
    pthread_mutex_init(&checker->mutex, NULL);
    pthread_cond_init(&checker->wake, NULL);
    checker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (checker->event < 0 || pthread_create(&checker->thread, NULL, checker_thread, checker) != 0) {
        if (checker->event >= 0)
            close(checker->event);
        free(checker);
        return NULL;
    }
    checker->event_op.done = checks_done;
    loop_poll(loop, checker->event, POLLIN, &checker->event_op);
    return checker;
}

void checker_free(struct checker *checker)
{
    pthread_mutex_lock(&checker->mutex);
    checker->stop = true;
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->mutex);
    pthread_join(checker->thread, NULL);
    loop_cancel(checker->loop, &checker->event_op);
    loop_turn(checker->loop, 10);
    close(checker->event);
    free(checker);
}

void checker_ask(struct checker *checker, struct check *check)
{
    pthread_mutex_lock(&checker->mutex);
    append(&checker->asked, check);
    pthread_cond_signal(&checker->wake);
    pthread_mutex_unlock(&checker->mutex);
}
