# What the scripts share: what a fresh Debian with only Rust lacks.

# Installs Debian packages that are not there.
need() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local root=""
    [ "$(id -u)" -eq 0 ] || root=sudo
    echo "installing ${missing[*]}" >&2
    $root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# A C compiler, for SQLite and aws-lc, which are built from source.
need_compiler() {
    command -v cc >/dev/null || need gcc libc6-dev
}
