# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The main job with two clients on kernel sockets: messages both ways, one of them offline, the
# control plane killed in between.
#
# Each client is a `waxcat chat --json` that reads its lines from a FIFO and writes its events to
# a file; this shell follows the files, so all is told in one order.

LINES_SEEN=0
declare -A USER_OF FD_IN FD_OUT EVENTS SENT_TEXT RECEIVED QUEUE

# client_start NAME PEER: connect; PEER's user id must be known.
client_start() {
    local name=$1 peer=$2 folder=$STATE/clients fd
    rm -f "$folder/$name.in"
    mkfifo -m 600 "$folder/$name.in"
    exec {fd}<>"$folder/$name.in"
    FD_IN[$name]=$fd
    : >"$folder/$name.events"
    exec {fd}<"$folder/$name.events"
    FD_OUT[$name]=$fd
    client_run "$name" "$folder/$name.in" "$folder/$name.events" "${USER_OF[$peer]}"
    await 10 "$name" open || fail "$name could not open a session; see $folder/$name.events"
}

client_run() {
    local name=$1 input=$2 events=$3 peer=$4
    ip netns exec "$CLIENT_NS" setsid "${PROGRAM[waxcat]}" chat "$peer" --json --retry --key "$STATE/clients/$name.key" \
        --server "$APPLIANCE_ADDRESS:443" --ca "$CA" --timeout 60 --wait delivered \
        <"$input" >>"$events" 2>>"$LOGS/$name.log" &
    disown $!
    echo "$name $! $(process_began $! || echo 0)" >>"$STATE/processes"
}

client_stop() {
    local name=$1 fd=${FD_IN[$1]}
    stop_process "$name"
    exec {fd}>&-
    follow
    fd=${FD_OUT[$name]}
    exec {fd}<&-
    unset "FD_IN[$name]" "FD_OUT[$name]"
}

# Tell the events of all clients that have come since the last look, in the order of their times.
follow() {
    local name line fd key rank
    local -A found=()
    for name in "${!FD_OUT[@]}"; do
        fd=${FD_OUT[$name]}
        while IFS= read -r line <&"$fd"; do
            json_field time_ms "$line"
            [[ $line == *'"event":"status"'* ]] && rank=1 || rank=0 # a receipt comes after what it is for
            printf -v key '%s %d %06d' "$FIELD" "$rank" $((++LINES_SEEN))
            found[$key]="$name $line"
        done
    done
    ((${#found[@]} > 0)) || return 0
    while IFS= read -r key; do
        take_event "${key%% *}" "${found[$key]%% *}" "${found[$key]#* }"
    done < <(printf '%s\n' "${!found[@]}" | sort)
}

# json_field KEY LINE: puts the value into FIELD (no subshell: this is called for every event).
json_field() {
    local pattern="\"$1\":(\"([^\"]*)\"|([^\",}]*))"
    FIELD=""
    [[ $2 =~ $pattern ]] && FIELD=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
}

take_event() {
    local at=$(($1 * 1000)) name=$2 line=$3 kind id text
    json_field event "$line" && kind=$FIELD || return 0
    if [[ $kind == status ]]; then json_field kind "$line" && kind=$FIELD; fi
    EVENTS[$name.$kind]=$((${EVENTS[$name.$kind]:-0} + 1))
    json_field id "$line" || true
    id=$FIELD
    text=${SENT_TEXT[${id:-none}]:-}
    case $kind in
    open)
        json_field user "$line"
        text="session open over TLS 1.3 as $FIELD"
        [[ $line != *'"new_account":true'* ]] || text+=", a new account"
        say_at $at "$name: $text"
        ;;
    sent) # the next of those that were handed to it
        SENT_TEXT[$id]=${QUEUE[$name]%%$'\n'*}
        QUEUE[$name]=${QUEUE[$name]#*$'\n'}
        say_at $at "$name: sends “${SENT_TEXT[$id]}”"
        ;;
    accepted) say_at $at "$name: ✓   “$text” is on stable storage" ;;
    delivered) say_at $at "$name: ✓✓  “$text” has been delivered" ;;
    rejected) json_field reason "$line" && say_at $at "$name: ✗   “$text” was rejected: $FIELD" ;;
    message)
        json_field text "$line"
        RECEIVED[$name]+=$FIELD$'\n'
        text="received “$FIELD”"
        [[ $line != *'"stored":true'* ]] || text+=" (it was stored)"
        say_at $at "$name: $text"
        ;;
    error) json_field text "$line" && say_at $at "$name: the relay says: $FIELD" ;;
    esac
}

# await SECONDS NAME KIND [COUNT]: until so many such events of a client have been seen in all.
await() {
    local want=${4:-1}
    wait_until "$1" seen "$2" "$3" "$want"
}

seen() {
    follow
    ((${EVENTS[$1.$2]:-0} >= $3))
}

# send_texts NAME TEXT…: the client sends these.
send_texts() {
    local name=$1 text fd=${FD_IN[$1]}
    shift
    for text in "$@"; do
        QUEUE[$name]+=$text$'\n'
        printf '%s\n' "$text" >&"$fd"
    done
}

expect_received() {
    local name=$1 expected
    shift
    printf -v expected '%s\n' "$@"
    [[ ${RECEIVED[$name]:-} == "$expected" ]] || fail "$name received something else than what was sent to it, or in another order"
    RECEIVED[$name]=""
}

# Keys of both, made by the clients themselves.
clients_prepare() {
    local name
    private_folder "$STATE/clients"
    for name in alice bob; do
        USER_OF[$name]=$("${PROGRAM[waxcat]}" id --key "$STATE/clients/$name.key") || fail "waxcat could not make a key"
        say "$name: user ${USER_OF[$name]}"
    done
}

job_online() {
    local questions=("hello bob" "can you read this?" "over our own TCP and TLS") answers=("hello alice" "every byte of it")
    say "— both are online —"
    client_start alice bob
    client_start bob alice
    send_texts alice "${questions[@]}"
    await 5 alice delivered 3 || fail "alice's messages were not delivered in time"
    send_texts bob "${answers[@]}"
    await 5 bob delivered 2 || fail "bob's messages were not delivered in time"
    await 5 alice message 2 && await 5 bob message 3 || fail "messages are missing"
    expect_received bob "${questions[@]}"
    expect_received alice "${answers[@]}"
}

job_offline() {
    local before=("are you there?" "I'll write anyway" "third of four") during="while the control plane is away"
    say "— bob goes offline —"
    client_stop bob
    send_texts alice "${before[@]}"
    await 5 alice accepted 3 || fail "alice's messages were not stored in time"
    say "— the control plane is killed (process $(process_find control)) —"
    stop_process control KILL
    send_texts alice "$during"
    await 5 alice sent 7 || fail "alice could not send"
    control_restart
    follow
    say "control plane: back as process $(process_find control)"
    await 10 alice accepted 4 || fail "what alice sent meanwhile was not stored"
    say "— bob returns —"
    client_start bob alice
    await 5 bob message 7 || fail "bob did not get what was stored for him"
    await 5 alice delivered 7 || fail "alice was not told that bob has them"
    expect_received bob "${before[@]}" "$during"
    say "all arrived, in order, each once"
}

job_run() {
    clients_prepare
    job_online
    job_offline
    client_stop alice
    client_stop bob
}
