# Approvals race with the step that waits for them: they are given before, when and after
# the step opens, before and after its deadline, by a role that may signal, as a member of
# the role that asks, and neither cancel nor work.  None is lost, and none counts twice.  RACES=400 says how many;
# "make race-approvals": 10,000.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $races = $ENV{RACES} || 400;
my $sessions = 4;
my $each = int(($races + $sessions - 1) / $sessions);
my $patience = 60 + $races;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"fsync = off\nlog_statement = none\nmax_connections = 40\nshared_preload_libraries = 'noetl'\nnoetl.timer = on\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# What a role gets for statements: its answer, and its errors.
sub as_role
{
	my ($role, $statements) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET SESSION AUTHORIZATION $role; $statements");
	return ($out, $err);
}

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.create_roles();
	CREATE ROLE asker;
	CREATE ROLE approver IN ROLE asker;
	CREATE ROLE hand;
	GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, int, boolean, text, text, timestamptz, jsonb, int) TO asker;
	GRANT noetl_worker TO hand;
	GRANT EXECUTE ON FUNCTION noetl.signal(bigint, text, jsonb, text) TO approver;
	GRANT SELECT ON noetl.waiting TO approver;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: race/approval
workload: {n: 0, deadline: 60}
workflow:
- {step: start, next: prepare}
- {step: prepare, tool: hand, next: approve}
- {step: approve, type: wait, signal: [approve, reject], key: "{{ workload.n }}", timeout: "{{ workload.deadline }}", on_error: {step: escalate}, next: done}
- {step: escalate, type: wait, signal: [approve, reject], key: "{{ workload.n }}", next: done}
- {step: done}
');
	CREATE TABLE asked (x bigint, n int PRIMARY KEY);
	GRANT SELECT, INSERT ON asked TO asker;
	CREATE TABLE answered (n int PRIMARY KEY, at_once boolean);
	GRANT SELECT ON asked TO approver;
	GRANT INSERT ON answered TO approver;
	GRANT SELECT ON answered TO hand, asker;
});
sql(qq{
	CREATE PROCEDURE ask(seed int) LANGUAGE plpgsql AS \$\$
	DECLARE
		x bigint;
	BEGIN
		PERFORM setseed(seed / 100.0);
		FOR i IN 1 .. $each LOOP
			-- never far ahead of the answers
			WHILE i > 3 AND NOT EXISTS (SELECT FROM answered WHERE n = seed * 1000000 + i - 3) LOOP
				COMMIT;
				PERFORM pg_sleep(0.001);
			END LOOP;
			x := noetl.execute('race/approval', jsonb_build_object('n', seed * 1000000 + i,
				'deadline', 0.002 + random() * CASE WHEN random() < 0.5 THEN 0.03 ELSE 0.5 END));
			INSERT INTO asked VALUES (x, seed * 1000000 + i);
			COMMIT;
		END LOOP;
	END \$\$;
	CREATE PROCEDURE approve(seed int) LANGUAGE plpgsql AS \$\$
	DECLARE
		to_answer asked;
		way float;
		ended boolean;
	BEGIN
		PERFORM setseed(seed / 100.0);
		FOR i IN 1 .. $each LOOP
			LOOP
				SELECT * INTO to_answer FROM asked WHERE n = seed * 1000000 + i;
				EXIT WHEN FOUND;
				COMMIT;
				PERFORM pg_sleep(0.001);
			END LOOP;
			way := random();
			IF way < 0.6 THEN
				-- when the step has just opened, or its deadline comes
				WHILE NOT EXISTS (SELECT FROM noetl.waiting WHERE key = to_answer.n::text) LOOP
					COMMIT;
				END LOOP;
			END IF;
			IF way BETWEEN 0.4 AND 0.8 THEN PERFORM pg_sleep(random() * 0.03); END IF;
			ended := noetl.signal(to_answer.x, CASE WHEN random() < 0.8 THEN 'approve' ELSE 'reject' END, jsonb_build_object('n', to_answer.n), 'one');
			INSERT INTO answered VALUES (to_answer.n, ended);
			COMMIT;
		END LOOP;
	END \$\$;
	CREATE PROCEDURE work() LANGUAGE plpgsql AS \$\$
	DECLARE
		task noetl.queue;
		worker text := 'w' || pg_backend_pid();
	BEGIN
		WHILE (SELECT count(*) FROM answered) < $each * $sessions LOOP
			SELECT * INTO task FROM noetl.lease(worker, 1, '60 s', '{hand}');
			IF FOUND THEN
				IF random() < 0.5 THEN PERFORM pg_sleep(random() * 0.005); END IF;
				PERFORM noetl.complete(task.queue_id, '{}', worker);
			END IF;
			COMMIT;
			IF task.queue_id IS NULL THEN PERFORM pg_sleep(0.001); END IF;
		END LOOP;
	END \$\$;
});

# ---------------------------------------------------------------------------
# One after the other
# ---------------------------------------------------------------------------

my ($out, $err);
my @asked = map { (as_role('asker', "SELECT noetl.execute('race/approval', '{\"n\": $_}')"))[0] } 1 .. 3;
($out, $err) = as_role('approver', "SELECT noetl.signal($asked[0], 'approve', '{}', 'one')");
is("$out$err", 'f', 'before the step opens: kept');
sql(q{SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 3)});
($out, $err) = as_role('approver', q{SELECT string_agg(step || ' ' || key, ', ' ORDER BY key) FROM noetl.waiting});
is("$out$err", 'approve 2, approve 3', 'open approvals are listed for who may give them');
($out, $err) = as_role('approver', "SELECT noetl.signal($asked[1], 'approve', '{}', 'one')");
is("$out$err", 't', 'while it is open: at once');
sql("UPDATE noetl.run SET due_at = now() WHERE execution_id = $asked[2]; SELECT noetl.enqueue_next()");
ok($node->poll_query_until('postgres', "SELECT step = 'escalate' FROM noetl.waiting WHERE execution_id = $asked[2]"), 'its deadline passes');
($out, $err) = as_role('approver', "SELECT noetl.signal($asked[2], 'approve', '{}', 'one')");
is("$out$err", 't', 'afterwards: where it has escalated to');
for my $call ('noetl.cancel(0)', q{noetl.skip(0, 'approve')}, q{noetl.lease('w')}, q{noetl.complete(0, '{}', 'w')})
{
	($out, $err) = as_role('approver', "SELECT $call");
	like($err, qr/permission denied for function/, "not allowed: $call");
}
($out, $err) = as_role('approver', q{INSERT INTO noetl.event (event_type, node_name) VALUES ('signal_received', 'approve')});
like($err, qr/permission denied/, 'nor events of its own');
is(sql(q{SELECT string_agg(status, ' ') FROM noetl.execution}), 'COMPLETED COMPLETED COMPLETED', 'all are over');
sql('DELETE FROM noetl.event; DELETE FROM noetl.execution');

# ---------------------------------------------------------------------------
# All at once
# ---------------------------------------------------------------------------

my (@texts, @runs);
for my $call ((map { "asker ask($_)" } 1 .. $sessions), (map { "approver approve($_)" } 1 .. $sessions), ('hand work()') x 2)
{
	my ($role, $procedure) = split / /, $call;
	push @texts, '';
	push @runs, IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', "SET SESSION AUTHORIZATION $role", '-c', "CALL $procedure" ],
		'<', '/dev/null', '>', \$texts[-1], '2>&1', IPC::Run::timeout($patience));
}
$_->finish for @runs;
is(join('', @texts), '', 'nobody meets an error');
my $until = time + 60;
sleep 0.1 until sql(q{SELECT NOT EXISTS (SELECT FROM noetl.execution WHERE status = 'RUNNING')}) eq 't' || time > $until;

my $total = $each * $sessions;
is(sql(q{SELECT count(*), count(*) FILTER (WHERE status = 'COMPLETED') FROM noetl.execution}), "$total|$total", "each of $total approvals ends its execution");
is(sql(q{SELECT count(*) FROM answered}), $total, 'all were answered');
is(sql(q{
	SELECT count(*) FROM asked WHERE (
		SELECT array_agg((e.result #>> '{data,n}')::int) FROM noetl.event AS e WHERE e.execution_id = asked.x AND e.event_type = 'step_completed'
		   AND e.node_name IN ('approve', 'escalate')) IS DISTINCT FROM ARRAY[asked.n]}),
	'0', 'each counts once, where it belongs');
is(sql(q{SELECT count(*) FROM noetl.signal WHERE NOT taken}), '0', 'none is left');
is(sql(q{SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)}), '0', 'the logs agree');
note(join ', ', split /\n/, sql(q{
	SELECT count(*) || ' ' || CASE WHEN s.event_id < o.event_id THEN 'before the step opened' WHEN s.event_id < coalesce(f.event_id, s.event_id + 1)
		THEN 'while it was open' ELSE 'after its deadline' END
	  FROM asked JOIN noetl.event AS s ON s.execution_id = x AND s.event_type = 'signal_received'
	  JOIN noetl.event AS o ON o.execution_id = x AND o.event_type = 'step_started' AND o.node_name = 'approve'
	  LEFT JOIN noetl.event AS f ON f.execution_id = x AND f.event_type = 'step_failed' AND f.node_name = 'approve'
	 GROUP BY CASE WHEN s.event_id < o.event_id THEN 'before the step opened' WHEN s.event_id < coalesce(f.event_id, s.event_id + 1)
		THEN 'while it was open' ELSE 'after its deadline' END ORDER BY 1}));
$node->stop;
done_testing();
