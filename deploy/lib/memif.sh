# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The main job without any privilege: the packet generator plays the clients over shared memory.
# Its packets take the appliance's whole way: Ethernet, IP, TCP, TLS 1.3, WebSocket, sessions.

readonly MEMIF_MESSAGES=100000 MEMIF_SESSIONS=32 MEMIF_WINDOW=32

# What plays the clients of this appliance, into MEMIF_COMMAND.
memif_command() {
    MEMIF_COMMAND=("${PROGRAM[waxgen]}" --memif "$STATE/memif.sock" --ca "$CA" --server-name "$SERVER_NAME"
        --sessions "$MEMIF_SESSIONS" --window "$MEMIF_WINDOW" --messages "$MEMIF_MESSAGES")
}

memif_run() {
    local log=$LOGS/waxgen.log line
    memif_command
    say "— $MEMIF_SESSIONS sessions over TLS 1.3, in pairs; $MEMIF_MESSAGES messages: SEND, DELIVER, ACK, ✓✓ —"
    start_process waxgen "$log" "${MEMIF_COMMAND[@]}" --json "$STATE/waxgen.json"
    while IFS= read -r line; do
        say "$line"
    done < <(tail -n +1 --pid="$STARTED_PID" -s 0.1 -f "$log")
    [[ -f $STATE/waxgen.json ]] && grep -q '"ok": true' "$STATE/waxgen.json" || fail_with_log "the main job did not hold" waxgen
    say "✓✓ every message was delivered and acknowledged, once, in order, as it was sent"
}
