# Who waits for work is woken by what makes a task ready, and nothing of the wait outlives
# it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/one
workflow:
- {step: a, type: python, code: x}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/two
workflow:
- {step: a, type: python, code: x, next: [b, c]}
- {step: b, type: python, code: x}
- {step: c, type: python, code: x}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/types
workflow:
- {step: a, type: python, code: x, next: [b, c]}
- {step: b, type: shell, command: x}
- {step: c, type: python, code: x}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/short
timeout: 0.2
workflow:
- {step: a, type: shell, command: x}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/calls
workflow:
- {step: a, type: playbook, path: wakes/short, on_error: continue, next: b}
- {step: b, type: python, code: x}
');
	SELECT noetl.register(format('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/%1$s_%2$s
%3$s
workflow:
- {step: a, type: %2$s, command: x, code: x%4$s}
', word, type, of_execution, of_task)) FROM (VALUES ('turn', 'limits: {name: turn, concurrency: 1}', ''),
		('rate', '', ', limits: {name: rate, rate: {limit: 1, per: second}}')) v (word, of_execution, of_task),
		unnest('{shell,python}'::text[]) type;
	CREATE PROCEDURE wait_until(seconds int, asleep boolean) LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + make_interval(secs => seconds);
	BEGIN
		WHILE clock_timestamp() < until LOOP
			EXIT WHEN asleep = EXISTS (
				SELECT FROM pg_stat_activity WHERE query LIKE 'CALL noetl.wait_for_work%' AND state = 'active' AND (NOT asleep OR wait_event = 'Extension'));
			COMMIT;
			PERFORM pg_sleep(0.05);
		END LOOP;
	END
	$$});

isnt($node->psql('postgres', q{
	CALL noetl.wait_for_work('1 s', string_to_array(repeat('a,', 64) || 'a', ','))}), 0, 'nobody waits for more than 64 types');
is( sql(q{CALL noetl.wait_for_work('0.01 s', string_to_array(repeat('a,', 63) || 'a', ','));
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), "f\n0", 'no lock outlives the wait');
my ($status, $out, $error) = $node->psql('postgres', q{
	SET statement_timeout = '200 ms';
	CALL noetl.wait_for_work('1 hour', '{a,b}');
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
}, on_error_stop => 0);
is($out, '0', 'nor a wait that is cancelled');
is( sql(q{CALL noetl.wait_for_execution(noetl.execute('wakes/one'), '0.01 s');
	CALL noetl.wait_for_change('0.01 s');
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) =~ s/.*\n//sr, '0', '... of an end or a change');

# Who waits and is not woken sleeps: it looks when it begins and when its time is over, and
# each look is a transaction.
sub transactions
{
	$node->restart;    # what sessions have counted is written by then
	return sql(q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'});
}
my @looks;
foreach my $seconds ('0.01', '8')
{
	my $before = transactions();
	is(sql(qq{CALL noetl.wait_for_work('$seconds s', '{none}')}), 'f', "nothing comes in $seconds s");
	push @looks, transactions() - $before;
}
cmp_ok($looks[1], '<=', $looks[0] + 3, 'who waits for long looks hardly more often than who waits for a moment');

# Who waits for ever, and is woken again and again in vain, takes no more memory by that.
sub used_by
{
	my ($pid, $offset) = ($_[0], -s $node->logfile);
	sql("SELECT pg_log_backend_memory_contexts($pid)");
	$node->wait_for_log(qr/\[$pid\] .*Grand total: .* used/, $offset);
	return (slurp_file($node->logfile, $offset) =~ /\[$pid\] .*Grand total: .* (\d+) used/)[0];
}
sub wake_in_vain
{
	sql(qq{
		DO \$\$
		BEGIN
			FOR i IN 1 .. $_[0] LOOP
				PERFORM noetl.cancel(noetl.execute('wakes/one'));
				COMMIT;
				PERFORM pg_sleep(0.005);
			END LOOP;
		END
		\$\$});
	return;
}
sql('TRUNCATE noetl.queue');
my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL noetl.wait_for_work(NULL)' ],
	'>', \my $ended, '2>', \my $cancelled, IPC::Run::timeout(300));
sql('CALL wait_until(60, true)');
my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL noetl.wait_for_work%'});
wake_in_vain(20);
my $used = used_by($pid);
wake_in_vain(300);
cmp_ok(used_by($pid) - $used, '<', 20000, 'a wait that looks hundreds of times takes no more memory');
sql("SELECT pg_cancel_backend($pid)");
$waiter->finish;

# Lets somebody wait for a type for an hour, while its only task is leased for longer; what
# makes a task of the type ready must end the wait; $before is done before.  Who waits
# looks by itself after 30 seconds, so the wait must end in 20.  On a machine that stands
# still for so long another try may show it.
sub woken_by
{
	my ($what, $name, $before) = @_;
	my $woken = 0;
	for (my $try = 0; $try < 3 && !$woken; $try++)
	{
		sql(q{
			TRUNCATE noetl.queue;
			SELECT noetl.execute('wakes/one');
			SELECT noetl.lease('w1', 1, '2 hours')});
		sql($before) if $before;
		my ($done, $due) = ('', '');
		my $waker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \qq{
			CALL wait_until(60, true);
			$what;
			CALL wait_until(20, false);
			SELECT 'slept on' WHERE (SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
			 WHERE query LIKE 'CALL noetl.wait_for_work%' AND state = 'active') > 0;}, '>', \$done, IPC::Run::timeout(300));
		my $waiter = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL noetl.wait_for_work('1 hour', '{python}')} ],
			'>', \$due, '2>', \$due, IPC::Run::timeout(300));
		$waker->finish;
		$waiter->finish;
		$woken = $due eq "t\n" && $done !~ /slept on/;
	}
	ok($woken, "$name wakes who waits for the type");
}

woken_by(q{SELECT noetl.execute('wakes/one')}, 'a start');
woken_by(q{SELECT noetl.release(queue_id, 'w1') FROM noetl.queue}, 'release');
woken_by(q{
	UPDATE noetl.queue SET lease_until = now() - interval '1 s', max_attempts = 3;
	SELECT noetl.enqueue_next()}, 'the reaper');
woken_by(q{
	DELETE FROM noetl.queue;
	SELECT noetl.rebuild(execution_id) FROM noetl.execution WHERE status = 'RUNNING'
	 ORDER BY started_at DESC LIMIT 1}, 'rebuild');
woken_by(q{
	INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
	SELECT execution_id, catalog_id, node_id, node_name, node_type, action FROM noetl.queue, generate_series(1, 2);
	SELECT noetl.lease('w2', 1)}, 'a lease that leaves others behind');
woken_by(q{SELECT count(*) FROM noetl.queue q, noetl.complete_and_lease(q.queue_id, NULL, 'w1')},
	'who completes a task and takes one of the two that follow', q{
	DELETE FROM noetl.queue;
	SELECT noetl.execute('wakes/two');
	SELECT noetl.lease('w1', 1, '2 hours')});
woken_by(q{SELECT count(*) FROM noetl.queue q, noetl.complete_and_lease(q.queue_id, NULL, 'w1', types => '{shell}')},
	'who completes a task and takes the one of another type', q{
	DELETE FROM noetl.queue;
	SELECT noetl.execute('wakes/types');
	SELECT noetl.lease('w1', 1, '2 hours')});
woken_by(q{SELECT noetl.execute('wakes/one', run_at => clock_timestamp() + interval '0.2 s')}, 'a later start');
woken_by(q{SELECT noetl.execute('wakes/calls')}, 'a child whose time is over');
woken_by(q{SELECT noetl.debounce('wakes/one', 'key', '0.1 s')}, 'a start that is brought forward',
	q{SELECT noetl.debounce('wakes/one', 'key', '2 hours')});
woken_by(q{SELECT noetl.execute('wakes/rate_shell'), noetl.execute('wakes/rate_python')}, 'a rate that lets the next task begin');
woken_by(q{SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path = 'wakes/turn_shell' AND status = 'RUNNING'},
	'an execution that hands its slot to the next', q{
	SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path LIKE 'wakes/turn%' AND ended_at IS NULL;
	SELECT noetl.execute('wakes/turn_shell');
	SELECT noetl.execute('wakes/turn_python')});
woken_by('SELECT 1', 'the end of a pause', q{
	SELECT noetl.release(queue_id, 'w1') FROM noetl.queue;
	SELECT noetl.pause(execution_id, until => clock_timestamp() + interval '8 s') FROM noetl.queue});

$node->stop;
done_testing();
