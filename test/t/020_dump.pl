# Executions in flight go through pg_dump and restore exactly as they are, and
# go on where they were.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql(
	'source', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: dump/diamond
workload: {n: 1}
workflow:
- {step: start, next: [left, right]}
- {step: left, type: python, code: x, next: {step: both, data: {l: 1}}}
- {step: right, type: shell, command: x, retry: {max_attempts: 5, initial_delay: 3600}, next: {step: both, data: {r: 2}}}
- {step: both, type: python, code: x, next: end}
- {step: end, result: "{{ both }}"}
');
	-- a path of another role's, which PUBLIC may not start
	CREATE ROLE author; CREATE ROLE team;
	GRANT EXECUTE ON FUNCTION noetl.register TO author;
	SET ROLE author;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: dump/owned, workflow: [{step: end}]}');
	RESET ROLE;
	SELECT noetl.revoke_execute('dump/owned', 'public'), noetl.grant_execute('dump/owned', 'team');
	-- one that is done, one in each state of a run, one not yet decided upon
	SELECT noetl.execute('dump/diamond') AS done \gset
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES
		(:done, 'action_completed', 'left'), (:done, 'action_completed', 'right'), (:done, 'action_completed', 'both');
	SELECT noetl.execute('dump/diamond') AS waiting \gset
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:waiting, 'action_completed', 'left');
	SELECT noetl.execute('dump/diamond') AS retrying \gset
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:retrying, 'action_error', 'right');
	SELECT noetl.execute('dump/diamond') AS leased \gset
	SELECT count(*) FROM noetl.lease('w', 2, '1 h');
	SET noetl.broker = off;
	SELECT noetl.execute('dump/diamond');
});

# The whole state of a database, as text.
my $state = join(
	'; ',
	map { "SELECT '$_', t.* FROM noetl.$_ t ORDER BY t::text" }
	  qw(catalog catalog_path execution workload event run pending queue));

my $before = $node->safe_psql('source', $state);
like($before, qr/catalog_path\|dump\/owned\|author\|\{team\}/, 'a path has an owner and a grant');
like($before, qr/waiting/, 'an execution waits at its join');
like($before, qr/retry/, 'one waits for its retry');
like($before, qr/leased/, 'one is being worked on');

my @ways = (
	[ 'plain', [] ],
	[ 'inserts', ['--inserts'] ],
	[ 'custom', [ '-Fc' ] ]);
foreach my $way (@ways)
{
	my ($name, $options) = @$way;
	my $dump = $node->basedir . "/$name.dump";
	$node->safe_psql('postgres', "CREATE DATABASE restored_$name");
	$node->command_ok(
		[ 'pg_dump', @$options, '-f', $dump, $node->connstr('source') ],
		"$name: pg_dump succeeds");
	$node->command_ok(
		$name eq 'custom'
		? [ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored_custom'), $dump ]
		: [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr("restored_$name") ],
		"$name: it restores");
	is($node->safe_psql("restored_$name", $state), $before,
		"$name: everything is as it was");

	# What was in flight goes on: the queue, new ids and the undecided event.
	$node->safe_psql(
		"restored_$name", q{
		SELECT noetl.enqueue_next();
		UPDATE noetl.queue SET available_at = now() WHERE status = 'retry';
		SELECT noetl.enqueue_next();
		INSERT INTO noetl.event (execution_id, event_type, node_name)
		SELECT execution_id, 'action_completed', node_name FROM noetl.queue;
		INSERT INTO noetl.event (execution_id, event_type, node_name)
		SELECT execution_id, 'action_completed', node_name FROM noetl.queue;
		SELECT noetl.execute('dump/diamond');});
	is( $node->safe_psql(
			"restored_$name",
			"SELECT status, count(*) FROM noetl.execution GROUP BY 1 ORDER BY 1"),
		"COMPLETED|5\nRUNNING|1",
		"$name: every execution comes to its end");
	is($node->safe_psql("restored_$name", 'SELECT count(*) FROM noetl.run'),
		'0', "$name: no join is left waiting");
}

# Of the schema alone, as doc/operations.md says.
foreach my $options ([ '-e', 'noetl', '-n', 'noetl' ], [ '-a', '-e', 'noetl', '-t', 'noetl.event*' ])
{
	my $file = $node->basedir . '/schema.dump';
	$node->command_ok([ 'pg_dump', @$options, '-f', $file, $node->connstr('source') ],
		"pg_dump @$options succeeds");
	like(slurp_file($file), qr/action_completed/, '... with the events');
}

# The log is enough: what is not in it is who had leased what.
$node->safe_psql('postgres', 'CREATE DATABASE rebuilt');
$node->safe_psql('rebuilt', 'CREATE EXTENSION noetl');
foreach my $table (qw(catalog event pending))
{
	my $file = $node->basedir . "/$table.copy";
	$node->safe_psql('source', "COPY (SELECT * FROM noetl.$table) TO '$file'");
	$node->safe_psql('rebuilt', "COPY noetl.$table FROM '$file'");
}
$node->safe_psql('rebuilt',
	'SELECT noetl.rebuild(execution_id) FROM (SELECT DISTINCT execution_id FROM noetl.event ORDER BY 1) e');
my $rows = join(
	'; ',
	(map { "SELECT '$_', t.* FROM noetl.$_ t ORDER BY t::text" } qw(execution workload event run pending)),
	q{SELECT execution_id, node_id, action, context, replace(status, 'leased', 'queued'), priority,
	         attempts - (status = 'leased')::int, max_attempts, available_at, created_at, parent_event_id, event_id
	    FROM noetl.queue ORDER BY 1, 2});
is($node->safe_psql('rebuilt', $rows), $node->safe_psql('source', $rows),
	'rebuilt: everything is as it was, but for leases');
is($node->safe_psql('rebuilt', 'SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v'),
	'', 'rebuilt: nothing differs');

$node->stop;
done_testing();
