# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The packages and the programs.

readonly PROGRAMS=(dataplane/worker/waxwire-dataplane control/waxwire-control control/waxctl client/waxcat perf/waxgen)

# Install what is missing, build what has changed (release). With WAXWIRE_PROGRAMS set to a folder
# of programs, those are taken as they are.
programs_prepare() {
    local log=$LOGS/build.log build
    if [[ -n ${WAXWIRE_PROGRAMS:-} ]]; then
        say "programs: those in $WAXWIRE_PROGRAMS"
        programs_find "$WAXWIRE_PROGRAMS"
        return
    fi
    "$TREE/deploy/setup" build >&"$TELL_FD" 2>&1 || fail "packages are missing (deploy/packages.txt)"
    build=$(build_folder)
    say "programs: building in $build"
    [[ -w ${HOME:-/nonexistent} ]] || export CCACHE_DIR=$STATE/ccache # where there is ccache, Meson takes it
    if [[ ! -f $build/build.ninja ]]; then
        meson setup "$build" "$TREE" -Dbuildtype=release -Dtests=false >"$log" 2>&1 || build_failed "$log"
    fi
    ninja -C "$build" "${PROGRAMS[@]}" >>"$log" 2>&1 || build_failed "$log"
    programs_find "$build"
}

# The tree's own folder; one of this run's where the tree is somebody else's.
build_folder() {
    local build=$TREE/build-release
    if [[ -n ${WAXWIRE_BUILD:-} ]]; then
        build=$WAXWIRE_BUILD
    elif [[ -e $build && ! -w $build ]] || [[ ! -e $build && ! -w $TREE ]]; then
        build=$STATE/build
    fi
    echo "$build"
}

build_failed() {
    tail -n 40 "$1" >&2
    fail "the build failed; the whole log is in $1"
}

# Where each program lies: in a folder of installed ones, or in a build.
programs_find() {
    local program name
    for program in "${PROGRAMS[@]}"; do
        name=${program##*/}
        if [[ -x $1/$program ]]; then
            PROGRAM[$name]=$(realpath "$1/$program")
        elif [[ -x $1/$name ]]; then
            PROGRAM[$name]=$(realpath "$1/$name")
        else
            fail "there is no $name in $1"
        fi
    done
}
