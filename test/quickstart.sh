#!/bin/bash
# From nothing to a playbook that has run: "make quickstart".  The server is
# private (a directory of its own, no TCP, nothing installed into the machine's
# PostgreSQL) and stays up for you to look at, until "make quickstart-stop" or
# the next quickstart.  QUICKSTART_DIR chooses another directory.

program="make quickstart"
. "$(dirname "$0")/lib.sh"

dir=${QUICKSTART_DIR:-/tmp/noetl-quickstart.$(id -u)}
playbook=$tree/test/playbooks/weather.yaml

heading() { echo; say "== $1"; }

# Removes an earlier quickstart, and nothing that is not one.
remove()
{
    [ -e "$dir" ] || return 0
    if [ ! -f "$dir/noetl-quickstart" ] || [ ! -O "$dir/noetl-quickstart" ]; then
        complain "$dir exists and is not a quickstart of yours; QUICKSTART_DIR=... chooses another directory"
        return 1
    fi
    if [ -f "$dir/data/postmaster.pid" ]; then
        stop_server "$dir" fast || stop_server "$dir" immediate
    fi
    rm -rf "$dir"
}

sql() { psql -X -q -d noetl -v ON_ERROR_STOP=1 "$@"; }

if [ "${1:-start}" = stop ]; then
    [ -e "$dir" ] || { say "There is no quickstart in $dir"; exit 0; }
    find_pg_config || { complain "PostgreSQL is gone"; exit 1; }
    bindir=$("$PG_CONFIG" --bindir)
    choose_server_user
    remove && say "Stopped and removed $dir"
    exit
fi

heading "1. Packages and build"
install_packages server && choose_server_user && build && remove || exit 1

set -eE
trap 'complain "failed here; if there is a server, its log is $dir/server.log and \"make quickstart-stop\" removes it"; exit 1' ERR

heading "2. A private server"
mkdir -m 700 "$dir"
touch "$dir/noetl-quickstart"
[ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$dir"
create_cluster "$dir"
cd "$dir"
export HOME=$dir
start_server "$dir"
createdb noetl
sql -c 'CREATE EXTENSION noetl'
say "PostgreSQL $("$PG_CONFIG" --version | sed 's/PostgreSQL //'), socket in $dir, extension noetl created"

heading "3. Register a playbook and start it twice: on a hot day and on a cold one"
say "SELECT noetl.register('...the text of test/playbooks/weather.yaml...');"
sql -At -v content="$(cat "$playbook")" <<'SQL'
SELECT noetl.register(:'content');
\set ECHO queries
SELECT noetl.execute('examples/weather', '{"temperature_c": 30}');
SELECT noetl.execute('examples/weather', '{"temperature_c": 10, "city": "Oslo"}');
SQL

heading "4. A worker does what is queued, until nothing is left"
say "noetl-worker --once"
"${as_user[@]}" env PGDATABASE=noetl noetl-worker --once 2>&1

heading "5. What happened"
# The first two executions of a new database; the hot one was first.
sql <<'SQL'
SELECT min(execution_id) AS hot, max(execution_id) AS cold FROM noetl.execution \gset
\echo The event log of the hot day
SELECT to_char(created_at, 'HH24:MI:SS.US') AS at, event_type, node_name, status
  FROM noetl.event
 WHERE execution_id = :hot
 ORDER BY event_id;
\echo The steps of the cold day
SELECT string_agg(node_name, ' -> ' ORDER BY event_id) AS completed
  FROM noetl.event
 WHERE execution_id = :cold AND event_type = 'step_completed';
\echo The results
SELECT s ->> 'execution_id' AS execution_id, s ->> 'status' AS status, s -> 'result' AS result
  FROM noetl.execution, noetl.status(execution_id) AS s
 ORDER BY execution_id;
\echo The table that the playbook wrote
SELECT * FROM public.weather_plan ORDER BY execution_id;
SQL

unfinished=$(sql -At -c "SELECT count(*) FROM noetl.event WHERE event_type = 'execution_complete'")
if [ "$unfinished" -ne 2 ]; then
    complain "expected two completed executions, found $unfinished; the server log is $dir/server.log"
    exit 1
fi

heading "Yours to try (took ${SECONDS} s)"
cat <<TEXT
  psql            psql -h $dir -U postgres noetl
  a worker        PGHOST=$dir PGUSER=postgres PGDATABASE=noetl \\
                      $(command -v noetl-worker)
  the playbook    $playbook
  stop, remove    make quickstart-stop
TEXT
