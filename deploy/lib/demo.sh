# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What --demo adds: two Node processes that talk by Signal's protocol, and a page for browsers, on the loopback of this machine.

DEMO_URL=""
readonly DEMO_FOLDER=$TREE/client/js/examples

demo_prepare() {
    [[ $WAY == network ]] || fail "--demo needs root and the right to make network namespaces"
    say "npm packages of client/js: by their lock file, where they are missing"
    "$TREE/client/js/setup" >"$LOGS/npm.log" 2>&1 || fail "the npm packages can't be had; see $LOGS/npm.log"
}

# The page's server: its socket is the loopback's, its way to the appliance the clients' namespace's.
demo_page() {
    local listen='
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(("127.0.0.1", 8080))
except OSError:
    s.bind(("127.0.0.1", 0))
s.listen(64)
os.set_inheritable(s.fileno(), True)
os.execvp(sys.argv[1], sys.argv[1:] + ["--fd", str(s.fileno())])'
    start_process demo "$LOGS/demo.log" python3 -c "$listen" ip netns exec "$CLIENT_NS" node "$DEMO_FOLDER/browser-chat/serve.js" \
        --relay "https://$SERVER_NAME" --address "$APPLIANCE_ADDRESS" --ca "$CA"
    wait_until 20 demo_page_answers || fail_with_log "the page is not served" demo
    remember DEMO_URL "$DEMO_URL"
}

demo_page_answers() {
    ! process_gone demo || fail_with_log "the page's server has ended" demo
    DEMO_URL=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$LOGS/demo.log" | tail -n 1)
    [[ -n $DEMO_URL ]] && curl --silent --fail --max-time 2 "$DEMO_URL" >/dev/null
}

demo_run() {
    demo_prepare
    demo_page
    say "— two processes talk by Signal's protocol (client/js/examples/signal-chat) —"
    in_clients node "$DEMO_FOLDER/signal-chat/transcript.js" --relay "wss://$SERVER_NAME/v1/relay" --address "$APPLIANCE_ADDRESS" --ca "$CA" \
        >&"$TELL_FD" || fail "the talk broke off"
    say "— a chat in your browser, sealed by MLS (client/js/examples/browser-chat) —"
    {
        echo "  $DEMO_URL?as=alice"
        echo "  $DEMO_URL?as=bob"
        echo "  on this machine alone; each is a person of its own: give one's code to the other"
    } >&"$TELL_FD"
}
