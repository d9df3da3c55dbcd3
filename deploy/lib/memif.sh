# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The main job without any privilege: the packet generator plays the clients over shared memory.

readonly MEMIF_MESSAGES=100000

memif_run() {
    fail "the packet generator is not there yet"
}
