/* SPDX-License-Identifier: BSD-3-Clause */
/* Bundles and one-time keys over a storage that is late, out of order, and loses what was not durable. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "directory_device.h"
#include "directory_keys.h"
#include "storage_sim.h"
#include "waxwire/request.h"

static struct storage_sim *disk;
static struct directory *directory;
static bool ready;
static uint8_t user[WAX_USER_BYTES];
static uint64_t chance = 7;

static void on_ready(void *ctx, enum wax_status status)
{
    (void)ctx;
    ready = true;
    cr_assert_eq(status, WAX_OK);
}

static void open_directory(void)
{
    ready = false;
    directory = directory_new(storage_sim_storage(disk), NULL, on_ready);
    directory_open(directory);
    while (!ready)
        storage_sim_step(disk);
}

static void crash(void)
{
    storage_sim_crash(disk);
    directory_free(directory);
    open_directory();
}

static void settle(void)
{
    for (int i = 0; i < 5000 && directory_busy(directory); i++)
        storage_sim_step(disk);
    cr_assert_not(directory_busy(directory));
}

static void on_login(struct directory_login *login, enum wax_status status, uint8_t error, bool fresh)
{
    (void)login;
    (void)fresh;
    cr_assert(status == WAX_OK && error == 0);
}

static void log_in(uint16_t device)
{
    struct directory_login login = {.device = device, .done = on_login};
    memset(login.account_key, 5, sizeof login.account_key);
    crypto_generichash(user, sizeof user, login.account_key, sizeof login.account_key, NULL, 0);
    memcpy(login.user, user, sizeof user);
    directory_login(directory, &login);
    settle();
}

static void start(void)
{
    cr_assert_geq(sodium_init(), 0);
    disk = storage_sim_new(chance++);
    storage_sim_set(disk, (struct storage_sim_faults){.delay = 5});
    open_directory();
    log_in(1);
}

static void end(void)
{
    directory_free(directory);
    storage_sim_free(disk);
}

TestSuite(keys, .init = start, .fini = end);

struct put {
    struct keys_put put;
    bool done;
    enum wax_status status;
    uint32_t held;
    uint8_t list[WAX_ONE_TIME_KEYS_PUT_MAX * 6];
};

static void on_put(struct keys_put *keys, enum wax_status status, uint32_t held)
{
    struct put *put = (struct put *)(void *)keys;
    cr_assert_not(put->done);
    put->done = true;
    put->status = status;
    put->held = held;
}

/* One-time keys are numbers from `first` on. */
static void begin_put(struct put *put, uint16_t device, uint32_t first, uint16_t count, bool replace)
{
    static const uint8_t signature[WAX_SIGNATURE_BYTES] = {9};
    memset(put, 0, sizeof *put);
    memcpy(put->put.user, user, sizeof user);
    put->put.device = device;
    put->put.replace = replace;
    put->put.bundle = view_of("bundle", 6);
    put->put.signature = signature;
    put->put.count = count;
    for (uint32_t i = 0; i < count; i++) {
        store_be16(put->list + 6 * i, 4);
        store_be32(put->list + 6 * i + 2, first + i);
    }
    put->put.keys = view_of(put->list, 6u * count);
    put->put.done = on_put;
    directory_keys_put(directory, &put->put);
}

static struct put put_now(uint16_t device, uint32_t first, uint16_t count, bool replace)
{
    static struct put put;
    begin_put(&put, device, first, count, replace);
    settle();
    cr_assert(put.done);
    return put;
}

struct got {
    struct keys_get get;
    bool done;
    enum wax_status status;
    uint32_t devices, key; /* of the first device; 0: none */
    uint32_t left;
    bool low;
};

static void on_get(struct keys_get *get, enum wax_status status, const uint8_t *account_key,
                   const struct keys_of_device *device, uint32_t count)
{
    struct got *got = (struct got *)(void *)get;
    cr_assert_not(got->done);
    got->done = true;
    got->status = status;
    got->devices = count;
    if (count == 0)
        return;
    cr_assert_eq(account_key[3], 5);
    cr_assert_eq(device->bundle_bytes, 6);
    cr_assert_arr_eq(device->bundle, "bundle", 6);
    cr_assert_eq(device->signature[0], 9);
    got->key = device->key_bytes == 4 ? load_be32(device->key) : 0;
    got->left = device->left;
    got->low = device->low;
}

static void begin_get(struct got *got, uint16_t device, bool take)
{
    memset(got, 0, sizeof *got);
    memcpy(got->get.user, user, sizeof user);
    got->get.device = device;
    got->get.take = take;
    got->get.done = on_get;
    directory_keys_get(directory, &got->get);
}

static struct got get_now(uint16_t device, bool take)
{
    struct got got;
    begin_get(&got, device, take);
    settle();
    cr_assert(got.done);
    return got;
}

static uint32_t left_of(uint16_t device)
{
    struct device_name name = {.device = device};
    memcpy(name.user, user, sizeof user);
    return directory_keys_left(directory, &name);
}

Test(keys, one_time_keys_are_given_in_order_and_then_the_bundle_alone)
{
    cr_assert_eq(put_now(1, 100, 3, false).held, 3);
    cr_assert_eq(get_now(1, false).key, 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct got got = get_now(0, true);
        cr_assert_eq(got.key, 100 + i);
        cr_assert_eq(got.left, 2 - i);
    }
    struct got got = get_now(0, true);
    cr_assert(got.status == WAX_OK && got.devices == 1 && got.key == 0);
    cr_assert_eq(left_of(1), 0);
}

Test(keys, keys_are_durable_before_they_are_acknowledged)
{
    put_now(1, 100, 5, false);
    crash();
    cr_assert_eq(left_of(1), 5);
    cr_assert_eq(get_now(1, true).key, 100);
    crash();
    cr_assert_eq(left_of(1), 4);
    cr_assert_eq(get_now(1, true).key, 101);
}

Test(keys, devices_without_a_bundle_and_unknown_ones_are_left_out)
{
    log_in(2);
    put_now(1, 100, 1, false);
    cr_assert_eq(get_now(0, false).devices, 1);
    cr_assert_eq(get_now(2, false).devices, 0);
    cr_assert_eq(get_now(9, false).devices, 0);
    cr_assert_eq(left_of(2), UINT32_MAX);
    cr_assert_eq(put_now(9, 1, 1, false).status, WAX_NOT_FOUND);
    user[0] ^= 1;
    cr_assert_eq(get_now(0, true).status, WAX_NOT_FOUND);
    cr_assert_eq(put_now(1, 1, 1, false).status, WAX_NOT_FOUND);
}

Test(keys, more_than_are_held_are_refused_whole)
{
    for (uint32_t i = 0; i < 5; i++)
        cr_assert_eq(put_now(1, 1000 * i, 200, false).held, 200 * (i + 1));
    struct put put = put_now(1, 9000, 1, false);
    cr_assert_eq(put.status, WAX_FULL);
    cr_assert_eq(left_of(1), 1000);
    cr_assert_eq(get_now(1, true).key, 0u + 0, "the first key is number 0");
    cr_assert_eq(put_now(1, 9000, 1, false).status, WAX_OK);
}

Test(keys, replacing_forgets_what_was_held)
{
    put_now(1, 100, 200, false);
    get_now(1, true);
    struct put put = put_now(1, 500, 2, true);
    cr_assert_eq(put.held, 2);
    crash();
    cr_assert_eq(get_now(1, true).key, 500);
    cr_assert_eq(get_now(1, true).key, 501);
    cr_assert_eq(get_now(1, true).key, 0);
}

Test(keys, low_is_told_once_when_fewer_than_20_are_left)
{
    put_now(1, 100, 22, false);
    for (uint32_t left = 21; left > 15; left--) {
        struct got got = get_now(1, true);
        cr_assert_eq(got.left, left);
        cr_assert_eq(got.low, left == 19);
    }
}

/* Which keys have been given, ever. */
static uint8_t given[4096];

static void note(const struct got *got)
{
    if (!got->done || got->key == 0)
        return;
    cr_assert_lt(got->key, sizeof given);
    cr_assert_eq(given[got->key], 0, "key %u is given twice", got->key);
    given[got->key] = 1;
}

Test(keys, many_who_ask_at_once_get_different_keys)
{
    static struct got got[60];
    memset(given, 0, sizeof given);
    put_now(1, 1, 50, false);
    for (uint32_t i = 0; i < 60; i++)
        begin_get(&got[i], 1, true);
    settle();
    uint32_t with = 0;
    for (uint32_t i = 0; i < 60; i++) {
        note(&got[i]);
        with += got[i].key != 0;
    }
    cr_assert_eq(with, 50);
}

/* A crash between a take and the note of it leaves a gap, which nobody is served. */
Test(keys, a_key_is_given_as_long_as_one_is_left_whenever_a_crash_came)
{
    bool gap = false;
    end();
    for (uint32_t round = 0; round < 120; round++) {
        static struct got got;
        start();
        put_now(1, 100, 5, false);
        begin_get(&got, 1, true);
        for (uint32_t i = 0; i < round % 8 && !got.done; i++)
            storage_sim_step(disk);
        bool told = got.done;
        crash();
        struct device_name name = {.device = 1};
        memcpy(name.user, user, sizeof user);
        uint32_t left = directory_keys_left(directory, &name);
        cr_assert(left == 5 || left == 4);
        cr_assert(left == 4 || !told);
        gap |= left == 4 && !told;
        for (uint32_t i = 0; i < left; i++)
            cr_assert_eq(get_now(1, true).key, 105 - left + i, "round %u", round);
        cr_assert_eq(get_now(1, true).key, 0);
        if (round < 119)
            end();
    }
    cr_assert(gap, "no crash came between the two");
}

static void on_removed(struct removal *removal, enum wax_status status)
{
    (void)removal;
    cr_assert_eq(status, WAX_OK);
}

Test(keys, those_of_a_removed_device_are_given_to_nobody)
{
    put_now(1, 100, 5, false);
    struct removal removal = {.device = 1, .done = on_removed};
    memcpy(removal.user, user, sizeof user);
    directory_remove(directory, &removal);
    settle();
    struct got got = get_now(0, true);
    cr_assert(got.done && got.devices == 0 && got.key == 0);
}

/* Crashes at any moment of takes and puts; faults of the storage besides. */
Test(keys, no_key_is_given_twice_whatever_breaks)
{
    uint32_t crashes_amid = 0, all = 0;
    memset(given, 0, sizeof given);
    end();
    for (uint32_t round = 0; round < 40; round++) {
        static struct got got[8];
        static struct put put[2];
        uint32_t next = 1;
        memset(given, 0, sizeof given);
        start();
        put_now(1, next, 20, false);
        next += 20;
        storage_sim_set(disk, (struct storage_sim_faults){
                                  .delay = 6, .unknown = round % 3 * 60, .no_space = round % 2 * 100});
        for (uint32_t turn = 0; turn < 12; turn++) {
            for (uint32_t i = 0; i < 8; i++)
                begin_get(&got[i], 1, true);
            begin_put(&put[0], 1, next, 5, turn % 5 == 4);
            next += 5;
            uint32_t steps = (round * 7 + turn * 3) % 60;
            for (uint32_t i = 0; i < steps && directory_busy(directory); i++)
                storage_sim_step(disk);
            crashes_amid += directory_busy(directory);
            for (uint32_t i = 0; i < 8; i++) {
                note(&got[i]);
                all += got[i].done && got[i].key != 0;
            }
            crash();
        }
        end();
    }
    cr_assert_gt(crashes_amid, 100);
    cr_assert_gt(all, 500);
    start();
}

Test(keys, what_a_failing_disk_did_not_take_is_not_acknowledged)
{
    storage_sim_set(disk, (struct storage_sim_faults){.no_space = 1000});
    struct put put;
    begin_put(&put, 1, 1, 3, false);
    settle();
    cr_assert(put.done);
    cr_assert_eq(put.status, WAX_STORE_NO_SPACE);
    storage_sim_set(disk, (struct storage_sim_faults){0});
    cr_assert_eq(get_now(1, true).devices, 0);
    cr_assert_eq(put_now(1, 1, 3, false).held, 3);
}
