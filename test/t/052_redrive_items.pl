# Five failed items of an iterator with very many are five items' work, however many have
# completed: held ones that are retried, and those of an execution that is redriven.
# NOETL_SCALE=full: 100,000 items, otherwise 3,000.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $items = ($ENV{NOETL_SCALE} // '') eq 'full' ? 100000 : 3000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 256MB");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register(format('
apiVersion: noetl.io/v1
kind: Playbook
path: %s
workload: {n: 10}
workflow:
- step: each
  type: iterator
  mode: distributed
  concurrency: 5
  collection: "{{ range(workload.n) }}"
  element: n
  on_error: %s
  task: {type: python, code: x, args: {n: "{{ n }}"}}
  next: end
- {step: end, result: {sum: "{{ each | sum }}", count: "{{ each.count }}"}}
', path, on_error)) FROM (VALUES ('held', 'hold'), ('failing', 'fail')) AS p (path, on_error);
	CREATE TABLE leased (n int);
	-- Leases and reports all there is, five at a time; items of the list fail.  Ends as soon as an item has failed
	-- if "first" is true: whatever else was leased with it stays leased.
	CREATE PROCEDURE work(failing int[], first boolean DEFAULT false) LANGUAGE plpgsql AS $$
	DECLARE
		task noetl.queue;
		tasks noetl.queue[];
		n int;
	BEGIN
		LOOP
			SELECT array_agg(t) INTO tasks FROM noetl.lease('w', 5, '1 h') AS t;
			EXIT WHEN tasks IS NULL;
			INSERT INTO leased SELECT (t.action #>> '{data,n}')::int FROM unnest(tasks) AS t;
			FOREACH task IN ARRAY tasks LOOP
				n := task.action #>> '{data,n}';
				IF n = ANY (failing) THEN
					PERFORM noetl.fail(task.queue_id, 'bad luck', 'w');
					IF first THEN RETURN; END IF;
				ELSE
					PERFORM noetl.complete(task.queue_id, to_jsonb(n), 'w');
				END IF;
			END LOOP;
			COMMIT;
		END LOOP;
	END
	$$;
});

# Starts an execution of a playbook with all items; returns its id.
sub start
{
	my ($path) = @_;

	return $node->safe_psql('postgres', "TRUNCATE leased; SELECT noetl.execute('$path', '{\"n\": $items}')");
}

# Returns the values that a query has, as lines.
sub query { return $node->safe_psql('postgres', $_[0]); }

my @failing = map { int($items * $_ / 7) } 1 .. 5;
my $list = join(',', @failing);
my $sum = $items * ($items - 1) / 2;

# Held: all other items are done first; then the failed ones, and nothing else, are done again.
my $x = start('held');
query("CALL work('{$list}')");
is(query('SELECT count(*), count(DISTINCT n) FROM leased'), "$items|$items", 'each item is handed out, once');
is(query("SELECT status FROM noetl.execution WHERE execution_id = $x"), 'RUNNING', 'the step is held');
query('TRUNCATE leased');
is(query("SELECT noetl.retry($x)"), 1, 'it is retried');
query("CALL work('{}')");
is(query("SELECT string_agg(n::text, ',' ORDER BY n) FROM leased"), $list, 'five items are handed out again');
is(query("SELECT status, result ->> 'sum', result ->> 'count' FROM noetl.execution WHERE execution_id = $x"),
	"COMPLETED|$sum|$items", 'and the others have kept their values');
is(query("SELECT count(*) FROM noetl.verify($x)"), 0, 'as the log says');

# Failed: the item that fails takes those with it that are under way.
$x = start('failing');
query("CALL work('{" . ($items - 5) . "}', true)");
is(query("SELECT status FROM noetl.execution WHERE execution_id = $x"), 'FAILED', 'an execution that fails while its last five items are under way');
query('TRUNCATE leased');
is(query("SELECT noetl.redrive($x)"), 1, 'it is redriven');
query("CALL work('{}')");
is(query('SELECT string_agg(n::text, \',\' ORDER BY n) FROM leased'), join(',', $items - 5 .. $items - 1), 'these five are handed out again');
is(query("SELECT status, result ->> 'sum', result ->> 'count' FROM noetl.execution WHERE execution_id = $x"),
	"COMPLETED|$sum|$items", 'and the execution ends as if nothing had been');
is(query("SELECT count(*) FROM noetl.verify($x)"), 0, 'as the log says');
is(query('SELECT (SELECT count(*) FROM noetl.queue WHERE status <> \'cancelled\') + (SELECT count(*) FROM noetl.run)'), 0, 'nothing is left');

$node->stop;
done_testing();
