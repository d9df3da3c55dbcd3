/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory_help.h"

#include <criterion/criterion.h>
#include <sodium.h>

static void on_ready(void *ctx, enum wax_status status)
{
    cr_assert_eq(status, WAX_OK);
    ((struct fixture *)ctx)->ready = true;
}

static void open_directory(struct fixture *f)
{
    f->ready = false;
    f->directory = directory_new(storage_sim_storage(f->disk), f, on_ready);
    directory_open(f->directory);
    while (!f->ready)
        storage_sim_step(f->disk);
    directory_registration(f->directory, f->registration);
}

struct fixture fixture_begin(uint64_t seed, uint32_t delay, enum directory_registration registration)
{
    struct fixture f = {.disk = storage_sim_new(seed), .registration = registration};
    cr_assert_geq(sodium_init(), 0);
    storage_sim_set(f.disk, (struct storage_sim_faults){.delay = delay});
    open_directory(&f);
    return f;
}

void fixture_end(struct fixture *f)
{
    directory_free(f->directory);
    storage_sim_free(f->disk);
}

void fixture_crash(struct fixture *f)
{
    storage_sim_crash(f->disk);
    directory_free(f->directory);
    open_directory(f);
}

void fixture_settle(struct fixture *f)
{
    for (int i = 0; i < 1000 && directory_busy(f->directory); i++)
        storage_sim_step(f->disk);
    cr_assert_not(directory_busy(f->directory));
}

void reply_done(struct directory_login *login, enum wax_status status, uint8_t error, bool fresh)
{
    struct reply *reply = (struct reply *)(void *)login;
    cr_assert_not(reply->done);
    reply->done = true;
    reply->status = status;
    reply->error = error;
    reply->fresh = fresh;
}

void fixture_ask(struct fixture *f, struct reply *reply, uint8_t key, uint16_t device, struct view invite,
                 uint64_t now_ms)
{
    memset(reply, 0, sizeof *reply);
    memset(reply->login.account_key, key, WAX_ACCOUNT_KEY_BYTES);
    crypto_generichash(reply->login.user, WAX_USER_BYTES, reply->login.account_key, WAX_ACCOUNT_KEY_BYTES,
                       NULL, 0);
    reply->login.device = device;
    reply->login.now_ms = now_ms;
    reply->login.invite = invite;
    reply->login.done = reply_done;
    directory_login(f->directory, &reply->login);
}
