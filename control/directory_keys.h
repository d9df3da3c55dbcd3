/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bundles and one-time keys of devices. A one-time key has a number within its device, rising for ever; what
 * is held are the numbers from `first` to below `next`, but for those that have been taken. It is taken out
 * of the storage durably before it is given to anyone.
 *
 * Values of a user: "b" and device: signature, bundle. "n" and device: first, next. "k", device and number:
 * a one-time key.
 */
#ifndef CONTROL_DIRECTORY_KEYS_H
#define CONTROL_DIRECTORY_KEYS_H

#include "directory.h"

/* KEYS_PUT, whose signature is good; the caller's memory, and what it points to, until `done`. */
struct keys_put {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device;
    bool replace; /* the one-time keys held */
    struct view bundle;
    const uint8_t *signature;
    uint16_t count;
    struct view keys; /* { 2 length, key } each, of allowed lengths */
    /* OK: all of it is durable, `held` is how many one-time keys there are now. FULL: there would be too
     * many, nothing was stored. NOT_FOUND: there is no such device. Otherwise it may be stored in part. */
    void (*done)(struct keys_put *put, enum wax_status status, uint32_t held);
};

/* Keep them. */
void directory_keys_put(struct directory *directory, struct keys_put *put);

/* What there is of a device, for KEYS. */
struct keys_of_device {
    uint16_t device;
    bool low; /* its one-time keys have just become fewer than its owner should have */
    uint32_t left;
    uint32_t bundle_bytes, key_bytes; /* key 0: none */
    uint8_t signature[WAX_SIGNATURE_BYTES];
    uint8_t bundle[WAX_BUNDLE_BYTES_MAX];
    uint8_t key[WAX_ONE_TIME_KEY_BYTES_MAX];
};

/* KEYS_GET; the caller's memory until `done`. */
struct keys_get {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device; /* 0: all */
    bool take;       /* a one-time key of each */
    /*
     * OK, or NOT_FOUND (there is no such user), or an error of the storage. `device` are those with a bundle,
     * valid within the call.
     */
    void (*done)(struct keys_get *get, enum wax_status status, const uint8_t *account_key,
                 const struct keys_of_device *device, uint32_t count);
};

/* Get them. */
void directory_keys_get(struct directory *directory, struct keys_get *get);

/* How many one-time keys of a device are held; UINT32_MAX when it has no bundle. */
uint32_t directory_keys_left(const struct directory *directory, const struct device_name *name);

#endif
