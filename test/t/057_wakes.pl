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
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Waits until a query gives true; false after a minute.
sub wait_for
{
	my ($query) = @_;
	my $until = time + 60;
	while (time < $until)
	{
		return 1 if sql($query) eq 't';
		sleep 0.05;
	}
	return 0;
}

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: wakes/one
workflow:
- {step: a, type: python, code: x}
')});

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

my $active = q{FROM pg_stat_activity WHERE query LIKE 'CALL noetl.wait_for_work%' AND state = 'active'};

# Lets somebody wait for a type for an hour, while its only task is leased for longer; what
# makes a task of the type ready must end the wait.
sub woken_by
{
	my ($what, $name) = @_;
	sql(q{
		TRUNCATE noetl.queue;
		SELECT noetl.execute('wakes/one');
		SELECT noetl.lease('w1', 1, '2 hours')});
	my $out = '';
	my $waiter = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL noetl.wait_for_work('1 hour', '{python}')} ],
		'>', \$out, '2>', \$out, IPC::Run::timeout(300));
	ok(wait_for("SELECT EXISTS (SELECT $active AND wait_event = 'Extension')"), "$name: somebody sleeps");
	sql($what);
	my $woken = wait_for("SELECT NOT EXISTS (SELECT $active)");
	sql("SELECT pg_cancel_backend(pid) $active") unless $woken;
	$waiter->finish;
	is($out, "t\n", "$name wakes who waits for the type");
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
	UPDATE noetl.queue SET status = 'queued', worker_id = NULL, lease_until = NULL;
	INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
	SELECT execution_id, catalog_id, node_id, node_name, node_type, action FROM noetl.queue;
	SELECT noetl.lease('w2', 1)}, 'a lease that leaves others behind');

$node->stop;
done_testing();
