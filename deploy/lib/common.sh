# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What every part of quickstart uses: telling, waiting, and the folder where a run keeps its state.

readonly QUICKSTART_STARTED=${EPOCHREALTIME/[.,]/}

# say_at MICROSECONDS TEXT…: one line for the person who watches, with its time since the start.
# Standard output is for JSON when that was asked for.
say_at() {
    local us=$(($1 - QUICKSTART_STARTED))
    shift
    printf '[%3d.%03d s] %s\n' $((us / 1000000)) $((us % 1000000 / 1000)) "$*" >&"$TELL_FD"
}

say() {
    say_at "${EPOCHREALTIME/[.,]/}" "$@"
}

# The end of a run that can't go on. EXIT traps clean up.
fail() {
    say "✗ $*"
    exit 1
}

usage_error() {
    echo "quickstart: $*; see quickstart --help" >&2
    exit 2
}

# wait_until SECONDS COMMAND…: run a command until it succeeds; false when the time is over.
wait_until() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/[.,]/} < end)) || return 1
        sleep 0.03
    done
}

# Folders of this run: STATE (sockets, certificates, logs; in memory where that is usual) and
# STORE (on a disk). Only ours: others may not read them, nor have put them there.
state_paths() {
    local user=""
    if ((EUID == 0)); then
        STATE=/run/waxwire-$NAME
    else
        user=-$EUID
        STATE=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}/waxwire-$NAME$user
    fi
    STORE=/var/tmp/waxwire-$NAME$user
    LOGS=$STATE/log
    VARIABLES=$STATE/variables
}

private_folder() {
    local folder=$1
    mkdir -p -m 700 "$folder" 2>/dev/null || fail "can't make $folder"
    [[ ! -L $folder && -O $folder ]] || fail "$folder belongs to somebody else"
    chmod 700 "$folder"
}

# Only one quickstart of a name at a time. The owner is known by its number and its beginning, so
# that the claim ends with it, however it ends, whatever children of it live on.
state_claim() {
    local fd pid began
    private_folder "$STATE"
    exec {fd}>"$STATE/lock"
    flock "$fd"
    if [[ -f $STATE/owner ]] && read -r pid began <"$STATE/owner" && [[ $(process_began "$pid") == "$began" ]]; then
        fail "another quickstart '$NAME' is at work (process $pid)"
    fi
    echo "$$ $(process_began $$)" >"$STATE/owner"
    exec {fd}>&-
}

# remember NAME VALUE: for a later call of quickstart (--stop, --restart-…).
remember() {
    printf '%s=%q\n' "$1" "$2" >>"$VARIABLES"
}

# Take over what an earlier call remembered; false when there is nothing.
recall() {
    [[ -f $VARIABLES ]] || return 1
    # shellcheck disable=SC1090 # written by remember, in a folder that only we may write
    source "$VARIABLES"
}

json_text() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}
