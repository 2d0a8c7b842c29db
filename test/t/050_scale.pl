# One parent of many children, and many items over many workers: everything is
# done once, and the last of them costs what the first did.  NOETL_SCALE=full:
# 10,000 children and 100,000 items, otherwise a tenth or less.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $full = ($ENV{NOETL_SCALE} // '') eq 'full';
my ($children, $items, $clients) = $full ? (10000, 100000, 8) : (1000, 5000, 8);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 256MB");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: scale/child
workflow:
- {step: double, type: python, code: x, args: {n: "{{ workload.n }}"}, next: end}
- {step: end, result: "{{ double }}"}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: scale/children
workload: {n: 10, width: 16}
workflow:
- step: each
  type: iterator
  collection: "{{ range(workload.n) }}"
  element: n
  mode: async
  concurrency: "{{ workload.width }}"
  task: {type: playbook, path: scale/child, args: {n: "{{ n }}"}}
  next: end
- {step: end, result: {sum: "{{ each | sum }}", count: "{{ each.count }}"}}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: scale/items
workload: {n: 10}
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: "{{ range(workload.n) }}"
  element: n
  task: {type: python, code: x, args: {n: "{{ n }}"}}
  next: end
- {step: end, result: {sum: "{{ each | sum }}", count: "{{ each.count }}"}}
');

	-- What was done, by whom: no constraint, so that doing it twice shows.
	CREATE TABLE done (execution_id bigint, node_id text, n int);

	-- A worker: each task is leased, done and reported in transactions of its
	-- own, until nothing runs any more.
	CREATE PROCEDURE drain(worker text, batch int DEFAULT 1) LANGUAGE plpgsql AS $$
	DECLARE
		task noetl.queue;
		tasks noetl.queue[];
	BEGIN
		LOOP
			SELECT array_agg(t) INTO tasks FROM noetl.lease(worker, batch) t;
			COMMIT;
			IF tasks IS NULL THEN
				EXIT WHEN NOT EXISTS (SELECT FROM noetl.execution WHERE status = 'RUNNING');
				PERFORM pg_sleep(0.002);
			ELSE
				FOREACH task IN ARRAY tasks LOOP
					IF noetl.complete(task.queue_id, to_jsonb((task.action #>> '{data,n}')::int * 2), worker) THEN
						INSERT INTO done VALUES (task.execution_id, task.node_id, (task.action #>> '{data,n}')::int);
					END IF;
					COMMIT;
				END LOOP;
			END IF;
		END LOOP;
	END
	$$;

	-- How many pages it takes to lease and complete one task, and all that
	-- follows from it.
	CREATE FUNCTION pages(statement text) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		plan json;
	BEGIN
		EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
		RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::int + (plan #>> '{0,Plan,Shared Read Blocks}')::int;
	END
	$$;
	CREATE PROCEDURE measure(tasks int, INOUT cost numeric DEFAULT NULL) LANGUAGE plpgsql AS $$
	DECLARE
		task noetl.queue;
	BEGIN
		cost := 0;
		-- what a new session has to find out by itself is not counted
		FOR i IN -9 .. tasks LOOP
			IF i = 1 THEN
				cost := 0;
			END IF;
			cost := cost + pages('SELECT queue_id FROM noetl.lease(''m'')');
			SELECT * INTO STRICT task FROM noetl.queue WHERE worker_id = 'm';
			cost := cost + pages(format('SELECT noetl.complete(%s, %L, ''m'')', task.queue_id, task.action #> '{data,n}'));
			COMMIT;
		END LOOP;
		cost := cost / tasks;
	END
	$$;
});

# Lets many workers drain the queue at once.
sub drain
{
	my ($batch) = @_;
	my $script = $node->basedir . '/drain.sql';
	append_to_file($script, "CALL drain('w' || :client_id, $batch);\n")
	  unless -e $script;
	$node->command_ok(
		[
			'pgbench', '-n', '-c', $clients, '-j', 2, '-t', 1, '-f', $script,
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		"$clients workers drain the queue");
}

# An execution is complete, with everything in it done once.
sub check_done
{
	my ($path, $n) = @_;
	my $sum = $n * ($n - 1);
	is( $node->safe_psql('postgres', qq{
			SELECT status, result FROM noetl.execution WHERE path = '$path' ORDER BY execution_id DESC LIMIT 1}),
		qq(COMPLETED|{"sum": $sum, "count": $n}),
		"$path: all results of $n are there");
	is( $node->safe_psql('postgres',
			'SELECT count(*), count(DISTINCT (execution_id, node_id)), sum(n) FROM done'),
		"$n|$n|" . $sum / 2,
		"$path: nothing was done twice, nothing was left out");
	is( $node->safe_psql('postgres', q{
			SELECT (SELECT count(*) FROM noetl.queue), (SELECT count(*) FROM noetl.run),
			       (SELECT count(*) FROM noetl.item), (SELECT count(*) FROM noetl.pending),
			       (SELECT count(*) FROM noetl.execution WHERE status <> 'COMPLETED')}),
		'0|0|0|0|0',
		"$path: nothing is left");
	$node->safe_psql('postgres', 'TRUNCATE done');
}

foreach my $case ([ 'scale/children', $children ], [ 'scale/items', $items ])
{
	my ($path, $n) = @$case;
	my $start = time;
	$node->safe_psql('postgres', qq{SELECT noetl.execute('$path', '{"n": $n}')});
	my $started = time;
	drain(1);
	note(sprintf '%s: %d in %.1f s, started in %.1f s; %.0f a second',
		$path, $n, time - $started, $started - $start, $n / (time - $started));
	check_done($path, $n);
}

# Pages are counted and not time, which others use as well.
foreach my $case ([ 'scale/children', $children ], [ 'scale/items', $items ])
{
	my ($path, $n) = @$case;
	my $sample = 50;
	$node->safe_psql('postgres', qq{SELECT noetl.execute('$path', '{"n": $n}')});
	$node->safe_psql('postgres', qq{CALL measure($sample)});
	my $early = $node->safe_psql('postgres', qq{CALL measure($sample)});
	my $between = $n - 4 * $sample;
	$node->safe_psql('postgres', qq{
		DO \$\$
		DECLARE
			task noetl.queue;
		BEGIN
			FOR i IN 1 .. $between LOOP
				SELECT * INTO STRICT task FROM noetl.lease('b');
				PERFORM noetl.complete(task.queue_id, '0', 'b');
				COMMIT;
			END LOOP;
		END
		\$\$});
	is( $node->safe_psql('postgres', qq{
			SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v
			 WHERE x.path = '$path' AND x.status = 'RUNNING'}),
		'',
		"$path: its rows follow from its log");
	my $late = $node->safe_psql('postgres', qq{CALL measure($sample)});
	cmp_ok($late, '<', $early * 1.3,
		sprintf '%s: the last of %d cost %.0f pages each, the first %.0f', $path, $n, $late, $early);
	drain(1);
	is( $node->safe_psql('postgres', qq{
			SELECT count(*) FROM noetl.execution WHERE status <> 'COMPLETED'}),
		'0',
		"$path: and it ends");
}

# Two playbooks that call each other start all that one statement may, of which nothing is kept
# in memory.
$node->safe_psql('postgres', q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: scale/one
workflow: [{step: a, type: playbook, path: scale/two, on_error: hold}]
') > 0, noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: scale/two
workflow: [{step: a, type: iterator, collection: [0, 1], element: n, mode: async, task: {type: playbook, path: scale/one}}]
')});
is( $node->safe_psql('postgres', q{
		DO $$ BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', format('prlimit --pid %s --data=%s', pg_backend_pid(), 80000000)); END $$;
		SET noetl.max_family_live = 10000;
		SELECT noetl.execute('scale/one') > 0;
		SELECT count(*) BETWEEN 8000 AND 12000 FROM noetl.execution WHERE path IN ('scale/one', 'scale/two') AND status = 'RUNNING'}),
	"t\nt", 'a family grows in little memory');

$node->stop;
done_testing();
