#!/bin/bash
# From nothing to a playbook that has run: "make quickstart".  The server is
# private (a directory of its own, no TCP, nothing installed into the machine's
# PostgreSQL) and stays up, with what its user makes in it, until "make
# quickstart-stop" or "make quickstart RESET=1".  A second "make quickstart" uses
# it again.  QUICKSTART_DIR chooses another directory, TMPDIR the one above it.
#
# The console is started too, for this machine only, and stays up as the server does.
#
# Every command that is printed is one for bash, indented by four blanks, and
# needs nothing of the environment.  Output and files are printed behind a bar.

program="make quickstart"
. "$(dirname "$0")/lib.sh"

path=$PATH
dir=${QUICKSTART_DIR:-${TMPDIR:-/tmp}/noetl-quickstart.$(id -u)}
[[ $dir = /* ]] || dir=$PWD/$dir
mark=$dir/noetl-quickstart
playbook=$dir/weather.yaml
# An ordinary role: what executions save acts as the role that started them.
connection="host=$dir port=5432 user=quickstart dbname=noetl"

heading() { echo; say "== $1"; }
explain() { echo; say "$1"; }
show_command() { printf '\n    %s\n' "${1//$'\n'/$'\n'    }"; }
behind_bar() { echo; sed 's/^/  | /'; }

# Fails when a server cannot live in $dir.  Must not change anything.
check_directory()
{
    if [[ ! $dir =~ ^[A-Za-z0-9/._+-]+$ ]]; then
        complain "the directory \"$dir\" has characters other than letters, digits and /._+-; QUICKSTART_DIR=... chooses another"
        return 1
    fi
    if [ "${#dir}" -gt 80 ]; then
        complain "the name of the directory $dir is too long for a socket in it; QUICKSTART_DIR=... chooses another"
        return 1
    fi
    check_ownership && check_executable_directory "$(dirname "$dir")" "TMPDIR=... or QUICKSTART_DIR=..."
}

# Fails when $dir is there and is not a quickstart of this user.
check_ownership()
{
    [ ! -e "$dir" ] || { [ -f "$mark" ] && [ -O "$mark" ]; } && return 0
    complain "$dir exists and is not a quickstart of yours; QUICKSTART_DIR=... chooses another directory"
    return 1
}

# Prints the process of the console, if it is there and is one.
console_process()
{
    local process
    process=$(cat "$dir/console/pid" 2>/dev/null) && [ -n "$process" ] &&
        [ "$(cat "/proc/$process/comm" 2>/dev/null)" = noetl-console ] && echo "$process"
}

# Ends the console, and waits until it has.
stop_console()
{
    local process
    process=$(console_process) || return 0
    kill "$process" 2>/dev/null || return 0
    for _ in $(seq 100); do
        [ -e "/proc/$process" ] || return 0
        sleep 0.1
    done
    kill -KILL "$process" 2>/dev/null || true
}

# Runs the console at an address as the server user, apart from this terminal.
run_console()
{
    rm -f "$dir/console/address"
    "${as_user[@]}" setsid sh -c 'echo $$ >"$1/pid"; exec "$2" --connect "$3" --listen "$4" >"$1/address" 2>>"$1/log"' \
        sh "$dir/console" "$console" "host=$dir port=5432 dbname=noetl" "$1" </dev/null >/dev/null 2>&1 3>&- 4>&- &
    for _ in $(seq 100); do
        [ ! -s "$dir/console/address" ] || return 0
        sleep 0.1
        kill -0 $! 2>/dev/null || return 1
    done
    return 1
}

# Starts the console unless it runs: at port 8080, or at a free one.  Sets address, to
# nothing when there is no console.
start_console()
{
    address=
    console=$(find "$dir/inst" "$bindir" -name noetl-console -type f -perm -u+x 2>/dev/null | head -n 1)
    [ -n "$console" ] && [ -f "$dir/console/password" ] || return 0
    console_process >/dev/null || run_console 127.0.0.1:8080 || run_console 127.0.0.1:0 || return 0
    address=$(cat "$dir/console/address")
}

# Stops the server and removes the directory.  Must not remove what is not a
# quickstart.
remove()
{
    [ -e "$dir" ] || return 0
    check_ownership || return 1
    stop_console
    if [ -f "$dir/data/postmaster.pid" ]; then
        stop_server "$dir" fast || stop_server "$dir" immediate
    fi
    rm -rf "$dir"
}

# Whether $dir holds a quickstart that was set up to its end.
is_ready() { [ -f "$mark" ] && grep -q '^ready$' "$mark"; }

# Makes the server and its database.
set_up()
{
    build && remove
    heading "2. A private server"
    mkdir -m 700 "$dir"
    echo "made by make quickstart" >"$mark"
    cp "$tree/test/playbooks/weather.yaml" "$playbook"
    [ ${#as_user[@]} -eq 0 ] || chown "$server_user" "$dir" "$playbook"
    create_cluster "$dir" "port = 5432"
    # Others on this machine reach the console, so its role has a password.
    "${as_user[@]}" sed -i '1i local all operator scram-sha-256' "$dir/data/pg_hba.conf"
    make_directory "$dir/console"
    (umask 077 && head -c 9 /dev/urandom | base64 | tr '+/' 'ab' >"$dir/console/password")
    cd "$dir"
    start_server "$dir"
    psql -X -q -d postgres -c 'CREATE ROLE quickstart LOGIN' -c 'CREATE DATABASE noetl OWNER quickstart'
    psql -X -q -d noetl -c 'CREATE EXTENSION noetl' -c 'SELECT noetl.create_roles()' \
        -c 'GRANT noetl_client, noetl_author, noetl_worker TO quickstart' \
        -c "CREATE ROLE operator LOGIN PASSWORD '$(cat "$dir/console/password")' IN ROLE noetl_client, noetl_author, noetl_reader, quickstart" \
        >/dev/null
    echo ready >>"$mark"
    say "PostgreSQL $("$PG_CONFIG" --version | sed 's/PostgreSQL //'), socket in $dir, extension noetl created."
    say "The role \"quickstart\" is no superuser: it is a member of noetl_client, noetl_author and noetl_worker."
    say "So is \"operator\", which logs in to the console by a password."
}

# Uses the server of an earlier quickstart, and starts it if it is down.
use_again()
{
    local major
    major=$("$PG_CONFIG" --version | sed 's/PostgreSQL \([0-9]*\).*/\1/')
    heading "2. The server of the quickstart before"
    if [ "$(cat "$dir/data/PG_VERSION")" != "$major" ]; then
        complain "$dir is of PostgreSQL $(cat "$dir/data/PG_VERSION"), $PG_CONFIG of $major; \"make quickstart RESET=1\" removes it and starts anew"
        exit 1
    fi
    cd "$dir"
    if ! "${as_user[@]}" "$bindir/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        start_server "$dir"
    fi
    if ! "$bindir/psql" "$connection" -X -At -c 'SELECT' >/dev/null 2>&1; then
        complain "the server in $dir is of an older version, without the role \"quickstart\"; \"make quickstart RESET=1\" removes it and starts anew"
        exit 1
    fi
    say "Nothing was removed, built or installed: the server, its data and $playbook are as you left them."
    say "\"make quickstart RESET=1\" removes them and starts anew with what the tree holds now."
}

# Prints the command $1, runs it as it stands in an environment like that of a
# new terminal, and prints its output.  Sets output.  Fails when the command does,
# or SQL that it sends.
show_and_run()
{
    local status=0
    show_command "$1"
    output=$(env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE PATH="$path" HOME="$dir" PSQLRC=/dev/null PAGER=cat \
        bash -c "$1" 2>&1) || status=$?
    printf '%s\n' "$output" | behind_bar
    [ "$status" -eq 0 ] && ! grep -qE '^(psql:.*)?(ERROR|FATAL): ' <<<"$output"
}

# The commands that are shown.
psql_command() { echo "$client '$connection' \\
    -c \"$1\""; }
register_command() { echo "echo \"SELECT noetl.register(:'content')\" |
    $client '$connection' \\
        -v content=\"\$(cat $playbook)\""; }
execute_command() { echo "$client '$connection' -At \\
    -c \"SELECT noetl.execute('examples/weather', jsonb_build_object($1))\""; }
worker_command() { echo "${as_user[*]:+${as_user[*]} }$worker \\
    --connect '$connection'${1:+ $1}"; }
status_command() { echo "echo \"SELECT jsonb_pretty(noetl.status(:id))\" |
    $client '$connection' -At -v id=$1"; }

show_playbook()
{
    heading "3. A playbook"
    cat <<TEXT
A playbook is a YAML text that names steps, what each of them does, and which step
comes next.  The broker in the database decides what comes next and queues it; workers
do what is queued.  {{ ... }} is a template: its value is known when the step starts.
This one judges a temperature, then plans a hot or a cold day.  It is the file
$playbook:
TEXT
    behind_bar <"$playbook"
}

run_playbook()
{
    heading "4. Register it, and start it on a hot day and on a cold one"
    show_and_run "$(register_command)"
    show_and_run "$(execute_command "'temperature_c', 30")"
    hot=$output
    show_and_run "$(execute_command "'temperature_c', 10, 'city', 'Oslo'")"
    cold=$output

    heading "5. A worker does what is queued, until nothing is left"
    show_and_run "$(worker_command --once)"

    heading "6. What happened"
    explain "The event log of the hot day:"
    show_and_run "$(psql_command "SELECT to_char(created_at, 'HH24:MI:SS.US') AS at, event_type, node_name, status
          FROM noetl.event WHERE execution_id = $hot ORDER BY event_id")"
    explain "What the hot day has come to:"
    show_and_run "$(status_command "$hot")"
    explain "The table that the playbook wrote:"
    show_and_run "$(psql_command "SELECT * FROM public.weather_plan ORDER BY execution_id")"
}

# What to do next; $1 is how long it took.
say_what_next()
{
    heading "7. Yours to go on with (this took $1 s)"
    start_console
    if [ -n "$address" ]; then
        explain "See all this in a browser of this machine, and act: $address"
        say "Log in as the role operator, with the password $(cat "$dir/console/password")"
        say "The console runs until \"make quickstart-stop\", as the server does."
    fi
    explain "Change the playbook, with an editor or like this: the advice of the step cold_day."
    show_command "sed -i 's/take a coat/take a coat and gloves/' $playbook"
    explain "Register the new text as the next version, start it, let a worker do it, see the plan:"
    show_command "$(register_command)"
    show_command "$(execute_command "'temperature_c', 5, 'city', 'Oslo'")"
    show_command "$(worker_command --once)"
    show_command "$(psql_command "SELECT * FROM public.weather_plan ORDER BY execution_id")"
    explain "The cold day of before, which ran the text of before:"
    show_command "$(status_command "$cold")"
    explain "A worker that waits for more, until Ctrl-C:"
    show_command "$(worker_command "")"
    explain "A session in the database:"
    show_command "$client '$connection'"
    explain "\"make quickstart\" again keeps the server and its data and runs your text; this starts anew:"
    show_command "make -C $(printf %q "$tree") quickstart RESET=1 QUICKSTART_DIR=$dir"
    explain "Stop the server and remove $dir with all that is in it:"
    show_command "make -C $(printf %q "$tree") quickstart-stop QUICKSTART_DIR=$dir"
}

if [ "${1:-start}" = stop ]; then
    [ -e "$dir" ] || { say "There is no quickstart in $dir"; exit 0; }
    find_pg_config || { complain "PostgreSQL is gone"; exit 1; }
    bindir=$("$PG_CONFIG" --bindir)
    choose_server_user
    remove && say "Stopped and removed $dir"
    exit
fi

heading "1. Packages and build"
check_pg_config && check_directory && install_packages server console && choose_server_user || exit 1

set -eE
trap 'complain "failed here; if there is a server, its log is $dir/server.log, and \"make quickstart-stop\" removes it"; exit 1' ERR

unset PGDATABASE PGOPTIONS PGSERVICE PGPASSFILE PGHOSTADDR
if [ -z "${RESET:-}" ] && is_ready; then use_again; else set_up; fi

client=$(PATH=$path command -v psql >/dev/null && echo psql || echo "$bindir/psql")
worker=$(find "$dir/inst" "$bindir" -name noetl-worker -type f -perm -u+x 2>/dev/null | head -n 1)
show_playbook
run_playbook

finished=$("$bindir/psql" "$connection" -X -At -c "SELECT count(*) FROM noetl.event
    WHERE event_type = 'execution_complete' AND execution_id IN ($hot, $cold)")
if [ "$finished" -ne 2 ]; then
    complain "expected two completed executions, found $finished; the server log is $dir/server.log"
    exit 1
fi
say_what_next "$SECONDS"
