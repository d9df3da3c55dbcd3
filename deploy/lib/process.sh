# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Programs that quickstart starts, and ends again. A process is known by its number and the time
# at which it began, so that a number used anew by somebody else is never touched.

process_began() {
    local stat
    [[ -r /proc/$1/stat ]] && read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    stat=${stat##*) } # the name may hold anything
    # shellcheck disable=SC2086
    set -- $stat
    [[ $1 != Z ]] || return 1
    echo "${20}"
}

# start_process NAME LOG COMMAND…: in the background, on its own; its number goes to STARTED_PID.
start_process() {
    local name=$1 log=$2
    shift 2
    setsid "$@" </dev/null >>"$log" 2>&1 &
    STARTED_PID=$!
    disown "$STARTED_PID"
    echo "$name $STARTED_PID $(process_began "$STARTED_PID" || echo 0)" >>"$STATE/processes"
}

# The number of the living process NAME; false when there is none.
process_find() {
    local name pid began found=""
    [[ -f $STATE/processes ]] || return 1
    while read -r name pid began; do
        if [[ $name == "$1" && $(process_began "$pid") == "$began" ]]; then found=$pid; fi
    done <"$STATE/processes"
    [[ -n $found ]] && echo "$found"
}

process_gone() {
    ! process_find "$1" >/dev/null
}

# stop_process NAME [SIGNAL]: end it and wait; after 5 s it is killed.
stop_process() {
    local pid
    pid=$(process_find "$1") || return 0
    kill -s "${2:-TERM}" "$pid" 2>/dev/null || return 0
    wait_until 5 process_gone "$1" && return 0
    kill -s KILL "$pid" 2>/dev/null
    wait_until 5 process_gone "$1"
}

# End everything that a run of this name has started, the last first.
stop_all_processes() {
    local name
    [[ -f $STATE/processes ]] || return 0
    for name in $(tac "$STATE/processes" | cut -d ' ' -f 1 | awk '!seen[$0]++'); do
        stop_process "$name"
    done
    rm -f "$STATE/processes"
}
