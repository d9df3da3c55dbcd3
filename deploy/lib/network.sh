# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Two network namespaces, the appliance's and the clients', joined by a veth; and hugepages.
# Nothing outside of them is touched: no address of the machine's own is used.

readonly APPLIANCE_ADDRESS=198.18.0.1 CLIENT_ADDRESS=198.18.0.2 PREFIX=15
readonly APPLIANCE_ADDRESS6=2001:2::1 CLIENT_ADDRESS6=2001:2::2 PREFIX6=48
readonly APPLIANCE_PORT=wax0 CLIENT_PORT=peer0

network_names() {
    APPLIANCE_NS=wax-$NAME-appliance
    CLIENT_NS=wax-$NAME-clients
}

# Whether this process may make network namespaces.
network_allowed() {
    ((EUID == 0)) && command -v ip >/dev/null && unshare --net --mount true 2>/dev/null
}

# Namespaces of this name, and our programs in them that a killed run had no time to note down.
network_remove() {
    local namespace pid
    for namespace in "$APPLIANCE_NS" "$CLIENT_NS"; do
        [[ -e /run/netns/$namespace ]] || continue
        for pid in $(ip netns pids "$namespace" 2>/dev/null); do
            [[ $(readlink "/proc/$pid/exe") != */@(waxwire-*|waxcat) ]] || kill -s KILL "$pid" 2>/dev/null || true
        done
        ip netns delete "$namespace"
    done
}

network_create() {
    local namespace
    for namespace in "$APPLIANCE_NS" "$CLIENT_NS"; do
        ip netns add "$namespace"
        ip -n "$namespace" link set lo up
    done
}

client_addresses() {
    ip -n "$CLIENT_NS" address add "$CLIENT_ADDRESS/$PREFIX" dev "$1"
    ip -n "$CLIENT_NS" address add "$CLIENT_ADDRESS6/$PREFIX6" dev "$1" nodad 2>/dev/null || true
    ip -n "$CLIENT_NS" link set "$1" up
}

# The veth between both, of one queue. The far end must compute its own checksums: left to
# offload, the ones of TCP and UDP would arrive unfinished.
network_veth() {
    ip link add "$APPLIANCE_PORT" netns "$APPLIANCE_NS" numrxqueues 1 numtxqueues 1 \
        type veth peer name "$CLIENT_PORT" netns "$CLIENT_NS" numrxqueues 1 numtxqueues 1
    ip netns exec "$CLIENT_NS" ethtool -K "$CLIENT_PORT" tx off >/dev/null
    # The kernel would answer for the same link-local address, which is made of the same MAC.
    ip -n "$APPLIANCE_NS" link set "$APPLIANCE_PORT" addrgenmode none
    ip -n "$APPLIANCE_NS" link set "$APPLIANCE_PORT" up
    client_addresses "$CLIENT_PORT"
}

network_veth_remove() {
    ip -n "$APPLIANCE_NS" link delete "$APPLIANCE_PORT" 2>/dev/null || true
}

# The interface that a TAP port has made is the clients' end: move it over to them, once the data plane is done
# with it. (Where its log is too quiet to tell, after some seconds.)
network_tap() {
    wait_until 10 tap_appeared || return 1
    wait_until 5 tap_opened || true
    ip -n "$APPLIANCE_NS" link set "$APPLIANCE_PORT" netns "$CLIENT_NS"
    client_addresses "$APPLIANCE_PORT"
}

tap_opened() {
    grep -q "port open" "$LOGS/dataplane.log"
}

tap_appeared() {
    ip -n "$APPLIANCE_NS" link show "$APPLIANCE_PORT" >/dev/null 2>&1
}

# hugepages_prepare MIB: see that so much is free in 2 MiB pages, if we may and the machine can
# spare it. Sets HUGEPAGES to on or off, and tells.
hugepages_prepare() {
    local need=$(($1 / 2)) free total memory_mib pages=/sys/kernel/mm/hugepages/hugepages-2048kB
    HUGEPAGES=off
    if [[ ! -w $pages/nr_hugepages ]]; then
        say "hugepages: not for us to prepare; going without"
        return
    fi
    free=$(<$pages/free_hugepages)
    total=$(<$pages/nr_hugepages)
    memory_mib=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
    if ((free < need && memory_mib > 4 * $1)); then
        echo $((total + need - free)) 2>/dev/null >$pages/nr_hugepages || true
        remember HUGEPAGES_ADDED $(($(<$pages/nr_hugepages) - total))
        free=$(<$pages/free_hugepages)
    fi
    if ((free >= need)); then
        HUGEPAGES=on
        say "hugepages: $free of 2 MiB free"
    else
        say "hugepages: only $free of $need can be had; going without"
    fi
}

# Give back the hugepages that a run of this name added.
hugepages_restore() {
    local added pages=/sys/kernel/mm/hugepages/hugepages-2048kB
    added=$(sed -n 's/^HUGEPAGES_ADDED=//p' "$VARIABLES" 2>/dev/null | tail -n 1) || true
    if ((${added:-0} > 0)) && [[ -w $pages/nr_hugepages ]]; then
        echo $(($(<$pages/nr_hugepages) - added)) >$pages/nr_hugepages 2>/dev/null || true
    fi
}
