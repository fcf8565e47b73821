# Shared by check.sh and quickstart.sh (sourced, bash): what is missing, installing it, building. Run from the source root.

say() { printf '%s\n' "$*" >&2; }
die() { local code=$1; shift; say "$0: $*"; exit "$code"; }

jobs=$(nproc 2>/dev/null || echo 2)

# Root is usual in containers, and Open MPI refuses it unless told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# missing_packages GROUP... : the packages of these groups that dpkg does not have, one a line.
missing_packages() {
    local group package
    while read -r group package; do
        case " $* " in *" $group "*) ;; *) continue ;; esac
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done < <(grep -v '^#' build-aux/debian-packages)
}

# need_packages yes|no GROUP... : installs what is missing (yes), or only names it and exits 3 (no).
need_packages() {
    local install=$1 missing sudo=
    shift
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: configure will say what is missing (README.md lists the packages)"
        return
    fi
    missing=$(missing_packages "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$install" != yes ]; then
        say "missing packages: $missing"
        say "install them with: apt-get install --no-install-recommends $missing"
        exit 3
    fi
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die 3 "not root and no sudo. Run as root: apt-get install --no-install-recommends $missing"
        sudo=sudo
    fi
    say "installing with apt-get: $missing"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update || say "apt-get update failed; trying with the package lists that are here"
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >/dev/null \
        || die 3 "apt-get could not install: $missing"
}

# configure_in DIR ARGUMENT... : an up-to-date Makefile in DIR. Configured again only when the arguments change.
configure_in() {
    local dir=$1 arguments
    shift
    [ -x configure ] || autoreconf -i || die 1 "autoreconf failed"
    mkdir -p "$dir"
    arguments="$*"
    if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/.configured-with" 2>/dev/null)" != "$arguments" ]; then
        (cd "$dir" && ../configure -q "$@") || return 1
        printf '%s\n' "$arguments" > "$dir/.configured-with"
    fi
}

# The python3 that has ONNX Runtime, or nothing. LT_PYTHON wins; then build/venv, then the system's.
find_python() {
    local p
    for p in "${LT_PYTHON:-}" "$PWD/build/venv/bin/python3" python3; do
        if [ -n "$p" ] && command -v "$p" >/dev/null && "$p" -c 'import onnxruntime, numpy' 2>/dev/null; then
            printf '%s\n' "$p"
            return
        fi
    done
}
