#!/bin/bash
# Builds the images of docker/Dockerfile and runs them: "make check-images".  Uses
# buildah, which needs no daemon.  The base image is made by debootstrap, so no
# registry is needed.  Needs root, and minutes.

program="make check-images"
. "$(dirname "$0")/lib.sh"

suite=bookworm
base=${VERSIONS_DIR:-$tree/build/versions}/$suite-bare
storage=$(mktemp -d)
passed=0
failed=0

# Storage of its own, removed at the end, and neither network nor mounts of the host's images.
call_buildah() { STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot buildah --root "$storage/root" --runroot "$storage/run" "$@"; }

clean_up()
{
    call_buildah umount -a >/dev/null 2>&1
    rm -rf --one-file-system "$storage"
}
trap clean_up EXIT

# Runs a step; its output is printed if it fails.
step()
{
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        say "$(printf '%-60s ok' "$name")"
        passed=$((passed + 1))
    else
        say "$(printf '%-60s FAILED' "$name")"
        tail -n 40 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
    rm -f "$log"
}

make_base()
{
    local container
    debian_root "$suite" "$base" && container=$(call_buildah from scratch) &&
        call_buildah add "$container" "$base" / && call_buildah commit "$container" "docker.io/library/debian:$suite-slim"
}

build_image() { call_buildah bud --layers --pull-never --format docker -f "$tree/docker/Dockerfile" "$@" "$tree"; }

run_quickstart()
{
    local container
    container=$(call_buildah from --pull-never localhost/noetl) &&
        timeout 120 env STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot buildah --root "$storage/root" \
            --runroot "$storage/run" run "$container" -- noetl-entrypoint quickstart | tee /dev/stderr |
        grep -q '^ execution_complete '
}

# The server starts with a password, is healthy, and keeps its data over a restart.
run_server()
{
    local container script
    container=$(call_buildah from --pull-never localhost/noetl) || return 1
    script='set -e
        export POSTGRES_PASSWORD=secret PGPASSWORD=secret
        for start in first second; do
            noetl-entrypoint postgres & server=$!
            for i in $(seq 60); do
                psql -XAtq -h localhost -U postgres -d noetl -c "SELECT noetl.next_id() > 0" 2>/dev/null | grep -qx t && break
                sleep 0.5
            done
            psql -XAtq -h localhost -U postgres -d noetl -c "CREATE TABLE IF NOT EXISTS kept (start text)" \
                -c "INSERT INTO kept VALUES (\$\$$start\$\$)"
            ! PGPASSWORD=wrong psql -X -h localhost -U postgres -d noetl -c "SELECT 1"
            count=$(psql -XAtq -h localhost -U postgres -d noetl -c "SELECT count(*) FROM kept")
            kill -INT $server
            wait $server
        done
        test "$count" = 2'
    timeout 180 env STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot buildah --root "$storage/root" \
        --runroot "$storage/run" run "$container" -- bash -c "$script"
}

files_of_the_extension()
{
    local container directory
    container=$(call_buildah from --pull-never localhost/noetl-extension) &&
        directory=$(call_buildah mount "$container") &&
        [ -s "$directory/lib/noetl.so" ] && [ -s "$directory/share/extension/noetl.control" ] &&
        ls "$directory"/share/extension/noetl--*.sql
}

find_root || exit 1
command -v buildah >/dev/null || apt_install buildah || exit 1
step "the base image is made" make_base
step "the image is built" build_image -t noetl
step "its quickstart runs a playbook" run_quickstart
step "its server starts, keeps its data and asks for the password" run_server
step "the image of the extension alone is built" build_image --target extension -t noetl-extension
step "it has the files of the extension" files_of_the_extension

echo
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
