# Schedules, later starts and debounces begin without anybody asking, each time once:
# with several sessions and the timer at once, through crashes, and after a promotion.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $patience = 60;
my $node = PostgreSQL::Test::Cluster->new('main');

# Waits until a query gives true.
sub wait_for
{
	my ($server, $query, $database) = @_;
	my $until = time + $patience;
	while (time < $until)
	{
		my ($status, $out) = eval { $server->psql($database // 'postgres', $query) };
		return 1 if defined $out && $status == 0 && $out eq 't';
		sleep 0.1;
	}
	return 0;
}

# The times that a schedule has served: how many, and whether they are one second apart,
# each with one execution.
sub check_ticks
{
	my ($server, $name, $what) = @_;
	my ($count, $distinct, $span) = split /\|/, $server->safe_psql(
		'postgres', qq{
		SELECT count(*), count(DISTINCT at), extract(epoch FROM max(at) - min(at))::int
		FROM (SELECT (w.data #>> '{schedule,at}')::timestamptz AS at
			FROM noetl.workload w JOIN noetl.execution x USING (execution_id) WHERE x.schedule = '$name') AS t});
	cmp_ok($count, '>', 2, "$what: it was due");
	is($distinct, $count, "$what: no time is served twice");
	is($span, $count - 1, "$what: no time is missed");
}

$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'noetl'
noetl.timer = on
max_worker_processes = 16
log_min_messages = warning
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: tick, workflow: [{step: end}]}');
	SELECT noetl.schedule('tick', 'tick', 'every 1 second', overlap => 'allow', catch_up => 'all');
});

# the timer alone
$node->safe_psql('postgres', q{SELECT noetl.execute('tick', run_at => now() + interval '0.5 s', labels => '{"n": "later"}');
	SELECT noetl.debounce('tick', 'd', '0.5 s', '{"n": 1}');});
ok(wait_for($node, q{SELECT status = 'COMPLETED' FROM noetl.execution WHERE labels @> '{"n": "later"}'}), 'the timer begins what is scheduled');
ok(wait_for($node, q{SELECT x.status = 'COMPLETED' FROM noetl.start_key k JOIN noetl.execution x USING (execution_id) WHERE key = 'd'}),
	'the timer begins what was debounced');
ok(wait_for($node, q{SELECT count(*) > 2 FROM noetl.execution WHERE schedule = 'tick'}), 'the timer serves a schedule');

# Where nothing is due for long, and so nobody looks: what is put forward is heard of, and so
# is a schedule whose time was set by hand, once somebody has come by.
$node->safe_psql('postgres', 'CREATE DATABASE quiet');
$node->safe_psql(
	'quiet', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: tick, workflow: [{step: end}]}');
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: work, workflow: [{step: a, type: python, code: x}]}');
	SELECT noetl.debounce('tick', 'd', '1 h');
	SELECT noetl.schedule('work', 'work', '@yearly', overlap => 'allow');
	UPDATE noetl.schedule SET cron = 'every 1 second'});
my $asleep = q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'noetl timer' AND datname = 'quiet'};
sleep 1;
ok(wait_for($node, $asleep), 'nothing is due');
$node->safe_psql('quiet', q{SELECT noetl.debounce('tick', 'd', '0.5 s')});
ok(wait_for($node, q{SELECT status = 'COMPLETED' FROM noetl.execution WHERE schedule IS NULL}, 'quiet'), 'what is put forward begins');
ok(wait_for($node, $asleep), 'nothing is due again');
$node->safe_psql('quiet', q{UPDATE noetl.schedule SET next_at = clock_timestamp(); SELECT pg_sleep(0.01), noetl.enqueue_next()});
ok(wait_for($node, q{SELECT count(*) > 2 FROM noetl.execution WHERE schedule = 'work'}, 'quiet'), 'a schedule goes on from where it was served');
$node->safe_psql('quiet', q{SELECT noetl.unschedule('work')});
# What has waited for the last execution to end begins then.
$node->safe_psql(
	'quiet', q{
	SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
	SELECT noetl.schedule('queued', 'work', '@yearly', overlap => 'queue')});
for my $time (1 .. 2)
{
	$node->safe_psql('quiet', q{UPDATE noetl.schedule SET next_at = clock_timestamp(); SELECT pg_sleep(0.01), noetl.enqueue_next()});
}
is($node->safe_psql('quiet', q{SELECT queued_at IS NOT NULL FROM noetl.schedule}), 't', 'a time waits for the end of the last execution');
ok(wait_for($node, $asleep), 'nothing is due once more');
$node->safe_psql('quiet', q{INSERT INTO noetl.event (execution_id, event_type, node_name) SELECT execution_id, 'action_completed', 'a' FROM noetl.queue});
ok(wait_for($node, q{SELECT count(*) = 2 FROM noetl.execution WHERE schedule = 'queued'}, 'quiet'), 'it begins with this end');
$node->safe_psql('quiet', q{SELECT noetl.unschedule('queued')});
ok(wait_for($node, $asleep), 'nothing is due any more');
$node->safe_psql('quiet', q{SELECT noetl.schedule('new', 'tick', 'every 1 second', overlap => 'allow')});
ok(wait_for($node, q{SELECT count(*) > 1 FROM noetl.execution WHERE schedule = 'new'}, 'quiet'), 'a new schedule is heard of');
$node->safe_psql('quiet', q{SELECT noetl.unschedule('new')});
# A session that has something begin tells the timer when that has to end, also where it goes on
# after a failure, or had to get a slot; and a session that pauses tasks, until when.
my $timeouts = q{SELECT count(*) = %d FROM noetl.event WHERE event_type = 'execution_failed' AND meta ->> 'kind' = 'timed_out'};
$node->safe_psql(
	'quiet', q{
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: slot, timeout: 0.5, limits: {name: single, concurrency: 1}, workflow: [{step: a, type: python, code: x}]}')});
ok(wait_for($node, $asleep), 'nobody looks');
$node->safe_psql('quiet', q{SELECT noetl.execute('slot')});
ok(wait_for($node, sprintf($timeouts, 1), 'quiet'), 'an execution that has got a slot ends in time');
ok(wait_for($node, $asleep), 'nobody looks again');
$node->safe_psql('quiet', q{SELECT noetl.redrive(max(execution_id)) FROM noetl.execution WHERE path = 'slot'});
ok(wait_for($node, sprintf($timeouts, 2), 'quiet'), 'an execution that goes on ends in time');
$node->safe_psql('quiet', q{SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING'; SELECT noetl.execute('work')});
ok(wait_for($node, $asleep), 'nobody looks once more');
$node->safe_psql('quiet', q{SELECT noetl.pause_tasks('work', until => clock_timestamp() + interval '0.5 s')});
is($node->safe_psql('quiet', q{SELECT status FROM noetl.queue}), 'paused', 'a task is paused');
ok(wait_for($node, q{SELECT status = 'queued' FROM noetl.queue}, 'quiet'), 'it is ready when the time has come');

# sessions that lease and wait beside it, and a crash
my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('base');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
for my $round (1 .. 2)
{
	my @sessions = map {
		my %session = (in => '', out => '', err => '');
		$session{run} = IPC::Run::start(
			['psql', '-XqAt', '-d', $node->connstr('postgres')],
			'<', \("SELECT noetl.enqueue_next(); SELECT count(*) FROM noetl.lease('w$_'); CALL noetl.wait_for_work('50 ms');\n" x 2000),
			'>', \$session{out}, '2>', \$session{err});
		\%session;
	} 1 .. 3;
	sleep 2.2;
	$node->stop('immediate');
	$_->{run}->kill_kill for @sessions;
	sleep 1.3;
	$node->start;
	ok(wait_for($node, qq{SELECT count(*) > 4 * $round FROM noetl.execution WHERE schedule = 'tick'}), "it goes on after crash $round");
}
check_ticks($node, 'tick', 'after two crashes');

# a promotion
$node->wait_for_catchup($standby);
$node->stop('fast');
sleep 1.5;
$standby->promote;
my $before = $standby->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution WHERE schedule = 'tick'});
ok(wait_for($standby, qq{SELECT count(*) > $before + 2 FROM noetl.execution WHERE schedule = 'tick'}), 'it goes on after a promotion');
$standby->safe_psql('postgres', q{SELECT noetl.unschedule('tick')});
check_ticks($standby, 'tick', 'after a promotion');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution x, noetl.verify(x.execution_id)}), 0, 'all follow from their logs');
$standby->stop('fast');

done_testing();
