# A role that may insert events and nothing else drives an execution; the
# worker runs with the grants that doc/operations.md names.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	CREATE ROLE client LOGIN;
	GRANT INSERT ON noetl.event TO client;
	CREATE ROLE worker LOGIN;
	GRANT INSERT ON noetl.event TO worker;
	GRANT SELECT ON noetl.queue TO worker;
	GRANT EXECUTE ON FUNCTION noetl.lease, noetl.heartbeat, noetl.release, noetl.complete, noetl.fail,
	    noetl.complete_and_lease TO worker;
	GRANT EXECUTE ON PROCEDURE noetl.wait_for_work TO worker;
	SELECT noetl.register($yaml$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: grants}
workload: {word: hello}
workflow:
  - step: start
    next: say
  - step: say
    tool: shell
    command: "echo {{ workload.word }}"
    next: end
  - step: end
    result: "{{ say }}"
$yaml$)});

# Runs SQL as a role; returns the exit status and what was printed.
sub as_role
{
	my ($role, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role");
	return ($status, $stdout, $stderr);
}

sub executions
{
	return $node->safe_psql('postgres',
		'SELECT status, count(*) FROM noetl.execution GROUP BY status');
}

my ($status, $stdout, $stderr) = as_role('client',
	q{INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "grants"}')});
is($status, 0, 'a client with INSERT on event starts an execution')
  or diag($stderr);
my $id = $node->safe_psql('postgres', 'SELECT execution_id FROM noetl.execution');

foreach my $forbidden (
	'SELECT * FROM noetl.event',
	'SELECT * FROM noetl.queue',
	'DELETE FROM noetl.queue',
	"SELECT noetl.execute('grants')",
	"SELECT noetl.lease('client')",
	"SELECT noetl.register('a: 1')",
	"UPDATE noetl.event SET error = 'forged'")
{
	($status, $stdout, $stderr) = as_role('client', $forbidden);
	like($stderr, qr/permission denied/, "it may not: $forbidden");
}

($status, $stdout, $stderr) = as_role('client', qq{
	INSERT INTO noetl.event (execution_id, event_type, node_name, result)
	VALUES ($id, 'action_completed', 'say', '{"stdout": "hello"}')});
is($status, 0, 'the same client reports the result') or diag($stderr);
is(executions(), 'COMPLETED|1', 'and the execution is complete');

as_role('client',
	q{INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "grants"}')});
$node->command_ok(
	[
		'noetl-worker', '--once', '--connect',
		$node->connstr('postgres') . ' user=worker'
	],
	'the worker drains the queue with its grants');
is(executions(), 'COMPLETED|2', 'and completes the other execution');
($status, $stdout, $stderr) = as_role('worker', 'DELETE FROM noetl.queue');
like($stderr, qr/permission denied/, 'it may not touch the queue by itself');

# Its leases tell which types it takes; who it is it may say with a grant.
sub worker_row
{
	return $node->safe_psql('postgres',
		"SELECT 'shell' = ANY (types), version, host IS NOT NULL FROM noetl.worker WHERE worker_id = 'announced'");
}
my @announced = ('noetl-worker', '--once', '--name', 'announced', '--connect',
	$node->connstr('postgres') . ' user=worker');
$node->command_ok([@announced], 'a worker that may not announce itself works');
is(worker_row(), 't||t', 'what it leases says that it is there');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION noetl.announce TO worker');
$node->command_ok([@announced], 'so does one that may');
like(worker_row(), qr/^t\|[0-9.]+\|t$/, 'and its version is known');

# Whatever settings its role has, it stores the events that it should.
$node->safe_psql('postgres', 'ALTER ROLE worker SET row_security = off');
as_role('client',
	q{INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "grants"}')});
$node->command_ok([ 'timeout', '60', @announced ], 'a worker whose role has row security switched off works');
is($node->safe_psql('postgres', q{SELECT count(*) FROM noetl.event WHERE event_type = 'action_started'
	AND execution_id = (SELECT max(execution_id) FROM noetl.execution)}), '1', 'and logs that it has begun');

# With --once it has to see whether anything is left.
$node->safe_psql('postgres', 'REVOKE SELECT ON noetl.queue FROM worker');
$node->command_fails_like([ 'timeout', '60', @announced ], qr/^[^\n]*executes[^\n]*\n[^\n]*could not look into the queue: permission denied for table queue\n$/,
	'a worker that may not see the queue says so once, and ends');

$node->stop;
done_testing();
