# One execution's trouble is its own: what cannot be finished fails and holds
# nobody else, and a family of any size is cancelled with a lock table of stock
# size.  NOETL_SCALE=full: 20,000 children, otherwise a quarter.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $full = ($ENV{NOETL_SCALE} // '') eq 'full';
my $children = $full ? 20000 : 5000;

# The size of the lock table goes with max_connections.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 256MB\nmax_connections = "
	. ($full ? 100 : 15));
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: standing/one
workflow:
- {step: a, type: python, code: x, next: end}
- step: end
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: standing/once
workflow:
- {step: a, type: python, code: x, on_lost: fail, next: end}
- step: end
');
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: standing/family
workload: {n: 10}
workflow:
- step: each
  type: iterator
  collection: "{{ range(workload.n) }}"
  element: n
  mode: async
  concurrency: "{{ workload.n }}"
  task: {type: playbook, path: standing/one}
  next: end
- step: end
');
	-- What a user''s trigger does to events of some executions.
	CREATE TABLE trouble (execution_id bigint PRIMARY KEY, kind text);
	CREATE TABLE locked ();
	CREATE FUNCTION make_trouble() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE what text := (SELECT kind FROM trouble t WHERE t.execution_id = new.execution_id);
	BEGIN
		IF new.event_type <> 'action_error' THEN RETURN new; END IF;
		IF what = 'error' THEN RAISE 'no %', new.event_type USING ERRCODE = 'XX123'; END IF;
		IF what = 'slow' THEN PERFORM pg_sleep(60); END IF;
		IF what = 'lock' THEN LOCK locked; END IF;
		IF what = 'memory' THEN RAISE 'out of shared memory' USING ERRCODE = '53200'; END IF;
		RETURN new;
	END $$;
	CREATE TRIGGER make_trouble BEFORE INSERT ON noetl.event
		FOR EACH ROW EXECUTE FUNCTION make_trouble();
});

# --- What the reaper cannot finish ---

my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK locked');
for my $kind (qw(error slow lock memory))
{
	sql(qq{
		WITH x AS (SELECT noetl.execute('standing/once') AS id)
		INSERT INTO trouble SELECT id, '$kind' FROM x;
		SELECT noetl.lease('w1', 1, '1 ms');
	});
}
sql(q{SELECT noetl.execute('standing/one') FROM generate_series(1, 20)});

my $began = time;
my $leased = sql(q{SELECT count(*) FROM noetl.lease('w2', 10)});
is($leased, 10, 'a lease is made beside what cannot be finished');
cmp_ok(time - $began, '<', 30, '... soon');
# The portion of one call is small, so several are needed.
my $until = time + 20;
sleep 0.1, sql(q{SELECT noetl.release(queue_id, 'w3') FROM noetl.lease('w3', 1)})
  while time < $until && sql(q{SELECT count(*) FROM noetl.reaper_failure}) < 4;
is( sql(q{
	SELECT string_agg(kind || ' ' || sqlstate || ' ' || (failures > 0) || ' ' || (next_try_at > last_at) || ' ' || error, E'\n' ORDER BY kind)
	  FROM noetl.reaper_failure JOIN trouble USING (execution_id)}),
	join("\n",
		'error XX123 true true no action_error',
		'lock 55P03 true true canceling statement due to lock timeout',
		'memory 53200 true true out of shared memory',
		'slow 57014 true true the decision took too long'),
	'why each of them was not finished is recorded');
$began = time;
is(sql(q{SELECT noetl.enqueue_next()}), '0', 'enqueue_next() does not fail');
sql(q{SELECT noetl.lease('w2', 1)});
is( sql(q{
	SELECT count(*) FROM noetl.queue q JOIN trouble t USING (execution_id) WHERE q.status = 'leased'}),
	4, 'their leases stay');
isnt($node->psql('postgres', q{
	SELECT noetl.enqueue_next(execution_id) FROM trouble WHERE kind = 'error'}),
	0, 'enqueue_next() of one execution raises its error');
isnt($node->psql('postgres', q{
	SET statement_timeout = '100 ms';
	SELECT noetl.enqueue_next(execution_id) FROM trouble WHERE kind = 'slow'}),
	0, 'the time limit of the caller counts');
$blocker->query_safe('COMMIT');
sql(q{
	DELETE FROM trouble;
	UPDATE noetl.reaper_failure SET next_try_at = now();
});
sleep 1.1;
sql(q{SELECT noetl.enqueue_next()});
is(sql(q{SELECT count(*) FROM noetl.reaper_failure}), 0, 'what is finished is forgotten');
is(sql(q{SELECT count(*) FROM noetl.execution WHERE status = 'FAILED'}), 4, '... all of it');
$blocker->quit;
sql('DROP TRIGGER make_trouble ON noetl.event');

# --- A family of many children ---

# Starts a family; returns the execution_id.
sub start_family
{
	sql(q{SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING'});
	sql(q{TRUNCATE noetl.queue, noetl.execution, noetl.event, noetl.run, noetl.workload});
	return sql(qq{SELECT noetl.execute('standing/family', '{"n": $children}')});
}

# The family is over, by portions, without a word from anybody but a worker.
sub check_over
{
	my ($family, $status, $name) = @_;
	is(sql(qq{SELECT status FROM noetl.execution WHERE execution_id = $family}), $status, $name);
	my $left = sql(q{SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'});
	cmp_ok($left, '>', $children / 2, '... most children wait for their turn');
	# while other executions go on
	sql(q{SELECT noetl.execute('standing/one', NULL)});
	is( sql(q{CALL noetl.wait_for_work('0.1 s', '{none}'); SELECT count(*) < } . $left .
		  q{ FROM noetl.execution WHERE status = 'RUNNING'}), "f\nt", 'who waits for work does a portion');
	my $last = $left + 1;
	my $until = time + 120;
	while ($left > 1 && time < $until)
	{
		sql(q{SELECT noetl.enqueue_next()});
		$left = sql(q{SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING'});
		last if $left == $last;
		$last = $left;
	}
	is($left, 1, '... all are cancelled in the end');
	is( sql(q{SELECT (SELECT count(*) FROM noetl.queue), (SELECT count(*) FROM noetl.pending)}),
		'1|0', '... and nothing of them is left');
	is( sql(qq{SELECT count(*) FROM noetl.execution WHERE parent_execution_id = $family AND status = 'CANCELLED'}),
		$status eq 'FAILED' && $name =~ /child/ ? $children - 1 : $children, '... each of them');
}

my $family = start_family();
is(sql("SELECT noetl.cancel($family)"), 't', "cancel of $children children");
check_over($family, 'CANCELLED', 'cancelled');

$family = start_family();
sql("UPDATE noetl.execution SET deadline = now() WHERE execution_id = $family");
sql('SELECT noetl.enqueue_next()');
check_over($family, 'FAILED', 'timed out');

$family = start_family();
sql(q{SELECT noetl.fail(queue_id, 'no', 'w1') FROM noetl.lease('w1', 1)});
check_over($family, 'FAILED', 'a child has failed');

# --- Others go on while a family ends ---

sql(q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: standing/other
workflow:
- {step: a, type: shell, command: x, next: end}
- step: end
');
	-- Executes one after the other for some seconds; returns how many in a second.
	CREATE PROCEDURE go_on(seconds float, INOUT rate float DEFAULT NULL) LANGUAGE plpgsql AS $$
	DECLARE
		began timestamptz := clock_timestamp();
		done int := 0;
	BEGIN
		WHILE clock_timestamp() < began + seconds * interval '1 s' LOOP
			PERFORM noetl.execute('standing/other');
			COMMIT;
			PERFORM noetl.complete(t.queue_id, '1', 'o') FROM noetl.lease('o', 1, '60 s', '{shell}') AS t;
			COMMIT;
			done := done + 1;
		END LOOP;
		rate := done / extract(epoch FROM clock_timestamp() - began);
	END $$;
});
# The same in a database without a family: who works there is disturbed by what the
# machine does, and not by the family.
$node->safe_psql('postgres', 'CREATE DATABASE undisturbed');
$node->safe_psql(
	'undisturbed', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: standing/other, workflow: [{step: a, type: shell, command: x, next: end}]}')});
$node->safe_psql('undisturbed', sql(q{SELECT pg_get_functiondef('go_on'::regproc)}));

# Returns the rate beside the family as a share of the rate in the other database.
sub share
{
	my ($seconds) = @_;
	my ($beside, $alone) = ('', '');
	my @sessions = map { IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr($_->[0]), '-c', "CALL go_on($seconds)" ], '>', $_->[1]) }
	  ([ 'postgres', \$beside ], [ 'undisturbed', \$alone ]);
	$_->finish for @sessions;
	return $beside / $alone;
}

my %ends = (
	cancel => sub { sql("SELECT noetl.cancel($_[0])") },
	timeout => sub { sql("UPDATE noetl.execution SET deadline = now() WHERE execution_id = $_[0]; SELECT noetl.enqueue_next($_[0])") },
	'failure of a child' => sub { sql(q{SELECT noetl.fail(queue_id, 'no', 'w1') FROM noetl.lease('w1', 1, '60 s', '{python}')}) });
foreach my $end (sort keys %ends)
{
	sql('TRUNCATE noetl.queue, noetl.execution, noetl.event, noetl.run, noetl.workload, noetl.pending, noetl.family');
	$family = start_family();
	$ends{$end}->($family);
	# The best of some rounds: a machine that is busy favours one session or the other.
	my @shares;
	push @shares, share(2) until @shares == 6 or grep { $_ >= 0.9 } @shares;
	my $left = sql("SELECT count(*) FROM noetl.execution WHERE parent_execution_id = $family AND status = 'RUNNING'");
	note("$end of $children children: shares " . join(' ', map { sprintf '%.2f', $_ } @shares) . "; $left children left");
	ok((grep { $_ >= 0.9 } @shares) > 0, "$end: others go on meanwhile at 90 % of their rate");
	cmp_ok($left, '<', $children, '... and do portions of it');
}

# However slow a portion is, it takes a small share of the time of who has work of its own.
sql(q{
	CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN new; END $$;
	CREATE TRIGGER slow BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_cancelled') EXECUTE FUNCTION slow()});
my $left = sql(q{SELECT count(*) FROM noetl.pending});
sql('CALL go_on(4)');
$left -= sql(q{SELECT count(*) FROM noetl.pending});
cmp_ok($left, '>', 0, 'a busy session does slow portions');
# two children of 20 ms each, then a pause of 20 times as long
cmp_ok($left, '<', 14, '... and few of them');
sql('DROP TRIGGER slow ON noetl.event');

# Nor does what else is due wait for the end of a family.
sql(q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: standing/retried
workflow:
- {step: a, type: retried, code: x, retry: {max_attempts: 3, initial_delay: 60}}
');
	SELECT noetl.execute('standing/retried');
	SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 1, '60 s', '{retried}');
	UPDATE noetl.queue SET available_at = now() WHERE status = 'retry'});
is( sql(q{
	SELECT count(*) > 1000 FROM noetl.pending;
	SELECT noetl.enqueue_next() > 0;
	SELECT count(*) > 0 FROM noetl.pending;
	SELECT status FROM noetl.queue WHERE node_type = 'retried'}),
	"t\nt\nt\nqueued", 'a retry becomes ready beside a family that is cancelled in portions');
sql('TRUNCATE noetl.pending, noetl.family');

# --- One statement and many executions ---

# The lock table has room for some 2,500 locks here.
my $many = $full ? 40000 : 10000;
sub start_many
{
	sql(qq{
		TRUNCATE noetl.queue, noetl.execution, noetl.event, noetl.run, noetl.workload;
		SELECT count(noetl.execute('standing/one')) FROM generate_series(1, $many)});
	return;
}
start_many();
is( sql(q{
	BEGIN;
	INSERT INTO noetl.event (execution_id, event_type, node_name)
	SELECT execution_id, 'action_completed', node_name FROM noetl.queue;
	SELECT count(*) < 1000 FROM pg_locks;
	COMMIT;
	SELECT status || ' ' || count(*) FROM noetl.execution GROUP BY status}),
	"t\nCOMPLETED $many", 'one statement completes more executions than the lock table has room for');
start_many();
is(sql('SELECT count(noetl.cancel(execution_id)) FROM noetl.execution'), $many, '... or cancels them');
start_many();
is( sql(qq{SELECT count(*) FROM noetl.cancel_all(max => $many, dry_run => false)}), $many, '... each in a subtransaction');
sql(q{
	SELECT count(noetl.execute('standing/one')) FROM generate_series(1, 3000);
	INSERT INTO noetl.event (execution_id, event_type, node_name, status)
	SELECT execution_id, 'action_error', node_name, 'FAILED' FROM noetl.queue});
is( sql(qq{SELECT count(*) FROM noetl.redrive_all(max => $many, dry_run => false)}), 3000, '... or has those that failed go on');
is( sql(q{
	SELECT count(*) FROM (SELECT execution_id FROM noetl.execution ORDER BY execution_id DESC LIMIT 200) AS x, noetl.verify(execution_id)}),
	0, '... and the logs agree');

# --- The clock goes back ---

# As if ids had been given up to tomorrow.
my $tomorrow = sql(q{
	SELECT setval('noetl.id_seq', floor(extract(epoch FROM now() + interval '1 day' - timestamptz '2024-01-01 00:00:00+00') * 1000)::bigint)});
my $id = sql(q{SELECT noetl.next_id()});
cmp_ok($id >> 22, '>=', $tomorrow, 'ids go on from where they were');
is( sql(q{SELECT count(DISTINCT id), count(*) FILTER (WHERE id <= before)
	FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before
	        FROM (SELECT n, noetl.next_id() AS id FROM generate_series(1, 10000) n) x) y}),
	'10000|0', '... and grow while the clock stands');
my $last = sql(q{SELECT noetl.next_id()});
$node->restart;
cmp_ok(sql(q{SELECT noetl.next_id()}), '>', $last, '... also after a restart');
$node->stop('immediate');
$node->start;
cmp_ok(sql(q{SELECT noetl.next_id()}), '>', $last, '... and after a crash');
cmp_ok(sql(q{SELECT noetl.id_time(noetl.next_id()) - now() < interval '1 day 1 min'}), 'eq', 't',
	'... no further than need be');

done_testing();
