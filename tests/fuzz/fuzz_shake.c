/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a handshake takes its input apart (OpenSSL itself is not what we look for faults in): an input is a
 * step (first byte) and what a peer sends to a server, or to a client when the step is odd.
 */
#include <stdlib.h>

#include "certificate.h"
#include "tls/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct tls_context *context(bool client)
{
    static struct tls_context *contexts[2];
    if (contexts[client] != NULL)
        return contexts[client];
    check(crypto_init() == WAX_OK);
    if (client) {
        check(tls_context_create_client(&contexts[1], NULL) == WAX_OK);
    } else {
        contexts[0] = certificate_context(1);
        certificate_remove();
    }
    return contexts[client];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] == 0 ? 1 : data[0] * 8u, have = 0, at = 1;
    bool client = (data[0] & 1) != 0;
    struct tls_shake_result result;
    struct tls_shake *shake =
        client ? tls_shake_new_client(context(true), "relay.example") : tls_shake_new(context(false));
    check(shake != NULL);
    enum wax_status status = WAX_MORE;
    while (at + have <= size && (status == WAX_MORE || status == WAX_FULL)) {
        uint8_t out[97];
        size_t consumed, out_len;
        status = tls_shake_input(shake, view_of(data + at, have), span_of(out, sizeof out), &consumed,
                                 &out_len, &result);
        check(consumed <= have && out_len <= sizeof out);
        check(status != WAX_FULL || out_len == sizeof out);
        at += consumed;
        have -= consumed;
        if (status == WAX_MORE) {
            if (at + have == size)
                break;
            have = size - at - have < step ? size - at : have + step;
        }
    }
    check(status != WAX_OK || result.suite != 0);
    tls_shake_free(shake);
    return 0;
}
