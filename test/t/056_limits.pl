# Workers and the sessions of clients are killed at random while a sampler counts: no
# limit is ever exceeded, and nothing that waits is forgotten.  NOETL_SCALE=full: ten
# minutes, otherwise some seconds; LIMITS_SECONDS says how many.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{LIMITS_SECONDS} // (($ENV{NOETL_SCALE} // '') eq 'full' ? 600 : 5);
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 5");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: limits/kill
workload: {k: 0}
limits: {name: runs, key: "{{ k }}", concurrency: 4}
workflow:
- step: a
  type: python
  code: x
  retry: {max_attempts: 5, initial_delay: 0.05}
  limits: {name: tasks, key: "{{ workload.k }}", concurrency: 2}
  next: b
- step: b
  type: python
  code: x
  on_error: continue
  limits: [{name: all, concurrency: 5}, {name: tasks, key: "{{ workload.k }}", concurrency: 2}]
  next: end
- step: end
');
	-- Limits that have room now and then, so that slots are taken without a lock and kept.
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: limits/room
workload: {k: 0}
workflow:
- step: a
  type: python
  code: x
  limits: {name: room, key: "{{ workload.k }}", concurrency: 3}
  next: b
- step: b
  type: python
  code: x
  retry: {max_attempts: 5, initial_delay: 0.05}
  limits: {name: room, key: "{{ workload.k }}", concurrency: 3}
  next: c
- step: c
  type: python
  code: x
  limits: {name: room, key: "{{ workload.k }}", concurrency: 3}
  next: end
- step: end
');
	-- One task after the other, ended in some way or not at all.
	CREATE PROCEDURE work(worker text, seconds double precision) LANGUAGE plpgsql AS $$
	DECLARE
		task record;
		until timestamptz := clock_timestamp() + seconds * interval '1 s';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			SELECT * INTO task FROM noetl.lease(worker, 1, '0.3 s');
			COMMIT;
			IF task.queue_id IS NULL THEN
				PERFORM pg_sleep(0.01);
				CONTINUE;
			END IF;
			PERFORM pg_sleep(random() * 0.01);
			CASE (random() * 9)::int
				WHEN 0 THEN PERFORM noetl.fail(task.queue_id, 'no', worker);
				WHEN 1 THEN PERFORM noetl.release(task.queue_id, worker);
				WHEN 2 THEN PERFORM noetl.cancel(task.execution_id);
				WHEN 3 THEN PERFORM noetl.complete(task.queue_id, NULL, worker); ROLLBACK;
				WHEN 4 THEN NULL;
				WHEN 5 THEN PERFORM noetl.complete_and_lease(task.queue_id, NULL, worker, 1, '0.3 s');
				WHEN 6 THEN
					BEGIN
						PERFORM noetl.complete(task.queue_id, NULL, worker);
						RAISE division_by_zero;
					EXCEPTION WHEN division_by_zero THEN
						PERFORM noetl.complete(task.queue_id, NULL, worker);
					END;
				ELSE PERFORM noetl.complete(task.queue_id, NULL, worker);
			END CASE;
			COMMIT;
		END LOOP;
	END $$;
	-- What is under way, of each limit and key, by the tasks and executions themselves.
	CREATE VIEW under_way AS
		SELECT l ->> 'name' AS name, l ->> 'key' AS key, (l ->> 'concurrency')::int AS most, count(*) AS n
		  FROM noetl.queue AS q, jsonb_array_elements(q.limits) AS l
		 WHERE q.status IN ('queued', 'leased', 'cancelled') GROUP BY 1, 2, 3
		UNION ALL
		SELECT 'runs', coalesce(w.data ->> 'k', ''), 4, count(*)
		  FROM noetl.execution AS x LEFT JOIN noetl.workload AS w USING (execution_id) WHERE x.status = 'RUNNING' AND x.path = 'limits/kill' GROUP BY 2;
	CREATE TABLE sample (looks int, exceeded int, highest bigint, full_ones bigint, which text);
	CREATE PROCEDURE sample(seconds double precision) LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + seconds * interval '1 s';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			INSERT INTO sample SELECT 1, count(*) FILTER (WHERE n > most), max(n), count(*) FILTER (WHERE n = most),
				string_agg(format('%s/%s: %s', name, key, n), ', ') FILTER (WHERE n > most) FROM under_way;
			COMMIT;
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$;
});

my @clients;
sub background
{
	my ($name, $statement) = @_;
	my ($out, $err) = ('', '');
	return IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres') . " application_name=$name", '-c', $statement ],
		'<', \'', '>', \$out, '2>', \$err);
}

# A prepared transaction may hold the lock of a limit: what waits for it is left.
sub start { return $node->psql('postgres', "SET lock_timeout = '0.5s'; $_[0]"); }

my $end = time() + $seconds;
my $sampler = background('sampler', "CALL sample($seconds)");
my $kills = 0;
my $number = 0;
my $prepared = 0;
while (time() < $end)
{
	# that a process has ended is only seen when it is asked; its pipes last until it is finished
	my @running;
	for my $client (@clients)
	{
		if (eval { $client->pump_nb; 1 } && $client->pumpable) { push @running, $client }
		else { eval { $client->finish } }
	}
	@clients = @running;
	push @clients, background("worker", "CALL work('w" . $number++ . "', 2)") while @clients < 6;
	start('SELECT count(noetl.execute(\'limits/kill\', jsonb_build_object(\'k\', (random() * 2)::int))) FROM generate_series(1, 8)
	      WHERE (SELECT count(*) FROM noetl.execution WHERE ended_at IS NULL) < 100');
	start('SELECT count(noetl.execute(\'limits/room\', jsonb_build_object(\'k\', (random() * 3)::int))) FROM generate_series(1, 4)
	      WHERE (SELECT count(*) FROM noetl.execution WHERE ended_at IS NULL) < 80');
	# a prepared transaction takes slots and gives some up, and ends in either way a while later
	if (++$prepared % 10 == 1)
	{
		start(q{BEGIN; SELECT count(noetl.execute('limits/room', jsonb_build_object('k', (random() * 3)::int))) FROM generate_series(1, 2);
			SELECT count(noetl.complete(queue_id, NULL, 'p')) FROM noetl.lease('p', 2); PREPARE TRANSACTION 'slots'});
	}
	elsif ($prepared % 10 == 5)
	{
		$node->psql('postgres', int(rand(2)) ? q{COMMIT PREPARED 'slots'} : q{ROLLBACK PREPARED 'slots'});
	}
	$kills += sql('SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = \'worker\' ORDER BY random() LIMIT 1) AS one');
	sleep(0.05);
}
$sampler->finish;
$_->kill_kill for @clients;
$node->psql('postgres', q{ROLLBACK PREPARED 'slots'});

# A prepared transaction keeps the slots that it has got or given up.
sql(q{BEGIN; SELECT count(noetl.execute('limits/kill', '{"k": 7}')) FROM generate_series(1, 6); PREPARE TRANSACTION 'p'})
	if sql('SHOW max_prepared_transactions') > 0;
is(sql(q{SELECT count(*) FROM noetl.slot WHERE key = '7'}), 0, 'what is prepared is not seen');
$node->restart;
sql(q{COMMIT PREPARED 'p'});
is(sql(q{SELECT count(*) FILTER (WHERE held), count(*) FROM noetl.slot WHERE key = '7' AND name = 'runs'}), '4|6', 'a prepared transaction hands out slots');

cmp_ok($kills, '>', 5, 'sessions were killed');
cmp_ok(sql('SELECT sum(looks) FROM sample'), '>', 50, 'the sampler has looked');
cmp_ok(sql('SELECT sum(full_ones) FROM sample'), '>', 50, 'limits were reached');
is(sql('SELECT sum(exceeded) FROM sample'), 0, 'no limit was exceeded')
	or diag(sql('SELECT which, count(*) FROM sample WHERE exceeded > 0 GROUP BY 1 ORDER BY 2 DESC LIMIT 10'));
cmp_ok(sql(q{SELECT count(*) FROM noetl.execution WHERE path = 'limits/room' AND status = 'COMPLETED'}), '>', 5, 'tasks went on behind each other');
note("$kills kills, $number sessions, " . sql('SELECT sum(looks) FROM sample') . ' looks, ' . sql('SELECT count(*) FROM noetl.execution') . ' executions');
is(sql('SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)'), 0, 'all follow from their logs');

# Everything ends: nothing that waits is forgotten, and no slot is left.
my $left = 1;
for (my $until = time() + 120; $left > 0 && time() < $until;)
{
	sql(q{CALL work('last', 0.5)});
	sql('SELECT noetl.enqueue_next()');
	$left = sql('SELECT count(*) FROM noetl.execution WHERE ended_at IS NULL');
}
is($left, 0, 'all executions end');
sql('SELECT pg_sleep(0.4); SELECT noetl.enqueue_next()');
is(sql('SELECT count(*) FROM noetl.slot'), 0, 'no slot is left');
is(sql('SELECT count(*) FROM noetl.reaper_failure'), 0, 'nothing failed');

# Eight clients at once count one rate together: after a burst, so many a second begin.
my ($rate, $burst, $starts) = (15, 4, 64);
sql(qq{SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: limits/rate
workflow:
- step: a
  type: python
  code: x
  limits: {name: pace, rate: {limit: $rate, per: second, burst: $burst}}
  next: end
- step: end
')});
my $script = $node->basedir . '/rate.pgbench';
append_to_file($script, q{SELECT noetl.execute('limits/rate');
SELECT count(noetl.complete(queue_id, '{}', 'w' || :client_id::text)) FROM noetl.lease('w' || :client_id::text, 3);
});
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', $starts / 8, '-f', $script, $node->connstr('postgres') ],
	'clients start and work side by side');
$left = 1;
for (my $until = time() + 120; $left > 0 && time() < $until;)
{
	sql(q{SELECT count(noetl.complete(queue_id, '{}', 'last')) FROM noetl.lease('last', 100)});
	$left = sql('SELECT count(*) FROM noetl.execution WHERE ended_at IS NULL');
}
is($left, 0, 'all executions end');
my $took = sql(q{SELECT extract(epoch FROM max(e.created_at) FILTER (WHERE e.event_type = 'action_completed') - min(e.created_at))
	FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id) WHERE x.path = 'limits/rate'});
cmp_ok($took, '>=', ($starts - $burst) / $rate - 0.05, 'and never begin faster than the rate');
$node->stop;

done_testing();
