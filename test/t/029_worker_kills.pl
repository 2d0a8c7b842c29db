# Workers, their programs, the pooler, sessions and the server are killed at random under
# load: nothing is lost, nothing is twice in the log, nothing is stuck.
#
#   KILL_MINUTES=1   how long; "make worker-kills MINUTES=30"
#   SEED=random
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $minutes = $ENV{KILL_MINUTES} || 1;
my $seed = ($ENV{SEED} || 'random') eq 'random' ? int(rand(1_000_000)) : $ENV{SEED};
my $lease = 3;
my $most_running = 12;
srand($seed);
note("seed $seed, $minutes minute(s)");

my $node = start_broker();
$node->append_conf('postgresql.conf', "noetl.max_lost_leases = 100000\nmax_connections = 60\n");
$node->restart;
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $role = getpwuid($<);

# ---------------------------------------------------------------------------
# What is killed
# ---------------------------------------------------------------------------

# A tool that answers after a moment.
append_to_file("$directory/tool", <<'EOT');
#!/bin/sh
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id": *\([^,}]*\).*/\1/p')
    sleep 0.05
    printf '{"id": %s, "result": {"n": 1}}\n' "$id"
done
EOT
chmod 0755, "$directory/tool";

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/bin';
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$directory/users", qq("$role" ""\n));
append_to_file("$directory/pgbouncer.ini", <<"EOT");
[databases]
postgres = host=${\ $node->host} port=${\ $node->port} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users
pool_mode = transaction
default_pool_size = 4
server_login_retry = 0
pidfile = $directory/pid
EOT

my $direct = $node->connstr('postgres');
my $pooled = $pgbouncer && $< != 0 ? "host=$directory port=$port dbname=postgres user=$role" : $direct;
my @worker = ('noetl-worker', '--quiet', '--lease', $lease, '--poll', 1, '--grace', 1, '--tool', "echoes=$directory/tool");

# The processes: what each is called, and how it is started.
my %process = (
	one => { command => [ @worker, '--connect', $direct ] },
	batch => { command => [ @worker, '--connect', $direct, '--batch', 4 ] },
	slots => { command => [ @worker, '--connect', $direct, '--concurrency', 3 ] },
	pooled => { command => [ @worker, '--connect', $pooled, '--concurrency', 2 ] },
);
$process{pooler} = { command => [ $pgbouncer, "$directory/pgbouncer.ini" ], killed_only => 1 } if $pooled ne $direct;
note('without pgbouncer: ' . ($pgbouncer ? 'it does not run as root' : 'it is not here')) if $pooled eq $direct;

# Starts a process, or starts it again when it has ended.
sub ensure
{
	my ($name) = @_;
	my $process = $process{$name};
	if ($process->{pid})
	{
		return if waitpid($process->{pid}, 1) == 0;
		$process->{ends}++;
	}
	unlink "$directory/pid", "$directory/.s.PGSQL.$port" if $name eq 'pooler';
	my $pid = fork() // die "could not fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$directory/$name.log";
		open STDERR, '>>', "$directory/$name.log";
		exec(@{ $process->{command} }) or POSIX::_exit(127);
	}
	$process->{pid} = $pid;
	return;
}

END
{
	my $status = $?;
	foreach my $process (values %process)
	{
		kill 'KILL', $process->{pid} if $process->{pid};
	}
	$? = $status;
}

# The children of a process and theirs.
sub descendants
{
	my ($parent) = @_;
	my %children;
	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;
		my $line = <$stat> // '';
		push @{ $children{$2} }, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) /;
	}
	my @found = @{ $children{$parent} // [] };
	push @found, map { descendants_in($_, \%children) } @found;
	return @found;
}

# The same below one of them.
sub descendants_in
{
	my ($parent, $children) = @_;
	return map { ($_, descendants_in($_, $children)) } @{ $children->{$parent} // [] };
}

# ---------------------------------------------------------------------------
# The load
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', q{SELECT noetl.register($p$
metadata: {name: load, path: load}
workload: {n: 1}
workflow:
  - {step: start, next: [program, tool, each]}
  - {step: program, tool: python, code: "result = {'n': n + 1}", args: {n: "{{ workload.n }}"}, retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}, next: command}
  - {step: command, tool: shell, command: "sleep 0.05; echo {{ program.n }}", retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}, next: join}
  - {step: tool, tool: echoes, args: {n: 1}, retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}, next: join}
  - step: each
    tool: iterator
    mode: async
    concurrency: 2
    collection: [1, 2, 3, 4]
    element: x
    task: {tool: shell, command: "echo {{ x }}", retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}}
    retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}
    next: join
  - {step: join, tool: python, code: "result = {'n': 1}", retry: {max_attempts: 1000, initial_delay: 0.05, backoff_multiplier: 1}, next: end}
  - {step: end}
$p$)});

my %started;
my $longest = 0;

# Asks the server; undef while it does not answer.  What hangs is told.
my $hangs = 0;

sub ask
{
	my ($query) = @_;
	my $timed_out;
	my ($status, $out) = $node->psql('postgres', $query, timeout => 120, timed_out => \$timed_out);
	if ($timed_out)
	{
		$hangs++;
		my (undef, $sessions) = $node->psql('postgres', 'SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid),'
			  . ' now() - xact_start, left(query, 100) FROM pg_stat_activity', timeout => 120, timed_out => \$timed_out);
		diag("no answer to $query\n", $sessions // '');
		return;
	}
	return defined $status && $status == 0 ? $out : undef;
}

# Starts executions until so many run that the workers have something to do.
sub start_more
{
	my $ids = ask("SELECT noetl.execute('load') FROM generate_series(1, $most_running -"
		  . " (SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'))");
	$started{$_} = 1 foreach split /\n/, $ids // '';
	return;
}

# Notes how long the longest of the leases that have ended has stayed where it is.  The
# server was up all the time that counts: a server that is away moves nothing.
my $up_since = time;

sub look_for_stuck
{
	my $seconds = ask("SELECT coalesce(extract(epoch FROM max(clock_timestamp() - lease_until)), 0)"
		  . " FROM noetl.queue WHERE status = 'leased'");
	return unless defined $seconds;
	my $bound = time - $up_since;
	$seconds = $bound if $seconds > $bound;
	$longest = $seconds if $seconds > $longest;
	return;
}

# ---------------------------------------------------------------------------
# The kills
# ---------------------------------------------------------------------------

my %kills;

# Kills something; returns what.
sub kill_something
{
	my @workers = grep { $_ ne 'pooler' } sort keys %process;
	my $dice = rand;
	my $name = $workers[ rand @workers ];
	my $pid = $process{$name}{pid};

	if ($dice < 0.25)
	{
		kill 'KILL', $pid;
		return 'worker';
	}
	if ($dice < 0.35)
	{
		kill 'TERM', $pid;
		return 'worker, asked to end';
	}
	if ($dice < 0.65)
	{
		my @children = descendants($pid);
		kill 'KILL', $children[ rand @children ] if @children;
		return 'program of a worker';
	}
	if ($dice < 0.8)
	{
		ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
			  . " AND backend_type = 'client backend' ORDER BY random() LIMIT 1");
		return 'session';
	}
	if ($dice < 0.95 || !$process{pooler})
	{
		return 'nothing' unless $process{pooler};
		kill 'KILL', $process{pooler}{pid};
		return 'pooler';
	}
	$node->stop(rand() < 0.7 ? 'immediate' : 'fast');
	sleep rand 2;
	$node->start;
	$up_since = time;
	return 'server';
}

my $until = time + 60 * $minutes;
while (time < $until)
{
	ensure($_) foreach sort keys %process;
	start_more();
	look_for_stuck();
	$kills{ kill_something() }++;
	sleep rand 0.8;
}

# ---------------------------------------------------------------------------
# What is left of it
# ---------------------------------------------------------------------------

# A last time all at once, and then they are left alone.
ensure($_) foreach sort keys %process;
$node->stop('immediate');
kill 'KILL', map { $_->{pid} } values %process;
$node->start;
$until = time + 180;
my $running = -1;
while (time < $until && $running ne '0')
{
	ensure($_) foreach sort keys %process;
	$running = ask("SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'") // -1;
	sleep 0.2;
}
note(join ', ', map { "$kills{$_} x $_" } sort keys %kills);
note(scalar(keys %started) . " executions; a lease of $lease s ended $longest s ago at most");

is($running, '0', 'nothing is stuck')
  or diag(sql("SELECT q.queue_id, node_name, status, attempts, worker_id, available_at, lease_until, now() FROM noetl.queue q"));
cmp_ok($kills{worker} + $kills{'program of a worker'} + ($kills{server} // 0), '>', 0, 'something was killed');
my %there = map { $_ => 1 } split /\n/, sql('SELECT execution_id FROM noetl.execution');
is(scalar(grep { !$there{$_} } keys %started), 0, 'no execution that was started is lost');
is(sql("SELECT DISTINCT status FROM noetl.execution"), 'COMPLETED', 'all have completed')
  or diag(sql("SELECT execution_id, status, error FROM noetl.execution WHERE status <> 'COMPLETED' LIMIT 5"));
is(sql("SELECT count(*) FROM (SELECT FROM noetl.event WHERE event_type IN ('action_completed', 'step_completed', 'execution_complete',"
		  . " 'step_started') GROUP BY execution_id, event_type, node_id HAVING count(*) > 1) x"), 0, 'no end is twice in the log');
# Only the retry policy of the iterator begins with the first item again; what a worker
# sends after its lease was lost is in the log, but ignored.
my $again = "FROM noetl.event a JOIN noetl.event b USING (execution_id, node_id, current_index, event_type)"
  . " WHERE event_type = 'iteration_completed' AND a.event_id < b.event_id AND NOT EXISTS (SELECT FROM noetl.event f"
  . " WHERE f.execution_id = a.execution_id AND f.node_id = a.node_id AND f.event_type = 'action_error'"
  . " AND NOT f.meta ? 'lease_expired' AND f.event_id BETWEEN a.event_id AND b.event_id)"
  . " AND NOT coalesce(a.meta ? 'ignored', false) AND NOT coalesce(b.meta ? 'ignored', false)";
is(sql("SELECT count(*) $again"), 0, 'no item is')
  or diag(sql("SELECT e.event_id, e.created_at, e.event_type, e.current_index, e.worker_id, e.meta FROM noetl.event e JOIN (SELECT execution_id, node_id $again"
		  . " ORDER BY a.event_id LIMIT 1) x USING (execution_id, node_id) ORDER BY e.event_id"));
is(sql("SELECT count(*) FROM (SELECT execution_id FROM noetl.event WHERE event_type = 'action_completed'"
		  . " GROUP BY execution_id HAVING count(*) <> 5) x"), 0, 'and every step has its end');
is(sql('SELECT count(*) FROM noetl.queue'), 0, 'no task is left');
is(sql('SELECT count(*) FROM noetl.execution e, noetl.verify(e.execution_id) v'), 0, 'the log explains all rows');
is($hangs, 0, 'the server has answered all the time');
cmp_ok($longest, '<', $lease * 10, 'no task stayed with a lease that had ended');

# SIGTERM ends the workers, and what they have started.
my @descendants = map { descendants($process{$_}{pid}) } keys %process;
kill 'TERM', $process{$_}{pid} foreach grep { $_ ne 'pooler' } keys %process;
foreach my $name (grep { $_ ne 'pooler' } sort keys %process)
{
	waitpid($process{$name}{pid}, 0);
	is($? >> 8, 0, "the worker $name ends");
	delete $process{$name}{pid};
}
$until = time + 60;
my @left = @descendants;
while (@left && time < $until)
{
	sleep 0.1;
	@left = grep { kill 0, $_ } @left;
}
is("@left", '', 'with all its processes');

done_testing();
