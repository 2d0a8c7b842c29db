# Waits under way: timers end them in time, random races lose no signal, a client
# sleeps until an execution is over, many open waits cost leases nothing, and all of it
# survives a dump.  NOETL_SCALE=full: 10,000 races and 1,000,000 waits, otherwise fewer.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $full = ($ENV{NOETL_SCALE} // '') eq 'full';
my $races = $full ? 10000 : 400;
my $many = $full ? 1000000 : 20000;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 256MB\nmax_connections = 40\n"
	. "shared_preload_libraries = 'noetl'\nnoetl.timer = on\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Waits until a query gives true; returns how long that took.
sub wait_for
{
	my ($query, $patience) = @_;
	my $began = time;
	while (time - $began < ($patience // 60))
	{
		return time - $began if sql($query) eq 't';
		sleep 0.02;
	}
	return undef;
}

# A session that goes on while we do something else.
sub session
{
	my ($in, $out) = @_;
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', $in, '>', $out, '2>', $out, IPC::Run::timeout(300));
	$session->pump_nb;
	return $session;
}

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: t/nap
workload: {pause: 1, until: null}
workflow:
- {step: start, next: nap}
- {step: nap, type: wait, for: "{{ pause }}", until: "{{ workload.until }}", next: end}
- {step: end}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: t/race
workload: {n: 0}
workflow:
- {step: start, type: python, code: x, next: [one, two]}
- {step: one, type: wait, signal: [s, t], key: "{{ n }}", timeout: 0.1, on_error: {step: one}, next: done}
- {step: two, type: wait, signal: [t, s], key: "{{ n }}", next: done}
- {step: done}
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: t/hold
workload: {n: 0}
workflow:
- {step: start, next: [one, two]}
- {step: one, type: wait, signal: s, key: "{{ n }}", for: 3600}
- {step: two, type: wait, signal: [s, t], key: "{{ n }}", timeout: 3600}
');
});

# ---------------------------------------------------------------------------
# Timers
# ---------------------------------------------------------------------------

# Waits 30 ms apart: each is acted on within 100 ms of its time.  The timer sleeps until
# the next of them, so that is so at once unless the machine is busy; it is tried again.
my ($tries, $late) = (0, 'none');
while ($tries++ < 30)
{
	sql(q{SELECT noetl.execute('t/nap', jsonb_build_object('pause', 0.5 + i * 0.03)) FROM generate_series(1, 20) AS i});
	ok(defined wait_for(q{SELECT NOT EXISTS (SELECT FROM noetl.waiting)}), 'noetl.timer ends waits');
	$late = sql(q{
		SELECT count(*), round(percentile_cont(0.5) WITHIN GROUP (ORDER BY late)::numeric, 1), round(max(late), 1)
		  FROM (SELECT extract(epoch FROM e.created_at - (s.meta ->> 'until')::timestamptz) * 1000 AS late
		          FROM noetl.event AS e JOIN noetl.event AS s ON s.execution_id = e.execution_id AND s.event_id = e.parent_event_id
		         WHERE e.event_type = 'step_completed' AND e.meta ->> 'ended_by' = 'time' ORDER BY e.event_id DESC LIMIT 20) AS t});
	last if $late =~ /^20\|[\d.]+\|(\d+)/ && $1 < 100;
}
cmp_ok($tries, '<=', 30, 'within 100 ms of their time');
note("20 waits, late by (median, worst) $late ms; try $tries");

# Executions that wait for a rate begin in their turn, without any client.
sql(q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: t/paced
limits: {name: paced, rate: {limit: 1, per: second}}
workflow:
- {step: a, type: paced, code: x}
');
	SELECT noetl.execute('t/paced') FROM generate_series(1, 3)});
ok(defined wait_for(q{SELECT count(*) = 3 FROM noetl.queue WHERE node_type = 'paced'}, 30), 'executions that wait for a rate begin');
sql(q{SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path = 't/paced'});

# ---------------------------------------------------------------------------
# A client waits for an end
# ---------------------------------------------------------------------------

# Who is not woken looks again after 30 s.  Returns what the call says when something
# happens to execution X, and how long that took; what takes too long is tried again.
sub woken_by
{
	my ($wait, $event) = @_;
	my ($name) = $wait =~ /(wait_for_\w+)/;
	my ($out, $took);
	foreach my $try (1 .. 4)
	{
		my $x = sql(q{SELECT noetl.execute('t/nap', '{"pause": 3600}')});
		my ($call, $what) = map { s/X/$x/r } $wait, $event;
		my $in = '';
		$out = '';
		my $client = session(\$in, \$out);
		$in .= "$call;\n\\echo woken\n";
		$client->pump_nb;
		ok(wait_for(qq{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE 'CALL noetl.$name%')}),
			"$name sleeps");
		is(sql(qq{SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE query LIKE 'CALL noetl.$name%'}),
			't', 'without a snapshot');
		my $began = time;
		sql($what);
		$client->pump until $out =~ /woken/;
		$took = time - $began;
		$in .= "\\q\n";
		$client->finish;
		last if $took < 20;
	}
	return ($out, $took);
}

my ($out, $took) = woken_by(q{CALL noetl.wait_for_execution(X, '60 s')}, q{SELECT noetl.cancel(X)});
like($out, qr/"status": "CANCELLED"/, 'and is told how the execution ended');
cmp_ok($took, '<', 20, "at once ($took s)");
(undef, $took) = woken_by(q{CALL noetl.wait_for_change('60 s')}, q{SELECT noetl.cancel(X)});
cmp_ok($took, '<', 20, "who waits for changes is woken at once ($took s)");
my $x = sql(q{SELECT max(execution_id) FROM noetl.execution});
my ($status, $result, $error) = $node->psql('postgres',
	"SELECT noetl.execute('t/nap', '{\"pause\": 0.1}') AS x \\gset\nCALL noetl.wait_for_execution(:x)");
like($result, qr/"status": "COMPLETED"/, 'start and wait from one psql session');
sql(q{CREATE ROLE stranger; GRANT EXECUTE ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) TO stranger});
($status, $result, $error) = $node->psql('postgres', "SET ROLE stranger; CALL noetl.wait_for_execution($x)");
like($error, qr/permission denied for execution/, 'not for executions of others');
is(sql(q{SELECT count(*) FROM pg_locks WHERE objsubid = 28178}), '0', 'no lock is left behind');

# ---------------------------------------------------------------------------
# Random races: workers, senders, timeouts, cancels, all at once
# ---------------------------------------------------------------------------

my $each = $races / 4;
sql(qq{
	CREATE TABLE sent (x bigint, n int);
	CREATE PROCEDURE race(seed int) LANGUAGE plpgsql AS \$\$
	DECLARE
		x bigint;
		key int;
	BEGIN
		PERFORM setseed(seed / 100.0);
		FOR i IN 1 .. $each LOOP
			key := seed * 1000000 + i;
			x := noetl.execute('t/race', jsonb_build_object('n', key));
			INSERT INTO sent VALUES (x, key);
			COMMIT;
			IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.003); END IF;
		END LOOP;
	END \$\$;
	-- to each execution one signal by its id and one by its key, whenever they come
	CREATE PROCEDURE send_signals(seed int) LANGUAGE plpgsql AS \$\$
	DECLARE
		to_whom sent;
	BEGIN
		PERFORM setseed(seed / 100.0);
		FOR i IN 1 .. $each LOOP
			LOOP
				SELECT * INTO to_whom FROM sent WHERE n = seed * 1000000 + i;
				EXIT WHEN FOUND;
				COMMIT;
				PERFORM pg_sleep(0.001);
			END LOOP;
			PERFORM pg_sleep(random() * 0.004);
			IF random() < 0.5 THEN
				PERFORM noetl.signal(to_whom.x, 's', '"direct"', 'id');
				COMMIT;
				PERFORM noetl.send('s', to_whom.n::text, '"by key"', '1 hour', 'id');
			ELSE
				PERFORM noetl.send(CASE WHEN random() < 0.5 THEN 's' ELSE 't' END, to_whom.n::text, '"by key"', '1 hour');
				COMMIT;
				PERFORM noetl.signal(to_whom.x, 's', '"direct"');
			END IF;
			COMMIT;
		END LOOP;
	END \$\$;
	CREATE PROCEDURE work(seconds int) LANGUAGE plpgsql AS \$\$
	DECLARE
		task noetl.queue;
		until timestamptz := clock_timestamp() + make_interval(secs => seconds);
	BEGIN
		WHILE clock_timestamp() < until AND EXISTS (SELECT FROM noetl.execution WHERE path = 't/race' AND status = 'RUNNING')
			  OR NOT EXISTS (SELECT FROM sent) LOOP
			SELECT * INTO task FROM noetl.lease('w' || pg_backend_pid());
			IF FOUND THEN
				PERFORM noetl.complete(task.queue_id, '{}', 'w' || pg_backend_pid());
			END IF;
			COMMIT;
			IF task.queue_id IS NULL THEN PERFORM pg_sleep(0.002); END IF;
		END LOOP;
	END \$\$;
});
my @inputs = map { "CALL $_;\n" } (
	(map { "race($_)" } 1 .. 4), (map { "send_signals($_)" } 1 .. 4), ('work(' . ($full ? 600 : 60) . ')') x 2);
my (@texts, @sessions);
for my $i (0 .. $#inputs)
{
	$texts[$i] = '';
	push @sessions, session(\($inputs[$i] . "\\q\n"), \$texts[$i]);
}
$_->finish for @sessions;
is(join('', @texts), '', 'nobody meets an error');
ok(defined wait_for(q{SELECT NOT EXISTS (SELECT FROM noetl.execution WHERE path = 't/race' AND status = 'RUNNING')}, 30),
	'every execution ends: no signal is lost');
is(sql(q{SELECT count(*), count(*) FILTER (WHERE status = 'COMPLETED') FROM noetl.execution WHERE path = 't/race'}),
	"$races|$races", "in $races races");
is(sql(q{
	SELECT count(*) FROM (
		SELECT e.execution_id FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id)
		 WHERE x.path = 't/race' AND e.event_type = 'step_completed' AND e.node_name IN ('one', 'two')
		 GROUP BY 1 HAVING array_agg(e.result ->> 'data' ORDER BY e.result ->> 'data') <> '{by key,direct}') AS wrong}),
	'0', 'each signal ends one wait, once');
is(sql(q{SELECT count(*) FROM noetl.signal}), '0', 'no signal is left');
is(sql(q{SELECT count(*) FROM noetl.message WHERE NOT taken}), '0', 'no message either');
is(sql(q{SELECT count(*) FROM noetl.execution AS x CROSS JOIN LATERAL noetl.verify(x.execution_id)}),
	'0', 'and the logs are right');

# ---------------------------------------------------------------------------
# Many open waits
# ---------------------------------------------------------------------------

# How long a lease of nothing takes, in milliseconds: the best of many.
sub lease_time
{
	return sql(q{
		CREATE TEMPORARY TABLE times (ms float);
		DO $$
		DECLARE
			began timestamptz;
		BEGIN
			FOR i IN 1 .. 300 LOOP
				began := clock_timestamp();
				PERFORM noetl.lease('w', 1, '60 s', '{nothing}');
				INSERT INTO times VALUES (extract(epoch FROM clock_timestamp() - began) * 1000);
			END LOOP;
		END $$;
		SELECT percentile_cont(0.2) WITHIN GROUP (ORDER BY ms) FROM times});
}

my $few = lease_time();
sql(qq{
	INSERT INTO noetl.run (execution_id, step_name, visit, state, arrivals, created_at, event_id, due_at, context, signals, signal_key)
	SELECT 1000000 + i, 'nap', 1, 'awaiting', '[]', now(), 1, now() + interval '1 day' + i * interval '1 ms', '{}', '{s}', 'many ' || i
	  FROM generate_series(1, $many) AS i});
sql('VACUUM ANALYZE noetl.run');
my $lots = lease_time();
cmp_ok($lots, '<', $few * 2 + 0.2, "$many open waits cost a lease nothing ($few ms, $lots ms)");
my $plan = sql(q{EXPLAIN SELECT * FROM noetl.waiting WHERE key = 'many 7'});
like($plan, qr/run_signal_idx/, 'one of them is found by an index');
my $began = time;
is(sql(q{SELECT noetl.send('s', 'nobody')}), '0', 'a message to nobody');
cmp_ok(time - $began, '<', 10, 'does not read them');
sql(q{DELETE FROM noetl.run WHERE execution_id BETWEEN 1000001 AND 3000000});

# ---------------------------------------------------------------------------
# A dump
# ---------------------------------------------------------------------------

$x = sql(q{SELECT noetl.execute('t/hold', '{"n": 5}')});
sql("SELECT noetl.signal($x, 'early', '1', 'one'), noetl.send('s', 'later', '2', '1 hour')");
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'with waits and signals in it, it');
sql('CREATE DATABASE again');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('again') ], 'restores');
my $state = "SELECT (SELECT string_agg(w::text, ';' ORDER BY w.step) FROM noetl.waiting w WHERE execution_id = $x), "
	. "(SELECT string_agg(s::text, ';') FROM noetl.signal s), (SELECT string_agg(m::text, ';') FROM noetl.message m WHERE NOT taken)";
is($node->safe_psql('again', $state), sql($state), 'as it was');
is($node->safe_psql('again', "SELECT count(*) FROM noetl.verify($x)"), '0', 'by its log, too');
is($node->safe_psql('again', "SELECT noetl.signal($x, 't'), noetl.signal($x, 'early', NULL, 'one'), noetl.send('s', '5')"),
	't|f|1', 'and goes on');
$x = $node->safe_psql('again', q{SELECT noetl.execute('t/hold', '{"n": "later"}')});
is($node->safe_psql('again', "SELECT string_agg(step, ' ') FROM noetl.waiting WHERE execution_id = $x"), 'two', 'and so does the message');

$node->stop;
done_testing();
