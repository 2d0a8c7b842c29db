# Where other extensions have taken all shared memory that the server keeps for latecomers,
# everything works as it does elsewhere, only slower.
use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
my $library = $node->basedir . '/take_room.so';
my $headers = `pg_config --includedir-server`;
chomp $headers;
system_or_bail('cc', '-shared', '-fPIC', '-O1', "-I$headers", '-o', $library, dirname(__FILE__) . '/take_room.c');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_error_verbosity = verbose");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Takes all room but some bytes.
sub take_room
{
	my ($rest) = @_;
	return sql("SELECT take_room((SELECT sum(size) FROM pg_shmem_allocations WHERE name IS NULL)::bigint - $rest)");
}

sql(qq{CREATE FUNCTION take_room(most bigint) RETURNS bigint LANGUAGE c AS '$library'});
cmp_ok(take_room(0), '>', 0, 'another extension has taken all that was left');
sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: no_room/steps
workload: {xs: [1, 2, 3]}
workflow:
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, limits: [{name: one, concurrency: 1}], next: each}
- {step: b, type: python, code: x, limits: [{name: one, concurrency: 1}], priority: 7, next: each}
- {step: each, type: iterator, collection: "{{ workload.xs }}", element: n, mode: distributed, concurrency: 3, task: {type: python, code: x}, next: end}
- {step: end, result: "{{ each }}"}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: no_room/one
workflow:
- {step: only, type: python, code: x}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: no_room/kept
workflow:
- {step: one, type: kept, code: x, limits: {name: kept, concurrency: 2}, next: two}
- {step: two, type: kept, code: x, limits: {name: kept, concurrency: 2}, next: three}
- {step: three, type: kept, code: x, limits: {name: often, rate: {limit: 50, per: second, burst: 50}}, next: four}
- {step: four, type: kept, code: x, limits: {name: often, rate: {limit: 50, per: second, burst: 50}}}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: no_room/fair
fairness: {key: "{{ workload.k }}"}
workflow:
- {step: only, type: fair, code: x}
');
	CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
	BEGIN
		WHILE EXISTS (SELECT FROM noetl.execution WHERE status = 'RUNNING') LOOP
			PERFORM noetl.complete(queue_id, to_jsonb(current_index), 'w') FROM noetl.lease('w', 1);
			COMMIT;
		END LOOP;
	END
	$$;
});
is(sql(q{SELECT count(DISTINCT noetl.next_id()) FROM generate_series(1, 2000)}), '2000', 'ids do not repeat');
is( sql(q{
	SELECT count(noetl.execute('no_room/steps')) FROM generate_series(1, 40);
	CALL work();
	SELECT status, result, count(*) FROM noetl.execution GROUP BY 1, 2;
	SELECT count(*) FROM noetl.execution, noetl.verify(execution_id)}),
	"40\nCOMPLETED|[0, 1, 2]|40\n0", 'executions end');
# Tasks keep the slot of the one before, or ask for one anew; rates are counted in rows.
sub limits_and_turns
{
	sql('DELETE FROM noetl.execution; DELETE FROM noetl.queue');
	sql('SELECT count(noetl.execute(\'no_room/kept\')) FROM generate_series(1, 5)');
	is(sql(q{SELECT status, count(*) FROM noetl.queue WHERE node_type = 'kept' GROUP BY 1 ORDER BY 1}), "blocked|3\nqueued|2", 'limits hold');
	sql('CALL work()');
	is( sql(q{SELECT status, count(*) FROM noetl.execution WHERE path = 'no_room/kept' GROUP BY 1;
			SELECT count(*) FROM noetl.slot;
			SELECT count(*) FROM noetl.execution, noetl.verify(execution_id)}),
		"COMPLETED|5\n0\n0", 'and executions end');
	is( sql(q{SELECT count(noetl.execute('no_room/fair', jsonb_build_object('k', k))) FROM unnest('{a,a,a,b,b}'::text[]) k;
			SELECT string_agg(q.fair_key, '' ORDER BY l.ordinality) FROM noetl.lease('w', 5) WITH ORDINALITY l JOIN noetl.queue q USING (queue_id);
		}),
		"5\nababa", 'keys take turns');
	return;
}
limits_and_turns();
# The last that waits for a rate uses it up, too: what comes after it waits in its turn.
sql(q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: no_room/seldom
workflow:
- {step: only, type: seldom, code: x, limits: {name: seldom, rate: {limit: 1, per: hour}}}
');
	SELECT count(noetl.execute('no_room/seldom')) FROM generate_series(1, 2);
	UPDATE noetl.limit_pace SET full_at = now(), due_at = now() WHERE name = 'seldom';
	SELECT noetl.enqueue_next();
});
is( sql(q{SELECT status, count(*) FROM noetl.queue WHERE node_type = 'seldom' GROUP BY 1;
		SELECT full_at > now() + interval '50 min' FROM noetl.limit_pace WHERE name = 'seldom'}),
	"queued|2\nt", 'the last that waits begins');
is( sql(q{SELECT noetl.execute('no_room/seldom') > 0;
		SELECT status, count(*) FROM noetl.queue WHERE node_type = 'seldom' GROUP BY 1 ORDER BY 1;
		SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'no_room/seldom'}),
	"t\nblocked|1\nqueued|2\n3", 'and another one waits after it');
# The lock under which ids are made is held for a moment only.
is(sql('BEGIN; SELECT noetl.execute(\'no_room/one\') > 0; SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND classid = 0 AND objid = 0; ROLLBACK'), "t\n0", 'no lock is left');
# A session leases hundreds of tasks, in transactions of their own, beside one that stays open.
my ($in, $out) = ('', '');
my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, IPC::Run::timeout(180));
$in = "BEGIN;\nSELECT noetl.execute('no_room/one') > 0;\n";
$session->pump until $out =~ /^t$/m;
my ($warm, $warm_out) = ('', '');
my $warm_session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$warm, '>', \$warm_out, IPC::Run::timeout(180));
$warm = q{DO $$
	BEGIN
		FOR i IN 1 .. 400 LOOP
			PERFORM noetl.execute('no_room/one');
			COMMIT;
			PERFORM noetl.complete(queue_id, NULL, 'w') FROM noetl.lease('w');
			COMMIT;
		END LOOP;
	END
	$$;
	SELECT 'found ' || count(*) FROM noetl.lease('w', 10);
};
$warm_session->pump until $warm_out =~ /^found 0$/m;
$in .= "COMMIT;\n\\q\n";
$session->finish;
$warm .= "SELECT 'then ' || count(*) FROM noetl.lease('w', 10);\n\\q\n";
$warm_session->finish;
like($warm_out, qr/^then 1$/m, 'a task that comes late is found');
is(sql(q{SELECT noetl.execute('no_room/one') > 0; CALL noetl.wait_for_work('10 s')}), "t\nt", 'and so is one that is waited for');

# A session that has given an id, in a transaction that goes on, keeps nobody from giving one.
my $connection = $node->connstr('postgres');
is(sql(qq{
	BEGIN;
	SELECT noetl.next_id() > 0;
	\\! psql -XqAt -d "$connection" -c "SET lock_timeout = '2 s'" -c 'SELECT noetl.next_id() > 0'
	COMMIT;}), "t\nt", 'two sessions give ids');

# Where some room is left, some of it comes in, and the rest does without.
foreach my $rest (3000, 7000, 12000, 24000, 48000)
{
	$node->restart;
	take_room($rest);
	limits_and_turns();
}
unlike(slurp_file($node->logfile), qr/WARNING|PANIC|terminated by signal/, 'the server has lived in peace');
$node->stop;
done_testing();
