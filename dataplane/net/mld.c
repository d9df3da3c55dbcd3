/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/mld.h"

#define QUERY1_BYTES  24u /* of MLDv1 */
#define QUERY2_BYTES  28u
#define REPORT_BYTES  8u
#define RECORD_BYTES  20u
#define CODE_FLOATING 0x8000u

static const struct addr reports_to = {{0xff, 2, [15] = 0x16}}; /* all MLDv2 routers */

/* 5.1.3: above 0x7fff a mantissa of 12 bits and an exponent of 3. */
static uint64_t delay_of(uint16_t code)
{
    uint64_t ms = code;
    if (code >= CODE_FLOATING) {
        ms = (uint64_t)((code & 0xfffu) | 0x1000u) << ((code >> 12 & 7u) + 3);
    }
    return ms * 1000;
}

enum wax_status mld_parse_query(const struct ip6_packet *ip, struct addr *group, uint64_t *delay_us)
{
    size_t len = ip->payload.len;
    if (ip->hop_limit != 1 || !ip->alert || !addr_is_link_local(&ip->src) ||
        (len != QUERY1_BYTES && len < QUERY2_BYTES)) {
        return WAX_ND_MALFORMED;
    }
    uint16_t code = load_be16(ip->payload.data + 4);
    *delay_us = len == QUERY1_BYTES ? code * UINT64_C(1000) : delay_of(code);
    memcpy(group->b, ip->payload.data + 8, sizeof group->b);
    return WAX_OK;
}

size_t mld_write_report(uint8_t *frame, const struct mac *own, const struct addr *src, enum mld_record record,
                        const struct addr *groups, uint32_t count)
{
    uint8_t *alert = frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES, *p = alert + IP6_ALERT_BYTES;
    size_t len = REPORT_BYTES + (size_t)RECORD_BYTES * count;
    struct mac to = mac_of_group(reports_to.b);
    memset(p, 0, len);
    p[0] = ICMP6_MLD_REPORT;
    store_be16(p + 6, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *r = p + REPORT_BYTES + (size_t)RECORD_BYTES * i;
        r[0] = (uint8_t)record;
        memcpy(r + 4, groups[i].b, sizeof groups[i].b);
    }
    icmp6_checksum_put(span_of(p, len), src, &reports_to);
    ip6_write_alert(alert, IP6_PROTOCOL_ICMP);
    ip6_write(frame + ETH_HEADER_BYTES, src, &reports_to, 0, 0, 1, 0, IP6_ALERT_BYTES + len);
    eth_write(frame, &to, own, ETH_TYPE_IP6);
    return ETH_HEADER_BYTES + IP6_HEADER_BYTES + IP6_ALERT_BYTES + len;
}
