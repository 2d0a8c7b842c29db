# A dump with executions in flight restores exactly: the rows are the same,
# nothing is decided anew, and both databases come to the same end.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE DATABASE a');
$node->safe_psql('postgres', 'CREATE DATABASE b');
$node->safe_psql('a', 'CREATE EXTENSION noetl');

sub register
{
	my ($yaml) = @_;
	return $node->safe_psql('a', "SELECT noetl.register(\$yaml\$$yaml\$yaml\$)");
}

# One task that is due, as (queue_id, node_name); nothing when none is.
sub lease
{
	my ($db, $worker) = @_;
	my $row = $node->safe_psql($db,
		"SELECT queue_id, node_name FROM noetl.lease('$worker', 1, '1 hour')");
	return split(/\|/, $row);
}

sub complete
{
	my ($db, $worker, $queue_id) = @_;
	return $node->safe_psql($db,
		"SELECT noetl.complete($queue_id, '{\"ok\": true}', '$worker')");
}

# Works until every execution has ended, retries that are not due yet included.
sub drain
{
	my ($db) = @_;
	foreach my $attempt (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		while (my ($queue_id) = lease($db, 'drain'))
		{
			complete($db, 'drain', $queue_id);
		}
		return 1
		  if $node->safe_psql($db, 'SELECT count(*) FROM noetl.queue') eq '0';
		usleep(100_000);
	}
	return 0;
}

# What happened, without times and ids that may differ.
sub story
{
	my ($db) = @_;
	return $node->safe_psql(
		$db, q{
		SELECT execution_id, string_agg(event_type || ' ' || coalesce(node_name, ''), E'\n' ORDER BY event_id)
		  FROM noetl.event GROUP BY execution_id ORDER BY execution_id});
}

# A fingerprint of every table of the extension.
sub contents
{
	my ($db) = @_;
	my $tables = $node->safe_psql(
		$db, q{
		SELECT c.oid::regclass FROM pg_class c
		 WHERE c.relnamespace = 'noetl'::regnamespace AND c.relkind = 'r'
		   AND c.relpersistence = 'p' ORDER BY 1});
	my $result = '';
	foreach my $table (split(/\n/, $tables))
	{
		$result .= "$table " . $node->safe_psql($db,
			"SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM ONLY $table t") . "\n";
	}
	return $result;
}

register(<<'YAML');
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: dump/branches}
workflow:
  - step: start
    next: first
  - step: first
    tool: task
    next: [left, right]
  - step: left
    tool: task
    next: both
  - step: right
    tool: task
    next: both
  - step: both
    tool: task
    next: end
  - step: end
    result: "{{ both.ok }}"
YAML

register(<<'YAML');
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: dump/retry}
workflow:
  - step: start
    next: flaky
  - step: flaky
    tool: task
    retry: {max_attempts: 3, initial_delay: 2, jitter: false}
    next: end
  - step: end
YAML

# One execution has ended, one waits at a join with a task in a worker's hands,
# one waits for its retry, one has just been started.
$node->safe_psql('a', "SELECT noetl.execute('dump/branches')");
ok(drain('a'), 'an execution ends');

$node->safe_psql('a', "SELECT noetl.execute('dump/branches')");
my ($queue_id) = lease('a', 'w');
complete('a', 'w', $queue_id);
($queue_id) = lease('a', 'w');
complete('a', 'w', $queue_id);
my ($in_hands, $name) = lease('a', 'w');
is($name, 'right', 'one branch has arrived, the other is being worked on');

$node->safe_psql('a', "SELECT noetl.execute('dump/retry')");
($queue_id) = lease('a', 'w');
is( $node->safe_psql(
		'a', "SELECT noetl.fail($queue_id, 'not today', 'w')"),
	't',
	'a failure is recorded and the step will be repeated');

$node->safe_psql('a', "SELECT noetl.execute('dump/branches')");

my $dump = $node->basedir . '/a.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('a') ],
	'pg_dump succeeds');
$node->command_ok(
	[
		'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump,
		$node->connstr('b')
	],
	'the dump loads');

is(contents('b'), contents('a'), 'every row is as it was');
is( $node->safe_psql('b', 'SELECT noetl.enqueue_next()'),
	'0', 'there is nothing to catch up with');

foreach my $db ('a', 'b')
{
	is(complete($db, 'w', $in_hands), 't',
		"$db: the worker that held a task may report it");
	ok(drain($db), "$db: all executions end");
}
is(story('b'), story('a'), 'in both databases the same happened');
is( $node->safe_psql(
		'b', q{
		SELECT count(DISTINCT execution_id), count(*)
		  FROM noetl.event WHERE event_type = 'execution_complete'}),
	'4|4',
	'each execution completed once');

# New ids do not collide with restored ones.
isnt(
	$node->safe_psql(
		'b', "SELECT noetl.register(content, 'dump/again') FROM noetl.catalog LIMIT 1"),
	'', 'a playbook can be registered');
$node->safe_psql('b', "SELECT noetl.execute('dump/branches')");
ok(drain('b'), 'the restored database goes on');

$node->stop;
done_testing();
