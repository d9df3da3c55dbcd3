/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags of IEEE 802.1Q, taken and put by ourselves. */
#include <criterion/criterion.h>

#include "link6.h"

#define TAG 42u

static void set_up_with(uint16_t vlan)
{
    struct net_config config = link6_config();
    config.vlan = vlan;
    link6_make(&config);
}

/* Puts a tag into the frame at hand. */
static void tag(uint16_t tci)
{
    memmove(frame + ETH_TAG_BYTES, frame, frame_len);
    eth_tag_put(frame, tci);
    frame_len += ETH_TAG_BYTES;
}

static void make_arp(void)
{
    struct arp_packet arp = {
        .op = ARP_REQUEST, .sender_mac = peer_mac, .sender_ip4 = 0xc6120002, .target_ip4 = 0xc6120001};
    memset(frame, 0, sizeof frame);
    arp_write(frame, &mac_broadcast, &arp);
    frame_len = 60;
}

Test(vlan, ieee8021q_frames_of_our_vlan_are_taken_whatever_their_priority)
{
    static const uint16_t tcis[] = {TAG, 0xe000 | TAG, 0x1000 | TAG};
    set_up_with(TAG);
    for (size_t i = 0; i < 3; i++) {
        make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
        tag(tcis[i]);
        cr_assert_eq(input_at(NOW), WAX_OK);
        cr_assert_eq(rx.kind, NET_TCP);
        cr_assert_eq(rx.l4.data, frame + 58);
        cr_assert_eq(rx.l4.len, 20);
    }
}

Test(vlan, ieee8021q_frames_of_other_vlans_and_without_one_are_dropped)
{
    static const uint16_t tcis[] = {TAG + 1, 0, 0xe000, 4095};
    set_up_with(TAG);
    for (size_t i = 0; i < 4; i++) {
        make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
        tag(tcis[i]);
        cr_assert_eq(input_at(NOW), WAX_NET_VLAN, "tag %x", tcis[i]);
        cr_assert_eq(rx.kind, NET_NONE);
    }
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    cr_assert_eq(input_at(NOW), WAX_NET_VLAN, "no tag");
    make_arp();
    cr_assert_eq(input_at(NOW), WAX_NET_VLAN, "nor ARP");
}

Test(vlan, ieee8021q_without_a_vlan_only_a_priority_tag_is_taken)
{
    set_up_with(0);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    tag(0xe000);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    tag(1);
    cr_assert_eq(input_at(NOW), WAX_NET_VLAN);
}

Test(vlan, ieee8021q_a_second_tag_is_no_type_of_ours)
{
    set_up_with(TAG);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    tag(TAG);
    tag(TAG);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHERTYPE);
}

Test(vlan, a_frame_cut_within_its_tag_is_short)
{
    set_up_with(TAG);
    for (size_t len = 14; len < 18; len++) {
        make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
        tag(TAG);
        frame_len = len;
        cr_assert_eq(input_at(NOW), WAX_NET_FRAME_SHORT);
    }
}

Test(vlan, replies_go_back_with_the_tag)
{
    set_up_with(TAG);
    make_arp();
    tag(0xe000 | TAG);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, ARP_FRAME_BYTES + 4);
    struct mac to = eth_destination(frame), from = eth_source(frame);
    cr_assert(mac_same(&to, &peer_mac) && mac_same(&from, &our_mac));
    cr_assert_eq(eth_type(frame), ETH_TYPE_VLAN);
    cr_assert_eq(load_be16(frame + 14), TAG);
    cr_assert_eq(load_be16(frame + 16), ETH_TYPE_ARP);
}

Test(vlan, a_reply_to_a_priority_tag_has_none)
{
    set_up_with(0);
    make_arp();
    tag(0xe000);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, ARP_FRAME_BYTES);
    struct mac to = eth_destination(frame);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert_eq(eth_type(frame), ETH_TYPE_ARP);
    struct arp_packet arp;
    cr_assert_eq(arp_parse(view_of(frame + 14, 28), &arp), WAX_OK);
    cr_assert_eq(arp.op, ARP_REPLY);
}

Test(vlan, segments_and_requests_carry_the_tag)
{
    const uint8_t *sent;
    size_t header_len;
    set_up_with(TAG);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(say_all(NOW), 1);
    cr_assert_eq(load_be16(said + 12), ETH_TYPE_VLAN);
    cr_assert_eq(load_be16(said + 14), TAG);
    cr_assert_eq(load_be16(said + 16), ETH_TYPE_IP6);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    tag(TAG);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_OK);
    cr_assert_eq(header_len, NET_HEADER_BYTES_MAX);
    struct mac to = eth_destination(sent), from = eth_source(sent);
    cr_assert(mac_same(&to, &peer_mac) && mac_same(&from, &our_mac));
    cr_assert_eq(load_be16(sent + 12), ETH_TYPE_VLAN);
    cr_assert_eq(load_be16(sent + 14), TAG);
    cr_assert_eq(load_be16(sent + 16), ETH_TYPE_IP6);
    struct ip6_packet ip;
    cr_assert_eq(ip6_parse(view_of(sent + 18, 60), &ip), WAX_OK);
}

Test(vlan, reserved_ids_are_refused)
{
    struct net_config config = link6_config();
    config.vlan = 4095;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
}
