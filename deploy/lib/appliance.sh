# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The appliance: its certificate, its configuration, its two processes.

readonly SERVER_NAME=relay.waxwire.test

# A certificate authority for this run alone, and a server's certificate signed by it.
certificates_make() {
    local folder=$STATE/tls
    private_folder "$folder"
    CA=$folder/ca.pem
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
            -subj "/CN=waxwire development CA" -keyout "$folder/ca.key" -out "$CA" \
            -addext "keyUsage=critical,keyCertSign,cRLSign" &&
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$SERVER_NAME" \
                -keyout "$folder/server.key" -out "$folder/server.csr" &&
            openssl x509 -req -in "$folder/server.csr" -CA "$CA" -CAkey "$folder/ca.key" -days 90 \
                -set_serial "0x$(openssl rand -hex 8)" -out "$folder/server.pem" -extfile <(
                    echo "subjectAltName=DNS:$SERVER_NAME,IP:$APPLIANCE_ADDRESS,IP:$APPLIANCE_ADDRESS6"
                    echo "basicConstraints=critical,CA:FALSE"
                    echo "keyUsage=critical,digitalSignature"
                    echo "extendedKeyUsage=serverAuth"
                )
    } >"$LOGS/openssl.log" 2>&1 || fail "openssl could not make a certificate; see $LOGS/openssl.log"
    say "certificate: $SERVER_NAME, $APPLIANCE_ADDRESS, $APPLIANCE_ADDRESS6, signed by $CA"
}

# config_write KIND: the settings of this run; those of --config are laid over them.
config_write() {
    local kind=$1 device=$APPLIANCE_PORT server=""
    if [[ $kind == memif ]]; then
        device=$STATE/memif.sock
        server="    memif_server: true"
    fi
    CONFIG=$STATE/waxwire.yaml
    cat >"$CONFIG" <<YAML
# Written by deploy/quickstart. Every key is explained in deploy/waxwire.yaml.
control:
  socket: $STATE/control.sock
  admin_socket: $STATE/admin.sock
wake:
  socket: $STATE/push.sock
  interval_ms: 500
store:
  directory: $STORE/store
dataplane:
  workers: $WORKERS
  hugepages: ${HUGEPAGES}
  memory_mib: $MEMORY_MIB
tls:
  certificate: $STATE/tls/server.pem
  key: $STATE/tls/server.key
ports:
  - kind: $kind
    device: $device
$server
    addresses: ["$APPLIANCE_ADDRESS/$PREFIX", "$APPLIANCE_ADDRESS6/$PREFIX6"]
listeners:
  - port: 443
    tls: true
  - port: 80
    tls: false
  - port: 81
    tls: false
    proxy_protocol: true
YAML
    if [[ $kind == memif ]]; then # the generator is faster than people are
        printf 'limits:\n  device_sends_per_s: 0\n  account_sends_per_s: 0\n' >>"$CONFIG"
    fi
    CONFIG_OPTIONS=(--config "$CONFIG")
    [[ -z $EXTRA_CONFIG ]] || CONFIG_OPTIONS+=(--config "$EXTRA_CONFIG")
}

config_check() {
    local answer
    answer=$("${PROGRAM[waxwire-control]}" "${CONFIG_OPTIONS[@]}" --check 2>&1) || fail "the configuration is refused: $answer"
}

# in_appliance COMMAND…, in_clients COMMAND…: within the namespace, where there is one.
in_appliance() {
    if [[ $WAY == network ]]; then ip netns exec "$APPLIANCE_NS" "$@"; else "$@"; fi
}

in_clients() {
    ip netns exec "$CLIENT_NS" "$@"
}

# Programs are started through their full command, so that the number we keep is theirs.
appliance_prefix() {
    PREFIX_COMMAND=()
    [[ $WAY != network ]] || PREFIX_COMMAND=(ip netns exec "$APPLIANCE_NS")
}

control_start() {
    appliance_prefix
    start_process control "$LOGS/control.log" "${PREFIX_COMMAND[@]}" "${PROGRAM[waxwire-control]}" "${CONFIG_OPTIONS[@]}"
    wait_until 20 control_answers || fail_with_log "the control plane does not answer" control
}

# True when it answers; breaks off when it has died.
control_answers() {
    "${PROGRAM[waxctl]}" --socket "$STATE/admin.sock" status >/dev/null 2>&1 && return 0
    ! process_gone control || fail_with_log "the control plane has ended" control
    return 1
}

fail_with_log() {
    tail -n 20 "$LOGS/$2.log" >&2
    fail "$1; its log is $LOGS/$2.log"
}

# dataplane_start KIND: true when clients can reach it. False: this kind of port can't be had.
dataplane_start() {
    local kind=$1
    appliance_prefix
    start_process dataplane "$LOGS/dataplane.log" "${PREFIX_COMMAND[@]}" "${PROGRAM[waxwire-dataplane]}" "${CONFIG_OPTIONS[@]}"
    [[ $kind != tap ]] || network_tap || return 1
    DATAPLANE_DIED=false
    wait_until 40 dataplane_answers "$kind" && ! $DATAPLANE_DIED
}

dataplane_answers() {
    if process_gone dataplane; then
        DATAPLANE_DIED=true
        return 0
    fi
    if [[ $1 == memif ]]; then
        [[ -S $STATE/memif.sock ]] && attached
    else
        healthy "$APPLIANCE_ADDRESS" && attached && { healthy "[$APPLIANCE_ADDRESS6]" || ! clients_have_ip6; }
    fi
}

# Whether it answers on this address.
healthy() {
    in_clients curl --silent --fail --globoff --max-time 1 --cacert "$CA" "https://$1/healthz" >/dev/null
}

clients_have_ip6() {
    in_clients test -e /proc/net/if_inet6
}

# Whether the data plane has reached the control plane.
attached() {
    "${PROGRAM[waxctl]}" --socket "$STATE/admin.sock" status --json 2>/dev/null | grep -q '"attached": *true'
}

# Start both processes on the first kind of port that can be had.
appliance_start() {
    local kind kinds=("$@")
    for kind in "${kinds[@]}"; do
        config_write "$kind"
        config_check
        process_find control >/dev/null || control_start
        [[ $kind != afxdp && $kind != afpacket ]] || network_veth
        if dataplane_start "$kind"; then
            PORT_KIND=$kind
            say "data plane: process $(process_find dataplane), $WORKERS worker(s) on a port of kind $kind"
            return 0
        fi
        say "a port of kind $kind can't be had: $(tail -n 1 "$LOGS/dataplane.log")"
        stop_process dataplane
        [[ $WAY != network ]] || network_veth_remove
    done
    fail_with_log "the data plane could not be started" dataplane
}

# The way back from a killed control plane.
control_restart() {
    stop_process control KILL
    control_start
    wait_until 20 attached || fail_with_log "the data plane did not come back to the control plane" control
}

# The same for the data plane, on the port that it had.
dataplane_restart() {
    stop_process dataplane KILL
    dataplane_start "$PORT_KIND" || fail_with_log "the data plane could not be started again" dataplane
}

appliance_remember() {
    remember WAY "$WAY"
    remember PORT_KIND "$PORT_KIND"
    remember WORKERS "$WORKERS"
    remember CONFIG "$CONFIG"
    remember EXTRA_CONFIG "$EXTRA_CONFIG"
    remember CA "$CA"
    remember WAXWIRE_PROGRAMS "${WAXWIRE_PROGRAMS:-}"
    remember WAXWIRE_BUILD "${WAXWIRE_BUILD:-}"
}

# Where everything is, as one JSON object.
appliance_json() {
    local clients=null appliance=null memif=null
    if [[ $WAY == network ]]; then
        clients=$(json_text "$CLIENT_NS")
        appliance=$(json_text "$APPLIANCE_NS")
    else
        memif=$(json_text "$STATE/memif.sock")
    fi
    cat <<JSON
{
  "name": $(json_text "$NAME"),
  "address": "$APPLIANCE_ADDRESS",
  "address6": "$APPLIANCE_ADDRESS6",
  "port": 443,
  "plain_port": 80,
  "proxy_port": 81,
  "server_name": "$SERVER_NAME",
  "namespace": $clients,
  "appliance_namespace": $appliance,
  "client_address": "$CLIENT_ADDRESS",
  "client_address6": "$CLIENT_ADDRESS6",
  "ca": $(json_text "$CA"),
  "admin_socket": $(json_text "$STATE/admin.sock"),
  "management": null,
  "port_kind": "$PORT_KIND",
  "memif_socket": $memif,
  "workers": $WORKERS,
  "logs": {"dataplane": $(json_text "$LOGS/dataplane.log"), "control": $(json_text "$LOGS/control.log")},
  "pids": {"dataplane": $(process_find dataplane || echo null), "control": $(process_find control || echo null)},
  "config": $(json_text "$CONFIG"),
  "store": $(json_text "$STORE/store"),
  "waxcat": $(json_text "${PROGRAM[waxcat]}"),
  "waxctl": $(json_text "${PROGRAM[waxctl]}"),
  "waxgen": $(json_text "${PROGRAM[waxgen]}"),
  "push_socket": $(json_text "$STATE/push.sock"),
  "demo": $([[ -n $DEMO_URL ]] && json_text "$DEMO_URL" || echo null),
  "restart_control": $(json_text "$TREE/deploy/quickstart --name $NAME --restart-control"),
  "restart_dataplane": $(json_text "$TREE/deploy/quickstart --name $NAME --restart-dataplane"),
  "stop": $(json_text "$TREE/deploy/quickstart --name $NAME --stop")
}
JSON
}

# End everything of this name, running or left over.
appliance_remove() {
    stop_all_processes
    if ((EUID == 0)); then
        network_remove
        hugepages_restore
    fi
    rm -rf "${STORE:?}" "$STATE/tls" "$STATE/clients" "$STATE"/*.sock "$STATE/waxwire.yaml" "$VARIABLES"
}
