#!/bin/bash
# Entry point of the image.
#
#   postgres     (default) the server; the first start makes the cluster, the
#                database POSTGRES_DB (noetl) with the extension and noetl's roles,
#                and gives postgres the password POSTGRES_PASSWORD
#   quickstart   a server for as long as the container lives, a playbook that runs
#                in it, and what to try next
#   anything else is executed as it is, e.g. noetl-worker --connect ...
set -euo pipefail

bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)")
database=${POSTGRES_DB:-noetl}
PATH=$bin:$PATH

sql() { psql -XAtq -v ON_ERROR_STOP=1 -h /var/run/postgresql "$@"; }

# Makes the cluster.  Without a password only the container itself can connect.
make_cluster()
{
    [ ! -s "$PGDATA/PG_VERSION" ] || return 0
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        initdb --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
            --encoding=UTF8 --locale=C.UTF-8 >/dev/null
        echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
        echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    else
        initdb --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
        echo "listen_addresses = 'localhost'" >>"$PGDATA/postgresql.conf"
    fi
    cat >>"$PGDATA/postgresql.conf" <<EOF
unix_socket_directories = '/var/run/postgresql'
shared_preload_libraries = 'noetl'
noetl.timer = on
EOF
    pg_ctl -s -w -o "-c listen_addresses=''" start >/dev/null
    sql -d postgres -v name="$database" <<'EOF'
SELECT format('CREATE DATABASE %I', :'name') WHERE :'name' <> 'postgres' \gexec
EOF
    sql -d "$database" -c 'CREATE EXTENSION noetl' -c 'SELECT noetl.create_roles()' >/dev/null
    pg_ctl -s -w stop
}

# Runs a playbook as an ordinary role, and says what to try next.
quickstart()
{
    pg_ctl -s -w start >/dev/null
    sql -d "$database" <<'EOF'
SELECT 'CREATE ROLE ada LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ada') \gexec
GRANT noetl_client, noetl_worker, noetl_author TO ada;
GRANT CREATE ON SCHEMA public TO ada;
EOF
    noetl-worker run /usr/share/noetl/weather.yaml --connect "host=/var/run/postgresql user=ada dbname=$database"
    echo
    echo "That was /usr/share/noetl/weather.yaml.  The log of the execution:"
    echo
    psql -X -h /var/run/postgresql -U ada -d "$database" \
        -c 'SELECT event_type, node_name, status FROM noetl.event_log ORDER BY event_id'
    echo "Go on with: docker run -d --name noetl -e POSTGRES_PASSWORD=... -p 5432:5432 IMAGE"
    pg_ctl -s -w stop
}

case ${1:-postgres} in
postgres)
    make_cluster
    exec postgres "${@:2}"
    ;;
quickstart)
    make_cluster
    quickstart
    ;;
*)
    exec "$@"
    ;;
esac
