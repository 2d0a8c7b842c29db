# The kill clock: at random moments backends and postmasters get SIGKILL, servers are
# stopped at once, workers die, a standby is promoted, while schedules, waits, signals,
# debounces, later starts, timeouts and retries are due.  Clients note what the server
# acknowledges (test/kill/client.pl).  All of it is there afterwards, and each thing
# happened once.
#
#   KILL_SEEDS=5   how many seeds, each in a database of its own; every fifth with a
#                  standby that is promoted
#   KILL_SEED=1    the first seed
#   KILL_COUNT=3   kills of a seed
#
# A seed chooses what is killed and when; what that meets differs from run to run.
use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seeds = $ENV{KILL_SEEDS} || 5;
my $first = $ENV{KILL_SEED} || 1;
my $kills = $ENV{KILL_COUNT} || 3;
my $patience = $ENV{PATIENCE} || 300;
my $here = dirname(__FILE__) . '/../kill';

my ($node, $standby, $database, $directory);
my $nodes = 0;
my (%client, %did, @worker);
my $acknowledged = 0;

# ---------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------

# Waits until a condition holds; the test cannot go on without it.
sub wait_until
{
	my ($what, $condition) = @_;
	my $until = time + $patience;
	until ($condition->())
	{
		BAIL_OUT("$what: not within $patience s") if time > $until;
		sleep 0.1;
	}
	return;
}

# The answer to a query; undef when the server gives none.
sub try_sql
{
	my ($query) = @_;
	my ($out, $err) = ('', '');
	my $good = eval {
		IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-c', $query ],
			'<', '/dev/null', '>', \$out, '2>', \$err);
	};
	chomp $out;
	# the statement itself is wrong, or no server has executed it
	BAIL_OUT("$query: $err") if !$good && $err =~ /ERROR:/ && $err !~ /terminating|canceling/;
	return $good ? $out : undef;
}

# The answer to a query, which a server that is just starting gives later.
sub sql
{
	my ($query) = @_;
	my $out;
	wait_until($query, sub { defined($out = try_sql($query)) });
	return $out;
}

# Kills the postmaster, and waits until it is gone.
sub kill_postmaster
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	wait_until('end of the postmaster', sub { !kill(0, $pid) });
	return;
}

# Starts a server after its postmaster was killed: what is left of it may still end.
sub start_again
{
	wait_until('start of the server', sub { $node->start(fail_ok => 1) });
	return;
}

# Says to the clients where the server is.
sub tell_clients
{
	my $file = "$directory/connect";
	append_to_file("$file.new", $node->connstr($database) . " user=clock\n");
	rename "$file.new", $file or die "cannot rename: $!";
	return;
}

# A standby that has all that is acknowledged.
sub add_standby
{
	$node->backup('copy' . ++$nodes);
	$standby = PostgreSQL::Test::Cluster->new("standby$nodes");
	$standby->init_from_backup($node, "copy$nodes", has_streaming => 1);
	$standby->start;
	$node->append_conf('postgresql.conf', "synchronous_standby_names = '*'");
	$node->reload;
	# in force when a commit can no longer be acknowledged without the standby
	wait_until('replication', sub { (try_sql("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'") // '') eq 't' });
	wait_until('setting', sub { (try_sql("SHOW synchronous_standby_names") // '') eq '*' });
	return;
}

# The primary is lost, the standby takes its place.
sub promote
{
	kill_postmaster();
	$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$standby->reload;
	$standby->promote;
	my $old = $node;
	($node, $standby) = ($standby, undef);
	$old->teardown_node;
	$old->clean_node;
	tell_clients();
	restart_worker();
	return;
}

# ---------------------------------------------------------------------------
# Clients and kills
# ---------------------------------------------------------------------------

# Starts a client in a process of its own.
sub start_client
{
	my ($number, $seed, $role) = @_;
	$client{$number} = IPC::Run::start([ $^X, "$here/client.pl", $directory, $number, $seed, $role ],
		'<', '/dev/null', '>>', "$directory/log.$number", '2>&1');
	return;
}

# Lets the clients of a role bring to an end what they have begun.
sub finish_clients
{
	my ($role, @numbers) = @_;
	append_to_file("$directory/finish-$role", '');
	for my $number (@numbers)
	{
		my $client = delete $client{$number};
		$client->finish;
		is($client->full_result(0), 0, "client $number ends well") or diag(slurp_file("$directory/log.$number"));
	}
	return;
}

# A noetl-worker, in place of the one that was there.
sub restart_worker
{
	$_->signal('KILL'), eval { $_->finish } for splice @worker;
	push @worker, IPC::Run::start(
		[ 'noetl-worker', '--connect', $node->connstr($database) . ' user=clock', '--types', 'shell', '--lease', '1' ],
		'<', '/dev/null', '>>', "$directory/worker.log", '2>&1');
	return;
}

# The pid of a random process of the server that has a kind of work.
sub some_process
{
	my $pid = try_sql(q{SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type
		IN ('client backend', 'noetl timer', 'noetl timer launcher', 'checkpointer', 'walwriter') ORDER BY random() LIMIT 1});
	return $pid || undef;
}

my %kill = (
	backend => sub {
		my $pid = some_process() or return;
		kill 'KILL', $pid;
	},
	terminate => sub {
		try_sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
			AND backend_type IN ('client backend', 'noetl timer', 'noetl timer launcher') AND random() < 0.6});
	},
	postmaster => sub { kill_postmaster(); start_again(); },
	immediate => sub { $node->stop('immediate', fail_ok => 1); start_again(); },
	worker => sub { restart_worker(); });

# Loads the ledgers of the clients into the table "ledger".
sub load_ledgers
{
	my $text = join('', map { slurp_file($_) } glob("$directory/ledger.*"));
	my $rows = $text =~ tr/\n//;
	append_to_file("$directory/rows", '');
	open my $file, '>', "$directory/rows" or die "cannot write: $!";
	print $file $text;
	close $file;
	sql("TRUNCATE ledger; COPY ledger FROM '$directory/rows'");
	return $rows;
}

# What is acknowledged must be there at any time.
sub check_present
{
	my ($what) = @_;
	load_ledgers();
	is(sql(q{SELECT count(*) FROM ledger WHERE id IS NOT NULL
		AND NOT EXISTS (SELECT FROM noetl.execution AS x WHERE x.execution_id = ledger.id)}),
		'0', "$what: everything acknowledged is there");
	return;
}

# ---------------------------------------------------------------------------
# What has to hold in the end: each query gives what is wrong
# ---------------------------------------------------------------------------

# How often events of a kind happened in each execution of a path.
sub events_of
{
	my ($path, $condition, $wanted) = @_;
	return qq{SELECT x.execution_id, x.status, (SELECT count(*) FROM noetl.event AS e WHERE e.execution_id = x.execution_id AND $condition) AS times
		FROM noetl.execution AS x WHERE x.path = '$path'
		AND (SELECT count(*) FROM noetl.event AS e WHERE e.execution_id = x.execution_id AND $condition) <> $wanted};
}

my @checks = (
	'no client meets an error but those of the kills' => q{SELECT * FROM ledger WHERE kind = 'error'},
	'every execution completes' => q{SELECT execution_id, path, status, error FROM noetl.execution WHERE status <> 'COMPLETED'},
	'no key starts twice' => q{SELECT context ->> 'path', context ->> 'key', count(*) FROM noetl.event
		WHERE event_type = 'execution_start' AND context ->> 'key' NOT LIKE 'd%' GROUP BY 1, 2 HAVING count(*) > 1},
	'a key is its execution' => q{SELECT l.* FROM ledger AS l WHERE l.kind = 'start'
		AND NOT EXISTS (SELECT FROM noetl.event AS e WHERE e.execution_id = l.id AND e.event_type = 'execution_start' AND e.context ->> 'key' = l.key)},
	'each step completes once' => q{SELECT execution_id, node_name, count(*) FROM noetl.event
		WHERE event_type = 'step_completed' GROUP BY 1, 2 HAVING count(*) > 1},
	'each task completes once' => q{SELECT execution_id, node_name, count(*) FROM noetl.event
		WHERE event_type = 'action_completed' AND meta -> 'ignored' IS NULL GROUP BY 1, 2 HAVING count(*) > 1},
	'a task that was reported is done' => q{SELECT l.* FROM ledger AS l WHERE l.kind = 'done' AND NOT EXISTS
		(SELECT FROM noetl.event AS e WHERE e.execution_id = l.id AND e.node_name = l.key AND e.event_type = 'action_completed')},
	'none is reported twice' => q{SELECT id, key, count(*) FROM ledger WHERE kind = 'done' GROUP BY 1, 2 HAVING count(*) > 1},
	'each row is saved once' => q{SELECT x.execution_id, count(s.execution_id) FROM noetl.execution AS x LEFT JOIN saved AS s USING (execution_id)
		WHERE x.path = 'kill/line' GROUP BY 1 HAVING count(s.execution_id) <> 1},
	'each span of time ends one wait' => events_of('kill/line', q{event_type = 'step_completed' AND node_name = 'nap' AND meta ->> 'ended_by' = 'time'}, 1),
	'each moment ends one wait' => events_of('kill/ask', q{event_type = 'step_completed' AND node_name = 'moment' AND meta ->> 'ended_by' = 'time'}, 1),
	'none of them early' => q{SELECT e.* FROM noetl.event AS e JOIN noetl.event AS s ON s.execution_id = e.execution_id AND s.event_id = e.parent_event_id
		WHERE e.meta ->> 'ended_by' = 'time' AND e.created_at < (s.meta ->> 'until')::timestamptz},
	'what nobody takes in time fails once' => events_of('kill/line', q{event_type = 'action_error' AND meta ->> 'kind' = 'queue_timeout' AND node_name = 'late'}, 1),
	'what is not done in time fails once' => events_of('kill/line', q{event_type = 'action_error' AND node_name = 'lost'}, 1),
	'each signal is received once' => q{SELECT l.key, l.id, l.n FROM ledger AS l WHERE l.kind = 'signal' AND (SELECT count(*) FROM noetl.event AS e
		WHERE e.execution_id = l.id AND e.event_type = 'signal_received' AND e.context #>> '{id}' = 'id ' || l.n) <> 1},
	'each signal ends the wait that is its own' => q{SELECT l.key, l.id FROM ledger AS l WHERE l.kind = 'ask'
		AND (SELECT string_agg(e.node_name || (e.result ->> 'data'), ' ' ORDER BY e.event_id) FROM noetl.event AS e
		     WHERE e.execution_id = l.id AND e.event_type = 'step_completed' AND e.node_name IN ('one', 'two')) IS DISTINCT FROM 'one1 two2'},
	'each message ends the wait that is its own' => q{SELECT l.key, l.id FROM ledger AS l WHERE l.kind = 'mail'
		AND (SELECT string_agg(e.result ->> 'data', ' ') FROM noetl.event AS e
		     WHERE e.execution_id = l.id AND e.event_type = 'step_completed' AND e.node_name = 'start') IS DISTINCT FROM l.key},
	'no signal and no message is left' => q{SELECT execution_id::text FROM noetl.signal WHERE NOT taken UNION ALL SELECT key FROM noetl.message WHERE NOT taken},
	# by itself, unless its time had come before the server read it
	'what begins later begins once' => events_of('kill/begun', q{event_type = 'execution_due'},
		q{(SELECT count(*) FROM noetl.event AS s WHERE s.execution_id = x.execution_id AND s.event_type = 'execution_start'
			AND (s.meta ->> 'run_at')::timestamptz > s.created_at)}),
	'and not early' => q{SELECT d.* FROM noetl.event AS d JOIN LATERAL (SELECT (p.meta ->> 'run_at')::timestamptz AS at FROM noetl.event AS p
		WHERE p.execution_id = d.execution_id AND p.event_id < d.event_id AND p.event_type IN ('execution_start', 'execution_rescheduled')
		ORDER BY p.event_id DESC LIMIT 1) AS p ON true WHERE d.event_type = 'execution_due' AND d.created_at < p.at},
	'each call of debounce counts' => q{SELECT l.* FROM ledger AS l WHERE l.kind = 'debounce' AND NOT EXISTS (SELECT FROM noetl.event AS e
		WHERE e.execution_id = l.id AND e.event_type IN ('execution_start', 'execution_rescheduled') AND (e.context #>> '{workload,n}')::int = l.n)},
	'the newest of them wins' => q{SELECT w.execution_id FROM noetl.workload AS w JOIN LATERAL (SELECT e.context -> 'workload' AS of FROM noetl.event AS e
		WHERE e.execution_id = w.execution_id AND e.event_type IN ('execution_start', 'execution_rescheduled') ORDER BY e.event_id DESC LIMIT 1) AS newest ON true
		JOIN noetl.execution AS x USING (execution_id) WHERE x.path = 'kill/begun' AND NOT w.data @> newest.of},
	'no tick is served twice' => q{SELECT x.schedule, w.data #>> '{schedule,at}', count(*) FROM noetl.workload AS w JOIN noetl.execution AS x USING (execution_id)
		WHERE x.schedule IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1},
	'no tick is missed' => q{SELECT schedule, min(at), max(at), count(*) FROM (SELECT x.schedule, (w.data #>> '{schedule,at}')::timestamptz AS at
		FROM noetl.workload AS w JOIN noetl.execution AS x USING (execution_id) WHERE x.schedule IN ('all', 'clock')) AS t
		GROUP BY 1 HAVING count(*) <> extract(epoch FROM max(at) - min(at)) + 1},
	'every execution follows from its log' => q{SELECT x.execution_id, x.path, v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v},
	'nothing is left behind' => q{SELECT execution_id, step_name FROM noetl.run UNION ALL SELECT execution_id, node_name FROM noetl.queue},
	'nothing failed in the dark' => q{SELECT * FROM noetl.reaper_failure WHERE error NOT LIKE '%terminating%'});

# ---------------------------------------------------------------------------
# One seed
# ---------------------------------------------------------------------------

# Kills, again and again; after each kill looks whether all that was acknowledged is there.
sub play
{
	my ($seed, $with_standby) = @_;
	my @ways = qw(backend backend postmaster immediate terminate worker);
	my $promotion = $with_standby ? 1 + int(rand($kills - 1)) : -1;
	for my $turn (1 .. $kills)
	{
		my $way = $turn == $promotion + 1 ? 'promote' : $ways[ int(rand(@ways)) ];
		sleep 0.3 + rand(1);
		$way eq 'promote' ? promote() : $kill{$way}->();
		$did{$way}++;
		check_present("seed $seed, kill $turn ($way)");
	}
	return;
}

# Brings everything to its end.
sub settle
{
	my ($seed) = @_;
	finish_clients('starter', 1 .. 3);
	my $now = sql('SELECT clock_timestamp()');
	wait_until('schedules', sub { (try_sql("SELECT bool_and(next_at > '$now') FROM noetl.schedule") // '') eq 't' });
	sql('SELECT count(noetl.unschedule(name)) FROM noetl.schedule');
	my $until = time + $patience;
	sleep 0.2 until (try_sql(q{SELECT NOT EXISTS (SELECT FROM noetl.execution WHERE status IN ('RUNNING', 'SCHEDULED'))}) // '') eq 't' || time > $until;
	finish_clients('worker', 4, 5);
	return;
}

sub run_seed
{
	my ($seed) = @_;
	my $with_standby = $seed % 5 == 0;
	srand($seed);
	$database = "seed$seed";
	$directory = PostgreSQL::Test::Utils::tempdir();
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	system_or_bail('psql', '-Xqo', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', "$here/setup.sql");
	tell_clients();
	add_standby() if $with_standby;
	start_client($_, $seed, 'starter') for 1 .. 3;
	start_client($_, $seed, 'worker') for 4, 5;
	restart_worker();
	play($seed, $with_standby);
	settle($seed);
	my $noted = load_ledgers();
	$acknowledged += $noted;
	cmp_ok($noted, '>', 0, "seed $seed: clients were answered");
	cmp_ok(sql("SELECT count(*) FROM noetl.execution WHERE schedule = '$_'"), '>', 1, "schedule $_ was due") for qw(all clock);
	for (my $i = 0; $i < @checks; $i += 2)
	{
		is(sql($checks[ $i + 1 ]), '', "seed $seed: $checks[$i]");
	}
	note(sprintf 'seed %d: %d acknowledged, %d executions, %d events', $seed, $noted,
		split(/\|/, sql('SELECT (SELECT count(*) FROM noetl.execution), (SELECT count(*) FROM noetl.event)')));
	$_->signal('KILL'), eval { $_->finish } for splice @worker;
	return if $seed == $first + $seeds - 1;
	wait_until('end of the database', sub { $node->psql('postgres', "DROP DATABASE $database WITH (FORCE)") == 0 });
	return;
}

$node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'noetl'
noetl.timer = on
restart_after_crash = on
max_worker_processes = 16
max_connections = 40
shared_buffers = 64MB
fsync = off
log_statement = none
});
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE clock LOGIN');
run_seed($_) for $first .. $first + $seeds - 1;
note("$seeds seeds, $acknowledged acknowledged; kills: " . join(', ', map { "$_ $did{$_}" } sort keys %did));
$node->stop;

# However the test ends, no client stays behind.
END
{
	my $status = $?;
	$_->kill_kill for grep { defined } values %client, @worker;
	$? = $status;
}

done_testing();
