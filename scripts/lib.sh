# lib.sh - what scripts/orb and scripts/test share; sourced with $top = the project's folder

say() { printf '%s\n' "$*" >&2; }

# missing_packages KIND... - the packages of these kinds that are not installed
missing_packages() {
    local kind package command wanted
    while read -r kind package command; do
        [[ $kind == \#* || -z $kind ]] && continue
        for wanted in "$@"; do
            [[ $kind == "$wanted" ]] || continue
            [[ -n $command ]] && command -v "$command" >/dev/null && continue
            dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
        done
    done < "$top/scripts/packages"
}

# install_packages KIND... - installs what is missing; a stamp makes the next call free
install_packages() {
    local stamp missing=() as_root=()
    stamp="$top/build/.packages-$(IFS=-; echo "$*")-$(sha256sum < "$top/scripts/packages" | cut -c1-16)"
    [[ -e $stamp ]] && return 0
    mapfile -t missing < <(missing_packages "$@")
    if (( ${#missing[@]} > 0 )); then
        if ! command -v apt-get >/dev/null; then
            say "orb: these Debian 12 packages are missing, and there is no apt-get: ${missing[*]}"
            return 1
        fi
        (( EUID == 0 )) || as_root=(sudo)
        if (( EUID != 0 )) && ! command -v sudo >/dev/null; then
            say "orb: these Debian packages are missing; install them as root: apt-get install ${missing[*]}"
            return 1
        fi
        say "orb: installing ${#missing[@]} Debian packages: ${missing[*]}"
        "${as_root[@]}" apt-get update -qq >&2 || say "orb: apt-get update failed; going on with the lists at hand"
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    fi
    mkdir -p "$top/build"
    rm -f "$top/build/.packages-$(IFS=-; echo "$*")-"*
    : > "$stamp"
}

# build PRESET [TARGET] - configures once, builds what changed; quiet unless it fails
build() {
    local preset=$1 target=${2:-all} dir="$top/build/$1" log="$top/build/$1.log" tests=ON launcher=()
    mkdir -p "$top/build"
    command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    [[ $target == orb ]] && tests=OFF   # what users build needs no test library
    if [[ ! -e $dir/build.ninja || ( $tests == ON && -z $(grep -s '^ORB_TESTS:BOOL=ON' "$dir/CMakeCache.txt") ) ]]; then
        (cd "$top" && cmake --preset "$preset" -DORB_TESTS=$tests "${launcher[@]}") > "$log" 2>&1 || { build_failed "$log"; return 1; }
        say "orb: building ($preset) ..."
    fi
    cmake --build "$dir" --target "$target" > "$log" 2>&1 || { build_failed "$log"; return 1; }
}

build_failed() {
    grep -E -A8 'error|FAILED|Error' "$1" >&2 || tail -30 "$1" >&2
    say "orb: the build failed; the whole output is in $1"
    rm -f "$top/build/.packages-"*   # a package may have gone: look again next time
}
