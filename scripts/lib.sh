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
    # A network that is slow or breaks off is asked again.
    local apt=(apt-get -qq -o Acquire::Retries=5 -o Acquire::http::Timeout=60)
    $root "${apt[@]}" update
    DEBIAN_FRONTEND=noninteractive $root "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# What the tests of mail start: an SMTP server that is not ours, and a certificate for it.
need_mail_server() {
    need python3 python3-aiosmtpd openssl
}

# A C compiler, for SQLite and aws-lc, which are built from source.
need_compiler() {
    command -v cc >/dev/null || need gcc libc6-dev
}
