# Executions in flight go through pg_dump and restore exactly as they are, and
# go on where they were.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
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

# Each execution_start that was written into a partition of the past.
$node->safe_psql(
	'source', q{
	SELECT noetl.make_partition('2026-01-01 00:00+00', '2026-01-02 00:00+00');
	INSERT INTO noetl.event (execution_id, event_type, context)
	VALUES (noetl.id_at('2026-01-01 12:00+00'), 'execution_start', '{"path": "dump/diamond"}');
	SELECT count(*) FROM noetl.retain('90 days', dry_run => false);
	SELECT count(*) FROM noetl.maintain();
	CREATE ROLE looker;
	GRANT SELECT ON noetl.event TO looker});
$before = $node->safe_psql('source', $state);
my $catalogue = q{
	SELECT p.partition, p.since, p.until FROM noetl.partitions() p;
	SELECT c.relname, c.relrowsecurity, c.relacl, c.relowner::regrole, obj_description(c.oid) FROM pg_class c
	 WHERE c.oid IN (SELECT partition FROM noetl.partitions()) ORDER BY 1;
	SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN (SELECT partition FROM noetl.partitions()) ORDER BY 1;
	SELECT polrelid::regclass::text, polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
	  FROM pg_policy WHERE polrelid IN (SELECT partition FROM noetl.partitions()) ORDER BY 1, 2;
	SELECT attrelid::regclass::text, attname, attstorage, attcompression FROM pg_attribute
	 WHERE attrelid IN (SELECT partition FROM noetl.partitions()) AND attnum > 0 ORDER BY 1, 2;
	SELECT path, keep FROM noetl.retention};
my $partitions = $node->safe_psql('source', $catalogue);
like($partitions, qr/event_20260101_000000\|\d/, 'there are partitions by time');

# Whatever is dumped of it, pg_dump and the restore meet no error, and the partitions
# are as they were.  Each: name, options of pg_dump, whether the extension is there.
foreach my $way (
	[ 'all',           [],                                     0, 1 ],
	[ 'schema_only',   ['-s'],                                 0, 0 ],
	[ 'with_e',        [ '-e', 'noetl', '-n', 'noetl' ],       0, 1 ],
	[ 'inserts_again', ['--inserts'],                          0, 1 ],
	[ 'root',          ['--load-via-partition-root'],          0, 1 ],
	[ 'event_star',    [ '-t', 'noetl.event*' ],               1, 0 ],
	[ 'default_alone', [ '-a', '-t', 'noetl.event_default', '-t', 'noetl.catalog' ], 1, 0 ])
{
	my ($name, $options, $extension, $whole) = @$way;
	my $dump = $node->basedir . "/$name.dump";
	$node->safe_psql('postgres', "CREATE DATABASE again_$name");
	$node->safe_psql("again_$name", 'CREATE EXTENSION noetl') if $extension;
	$node->command_ok([ 'pg_dump', @$options, '-f', $dump, $node->connstr('source') ], "$name: pg_dump succeeds");
	my ($status, $out, $err) = $node->psql("again_$name", slurp_file($dump), on_error_stop => 0);
	is($err, '', "$name: it restores");
	is($node->safe_psql("again_$name", $state), $before, "$name: everything is as it was") if $whole;
	is($node->safe_psql("again_$name", $catalogue) =~ s/\n[^\n]*90 days$//r, $partitions =~ s/\n[^\n]*90 days$//r,
		"$name: the partitions are as they were")
	  if $name ne 'default_alone';
}
foreach my $options ([ '-n', 'noetl' ], [ '-a', '-n', 'noetl' ])
{
	my $file = $node->basedir . '/schema.dump';
	$node->command_ok([ 'pg_dump', @$options, '-f', $file, $node->connstr('source') ],
		"pg_dump @$options succeeds");
	like(slurp_file($file), qr/action_completed/, '... with the events');
}

# Columns of users are not in a dump, though their values are: who makes them before loses nothing.
my $columns = q{
	ALTER TABLE noetl.event ADD COLUMN tenant text DEFAULT 'mine';
	ALTER TABLE noetl.queue ADD COLUMN note int DEFAULT 5};
$node->safe_psql('postgres', 'CREATE DATABASE with_columns TEMPLATE source; CREATE DATABASE added');
$node->safe_psql('with_columns', $columns);
$node->safe_psql('added', "CREATE EXTENSION noetl; $columns");
$node->command_ok([ 'pg_dump', '-f', $node->basedir . '/columns.dump', $node->connstr('with_columns') ], 'columns: pg_dump succeeds');
my (undef, undef, $complaints) = $node->psql('added', slurp_file($node->basedir . '/columns.dump'), on_error_stop => 0);
is($complaints =~ s/^psql:<stdin>:\d+: //mgr, 'ERROR:  schema "noetl" already exists', 'columns: the restore finds the schema only');
is($node->safe_psql('added', $state), $node->safe_psql('with_columns', $state), 'columns: everything is as it was');

# By several processes at once, which may bring the events before the playbooks.
$node->command_ok([ 'pg_dump', '-Fd', '-j', '3', '-f', $node->basedir . '/dir', $node->connstr('source') ],
	'parallel: pg_dump succeeds');
$node->safe_psql('postgres', 'CREATE DATABASE parallel');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '-j', '4', '-d', $node->connstr('parallel'), $node->basedir . '/dir' ],
	'parallel: it restores');
is($node->safe_psql('parallel', $state), $before, 'parallel: everything is as it was');
is($node->safe_psql('parallel', $catalogue), $partitions, 'parallel: the partitions, too');

# The partitions go with the extension.
$node->safe_psql('parallel', 'DROP EXTENSION noetl');
is($node->safe_psql('parallel', "SELECT count(*) FROM pg_class WHERE relname LIKE 'event%'"), '0',
	'DROP EXTENSION takes the partitions along');

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

# New versions get ids beyond those that were copied, and what was in flight goes on.
is( $node->safe_psql(
		'rebuilt', q{
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
path: dump/other
workflow:
- {step: a, type: python, code: x}
$y$) > (SELECT max(catalog_id) FROM noetl.catalog WHERE path = 'dump/diamond');
	SELECT noetl.enqueue_next() >= 0}),
	"t\nt", 'rebuilt: playbooks can be registered');

# The same by logical replication, into a database with the same partitions.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
my $schema = $node->basedir . '/replica.sql';
$node->command_ok([ 'pg_dump', '-s', '-f', $schema, $node->connstr('source') ], 'the schema is dumped');
$subscriber->safe_psql('postgres', 'CREATE ROLE looker; CREATE ROLE author');
$subscriber->safe_psql('postgres', slurp_file($schema));
$node->safe_psql('source', 'CREATE PUBLICATION log FOR TABLE noetl.catalog, noetl.event, noetl.pending');
my $source = $node->connstr . ' dbname=source';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION log CONNECTION '$source' PUBLICATION log");
$subscriber->wait_for_subscription_sync($node, 'log') if $subscriber->can('wait_for_subscription_sync');
$node->safe_psql(
	'source', q{
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
path: dump/late
workflow:
- {step: a, type: python, code: x}
$y$);
	SELECT noetl.execute('dump/late')});
my $events = 'SELECT count(*), max(event_id) FROM noetl.event';
my $there = $node->safe_psql('source', $events);
my $until = time + 60;
sleep 1 while $subscriber->safe_psql('postgres', $events) ne $there && time < $until;
is($subscriber->safe_psql('postgres', $events), $there, 'replicated: the events are there');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM noetl.execution'), '0', 'replicated: nothing is decided');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION log');
$subscriber->safe_psql('postgres',
	'SELECT noetl.rebuild(execution_id) FROM (SELECT DISTINCT execution_id FROM noetl.event ORDER BY 1) e');
is($subscriber->safe_psql('postgres', $rows), $node->safe_psql('source', $rows),
	'replicated: noetl.rebuild() makes everything as it was, but for leases');
like(
	$subscriber->safe_psql(
		'postgres', q{
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
path: dump/there
workflow:
- {step: a, type: python, code: x}
$y$) > (SELECT max(catalog_id) FROM noetl.catalog WHERE path = 'dump/late');
	SELECT noetl.execute('dump/late') > 0}),
	qr/^t\nt$/, 'replicated: playbooks are registered and executed');
$subscriber->stop;

$node->stop;
done_testing();
