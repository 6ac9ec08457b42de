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

# What the tests in a browser start, what moves its clock, and what looks at pages for people with
# a disability.
need_browser() {
    need chromium chromium-driver faketime
    need_axe
}

# axe-core, a script; from the npm registry, of which nothing else is used.
need_axe() {
    local version=4.10.3 sum=0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292
    local folder=${CARGO_TARGET_DIR:-target}/tools/axe-core
    [ -f "$folder/axe.min.js" ] && [ "$(cat "$folder/version" 2>/dev/null)" = $version ] && return
    need curl ca-certificates
    mkdir -p "$folder"
    curl -fsSL --retry 5 "https://registry.npmjs.org/axe-core/-/axe-core-$version.tgz" -o "$folder/axe.tgz"
    echo "$sum  $folder/axe.tgz" | sha256sum --check --quiet
    tar -xzf "$folder/axe.tgz" -C "$folder" --strip-components=1 package/axe.min.js
    rm "$folder/axe.tgz"
    echo $version >"$folder/version"
}
