# Two tenants in one database, with noetl.isolation on: who may do what with whose
# execution.  The roles are those of noetl.create_roles().
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
	SELECT noetl.create_roles();
	SELECT noetl.create_roles();
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE ann LOGIN;
	CREATE ROLE worker LOGIN; CREATE ROLE otherworker LOGIN; CREATE ROLE boss LOGIN; CREATE ROLE reader LOGIN;
	GRANT noetl_client TO alice, bob, ann;
	GRANT EXECUTE ON FUNCTION noetl.heartbeat, noetl.release, noetl.complete, noetl.fail, noetl.verify,
	    noetl.rebuild, noetl.enqueue_next TO alice, bob, ann;
	GRANT alice TO ann;
	GRANT noetl_worker TO worker, otherworker;
	GRANT noetl_admin TO boss;
	GRANT noetl_reader TO reader;
	SELECT noetl.register('apiVersion: noetl.io/v1
kind: Playbook
path: shared
workflow:
- {step: a, type: python, code: x}');
	});

# Runs SQL as a role; returns what was printed, and the error.
sub as_role
{
	my ($role, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role", on_error_stop => 1);
	return ($stdout, $stderr);
}

my ($id, $queue_id, $child);
my ($others) = as_role('bob', "SELECT noetl.execute('shared')");

# A new execution of alice's, whose task "worker" has leased under the name w1.
sub fresh
{
	my ($leased) = @_;
	$node->safe_psql('postgres', "SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING' AND execution_id <> $others");
	($id) = as_role('alice', "SELECT noetl.execute('shared')");
	$queue_id = $node->safe_psql('postgres', "SELECT queue_id FROM noetl.queue WHERE execution_id = $id");
	if ($leased)
	{
		$node->safe_psql('postgres', "UPDATE noetl.queue SET priority = 9 WHERE queue_id = $queue_id");
		my ($got, $error) = as_role('worker', "SELECT queue_id FROM noetl.lease('w1')");
		is($got, $queue_id, 'a worker leases the task of whichever tenant') or diag($error);
	}
	return;
}

my %what = (
	'execution_cancelled' => sub { "INSERT INTO noetl.event (execution_id, event_type) VALUES ($id, 'execution_cancelled')" },
	'execution_complete' => sub { "INSERT INTO noetl.event (execution_id, event_type) VALUES ($id, 'execution_complete')" },
	'execution_failed' => sub { "INSERT INTO noetl.event (execution_id, event_type) VALUES ($id, 'execution_failed')" },
	'step_completed' => sub { "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'step_completed', 'a')" },
	'step_failed' => sub { "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'step_failed', 'a')" },
	'step_skipped' => sub { "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'step_skipped', 'a')" },
	'a note' => sub { "INSERT INTO noetl.event (execution_id, event_type) VALUES ($id, 'note')" },
	'a child' => sub { "INSERT INTO noetl.event (event_type, context, parent_execution_id) VALUES ('execution_start', '{\"path\": \"shared\"}', $id)" },
	'cancel()' => sub { "SELECT noetl.cancel($id)" },
	'status()' => sub { "SELECT noetl.status($id)" },
	'timeline()' => sub { "SELECT * FROM noetl.timeline($id)" },
	'progress()' => sub { "SELECT * FROM noetl.progress($id)" },
	'why()' => sub { "SELECT * FROM noetl.why($id)" },
	'report()' => sub { "SELECT noetl.report($id)" },
	'explain()' => sub { "SELECT noetl.explain('$id')" },
	'verify()' => sub { "SELECT noetl.verify($id)" },
	'rebuild()' => sub { "SELECT noetl.rebuild($id)" },
	'enqueue_next()' => sub { "SELECT noetl.enqueue_next($id)" });
# About the task, under the name of the worker that holds the lease
my %task = map { my $type = $_;
	("$type of w1" => sub { "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($id, '$type', 'a', 'w1')" })
} qw(action_started action_completed action_error result note iterator_started iteration_started iteration_completed
	iteration_failed iterator_completed save_started save_completed save_failed);
$task{'complete()'} = sub { "SELECT noetl.complete($queue_id, '1', 'w1')" };
$task{'fail()'} = sub { "SELECT noetl.fail($queue_id, 'x', 'w1')" };
$task{'heartbeat()'} = sub { "SELECT noetl.heartbeat($queue_id, 'w1')" };
$task{'release()'} = sub { "SELECT noetl.release($queue_id, 'w1')" };

my $refused = qr/permission denied for (execution|task|function|table)/;

# One cell of the matrix
sub cell
{
	my ($role, $name, $sql, $allowed) = @_;
	my ($out, $error) = as_role($role, $sql);
	if ($allowed) { is($error, '', "$role: $name"); }
	else { like($error, $refused, "$role may not: $name"); }
	return;
}

foreach my $name (sort keys %what)
{
	foreach my $role (qw(alice ann boss postgres bob worker))
	{
		fresh(0);
		cell($role, $name, $what{$name}->(), $role !~ /^(bob|worker)$/);
	}
}
foreach my $name (sort keys %task)
{
	foreach my $role (qw(worker alice ann boss postgres otherworker bob))
	{
		fresh(1);
		cell($role, $name, $task{$name}->(), $role !~ /^(otherworker|bob)$/);
	}
}
# What follows happened to nobody else's execution
is($node->safe_psql('postgres', "SELECT status FROM noetl.execution WHERE execution_id = $others"), 'RUNNING', 'and no other execution was touched');

# A lease ends with the task, and is good for its own task and worker only
fresh(1);
foreach my $type ('step_completed', 'execution_complete', 'execution_cancelled')
{
	my ($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($id, '$type', 'a', 'w1')");
	like($error, $refused, "a lease is no right to send $type");
}
my ($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($id, 'action_completed', 'a', 'w2')");
like($error, $refused, 'another worker_id is no right');
($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'action_completed', 'a')");
like($error, $refused, 'nor is none');
($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($id, 'action_completed', 'b', 'w1')");
like($error, $refused, 'nor is another step');
($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, parent_event_id, catalog_id, created_at) VALUES ($id, 'note', 'a', 'w1', 1, 99, '2020-01-01')");
is($error, '', 'what the holder says of the run');
is($node->safe_psql('postgres', "SELECT parent_event_id = (SELECT event_id FROM noetl.queue WHERE queue_id = $queue_id), catalog_id, created_at > now() - interval '1 h' FROM noetl.event WHERE execution_id = $id AND event_type = 'note'"),
	't|1|t', 'is about its own lease, playbook and time');
$node->safe_psql('postgres', "UPDATE noetl.queue SET leased_by = NULL WHERE queue_id = $queue_id");
($out, $error) = as_role('worker', "SELECT noetl.complete($queue_id, '1', 'w1')");
like($error, $refused, 'a lease of nobody is no right');
$node->safe_psql('postgres', "UPDATE noetl.queue SET leased_by = 'worker'::regrole WHERE queue_id = $queue_id");
($out, $error) = as_role('worker', "SELECT noetl.heartbeat($queue_id, 'w1'), noetl.release($queue_id, 'w1')");
is($out, 't|t', 'the holder extends the lease and gives it back');
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.queue WHERE execution_id = $id AND leased_by IS NULL AND worker_id IS NULL"), '1', 'the row names nobody then');
($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES ($id, 'action_completed', 'a', 'w1')");
like($error, $refused, 'after which it has no right');
($out, $error) = as_role('alice', "INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'action_started', 'a')");
is($node->safe_psql('postgres', "SELECT status, leased_by::regrole FROM noetl.queue WHERE execution_id = $id"), 'leased|alice', 'an action_started without a worker_id leases for its role');

# The broker's own types, also in one's own execution
foreach my $type ('execution_adopted', 'step_started', 'action_retry')
{
	foreach my $role ('alice', 'bob', 'boss', 'worker')
	{
		($out, $error) = as_role($role, "INSERT INTO noetl.event (execution_id, event_type, node_name, parent_execution_id) VALUES ($id, '$type', 'a', $others)");
		like($error, qr/events of type "$type" are the broker's own/, "$role sends no $type");
	}
}
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.execution WHERE parent_execution_id IS NOT NULL AND execution_id IN ($id, $others)"), '0', 'nobody was given a parent');

# Adoption
fresh(1);
foreach my $whose ([ 'alice', $others ], [ 'worker', $others ], [ 'worker', '1' ], [ 'alice', '1' ])
{
	my ($role, $named) = @$whose;
	($out, $error) = as_role($role, "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, context) VALUES ($id, 'iteration_started', 'a', 'w1', '{\"child_execution_id\": $named}')");
	like($error, qr/permission denied for execution $named/, "$role adopts no execution that is another's");
}
is($node->safe_psql('postgres', "SELECT parent_execution_id IS NULL FROM noetl.execution WHERE execution_id = $others"), 't', 'which has no parent');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION noetl.execute TO worker');
($child, $error) = as_role('worker', "SELECT noetl.execute('shared')");
($out, $error) = as_role('worker', "INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, context) VALUES ($id, 'iteration_started', 'a', 'w1', '{\"child_execution_id\": $child}')");
is($error, '', 'a worker names the child that it has started');
is($node->safe_psql('postgres', "SELECT parent_execution_id FROM noetl.execution WHERE execution_id = $child"), $id, 'which is adopted');
($out, $error) = as_role('bob', q{INSERT INTO noetl.event (event_type, context, parent_execution_id) VALUES ('execution_start', '{"path": "shared"}', 4711)});
like($error, qr/permission denied for execution 4711/, 'a parent that does not exist is refused');

# A membership that is taken back counts at once, also in an open session
($out, $error) = as_role('ann', "SELECT noetl.acts_for('alice'::regrole)");
is($out, 't', 'a member acts for the role');
($out, $error) = as_role('boss', "SELECT noetl.status($id) IS NOT NULL; SET ROLE alice");
like($error, qr/permission denied to set role/, 'an admin acts for a role without being it');
($out, $error) = as_role('postgres', qq{
	SET ROLE ann;
	SELECT noetl.acts_for('alice'::regrole);
	RESET ROLE;
	REVOKE alice FROM ann;
	SET ROLE ann;
	SELECT noetl.acts_for('alice'::regrole);
	SELECT noetl.cancel($id)});
is($out, "t\nf", 'a membership that is taken back counts no more, in the same session too');
like($error, $refused, 'so a former member does not cancel');

# Reading
foreach my $table (qw(execution event workload event_log workflow transition queue))
{
	my $count = "SELECT count(DISTINCT execution_id) FROM noetl.$table WHERE execution_id IN ($id, $others)";
	foreach my $role (qw(alice bob boss reader))
	{
		($out, $error) = as_role($role, $count);
		my $expected = { alice => $id, bob => $others }->{$role};
		$expected = $table eq 'transition' || $role eq 'reader' ? 0 : $role eq 'boss' ? 2 : 1;
		is($out, $expected, "$role reads $expected of 2 in $table");
	}
}
($out, $error) = as_role('bob', "SELECT DISTINCT execution_id = $others FROM noetl.event WHERE execution_id IN ($id, $others)");
is($out, 't', 'it is its own');
($out, $error) = as_role('worker', "SELECT count(*) FROM noetl.queue WHERE execution_id = $id");
is($out, '1', 'a worker reads the queue');
($out, $error) = as_role('bob', q{INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "shared"}') RETURNING execution_id > 0});
is($out, 't', 'INSERT … RETURNING shows the new execution') or diag($error);
foreach my $function ('status', 'timeline', 'progress', 'why', 'report', 'explain')
{
	my $arguments = $function eq 'explain' ? "'$id', 'text'" : $id;
	foreach my $role ('alice', 'bob', 'boss', 'reader')
	{
		($out, $error) = as_role($role, "SELECT noetl.${function}_unchecked($arguments)");
		like($error, qr/permission denied for function ${function}_unchecked/, "$role: the unchecked $function is nobody's");
	}
	($out, $error) = as_role('reader', "SELECT count(*) FROM noetl.$function(" . ($function eq 'explain' ? "'$id'" : $id) . ')');
	like($error, $refused, "reader: $function of another's execution");
}
# In the list of columns, too, and for more than one execution in a statement
($out, $error) = as_role('boss', "SELECT count(*) FROM (SELECT noetl.timeline(x), noetl.status(x) FROM unnest(ARRAY[$id, $others]) AS x) AS t");
is($out, '2', 'an admin reads timelines of both') or diag($error);
($out, $error) = as_role('bob', "SELECT noetl.timeline(x) FROM unnest(ARRAY[$others, $id]) AS x");
like($error, qr/permission denied for execution $id/, 'after one\'s own another\'s is refused');
# Views of operators show one's own part
$node->safe_psql('postgres', "SELECT noetl.release(queue_id, worker_id) FROM noetl.queue WHERE status = 'leased'; UPDATE noetl.queue SET priority = 9 WHERE execution_id = $id");
($out, $error) = as_role('worker', "SELECT execution_id = $id FROM noetl.lease('w1')");
is($out, 't', 'a worker has a task of one tenant');
$node->safe_psql('postgres', "SELECT noetl.announce('idle')");
my %seen = (alice => 'w1|1', bob => '', reader => '', boss => 'w1|1', postgres => 'w1|1');
foreach my $role (sort keys %seen)
{
	($out, $error) = as_role($role, "SELECT worker_id, in_flight FROM noetl.worker WHERE in_flight > 0");
	is($out, $seen{$role}, "$role: workers that have tasks of its executions") or diag($error);
	($out, $error) = as_role($role, "SELECT bool_or(worker_id <> 'w1') FROM noetl.worker");
	is($out, { boss => 't', postgres => 't', alice => 'f' }->{$role} // '', "$role: and the others, if it is an admin") or diag($error);
	($out, $error) = as_role($role, "SELECT sum(ready + leased) FROM noetl.backlog");
	is($out, { alice => 1, bob => 2, reader => '' }->{$role} // 4, "$role: backlog") or diag($error);
}
($out, $error) = as_role('bob', 'SELECT noetl.metrics()');
like($error, qr/permission denied for function metrics/, 'metrics are an administrator\'s');
# The graph of a playbook is for who may start it
($out, $error) = as_role('bob', "SELECT noetl.explain('shared') <> ''");
is($out, 't', 'the graph of a playbook') or diag($error);
$node->safe_psql('postgres', "SELECT noetl.revoke_execute('shared', 'public')");
($out, $error) = as_role('bob', "SELECT noetl.explain('shared')");
like($error, qr/permission denied for playbook "shared"/, 'is refused to who may not start it');
($out, $error) = as_role('boss', "SELECT noetl.explain('shared') <> '', noetl.execute('shared') > 0");
is($out, 't|t', 'administrators may both') or diag($error);
$node->safe_psql('postgres', "SELECT noetl.grant_execute('shared', 'public')");
($out, $error) = as_role('bob', "SELECT noetl.status(1) IS NULL");
is($out, 't', 'what does not exist has no status');

# Off
($out, $error) = as_role('bob', "SELECT noetl.acts_for('alice'::regrole); SET noetl.isolation = off");
like($error, qr/permission denied to set parameter "noetl.isolation"/, 'a client cannot switch it off');
($out, $error) = as_role('bob', "SET noetl.isolation = off; SELECT noetl.cancel($id)");
like($error, $refused, 'before the library is loaded neither');
$node->append_conf('postgresql.conf', 'noetl.isolation = off');
$node->reload;
($out, $error) = as_role('bob', "SELECT pg_sleep(0.2); SELECT noetl.status($id) IS NOT NULL; SELECT noetl.cancel($id)");
like($out, qr/t\nt$/, 'off: the privilege is enough') or diag($error);

$node->stop;
done_testing();
