# The wall clock jumps, as after a step of NTP, or when a virtual machine resumes:
# ids never repeat, and what has become due is done.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use ClockTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
my $clock = prepare_clock($node);

$node->init;
$node->append_conf(
	'postgresql.conf', q{
	shared_preload_libraries = 'noetl'
	noetl.timer = on
	autovacuum = off
});
start_under_clock($node);
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: line, workflow: [{step: a, type: python, code: x}]}');
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: slow, workflow: [
	    {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 3000, max_delay: 3000, jitter: false}}]}')});
# In another database nothing is due, whatever the clock says.
$node->safe_psql('postgres', 'CREATE DATABASE quiet');
$node->safe_psql(
	'quiet', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: line, workflow: [{step: a, type: python, code: x}]}');
	SELECT noetl.execute('line')});
set_clock(600);
like($node->safe_psql('postgres', "SELECT extract(epoch FROM clock_timestamp())::bigint - " . int(time)), qr/^(59\d|60\d)$/,
	'the clock of the server is what we say');

# The same second again and again; then a clock that is an hour back.
my $begin = time;
my $ids = 0;
my $failed = '';
foreach my $round (1 .. 5)
{
	set_clock($begin - time);
	my ($status, $out, $error) = $node->psql('postgres', "SELECT count(noetl.execute('line')) FROM generate_series(1, 1500)");
	$ids += 1500;
	$failed .= $error;
}
set_clock(-3600);
my ($status, $out, $error) = $node->psql('postgres', "SELECT count(noetl.execute('line')) FROM generate_series(1, 100)");
$ids += 100;
is($failed . $error, '', 'executions start whatever the clock says');
is($node->safe_psql('postgres', "SELECT count(DISTINCT execution_id) FROM noetl.execution WHERE path = 'line'"), $ids, 'each with an id of its own');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT execution_id < lag(execution_id) OVER (ORDER BY ctid) AS back FROM noetl.execution) AS o WHERE back"), '0',
	'ids grow in the order of the starts');
# A restart has no memory but the database.
$node->stop('immediate');
start_under_clock($node);
($status, $out, $error) = $node->psql('postgres', "SELECT count(noetl.execute('line')) FROM generate_series(1, 100)");
is($error, '', 'nor do they repeat after a crash while the clock is back');
set_clock($begin - time);
($status, $out, $error) = $node->psql('postgres', "SELECT count(noetl.execute('line')) FROM generate_series(1, 1500)");
is($error, '', 'nor when it is then as it was before the crash');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT noetl.verify(execution_id) FROM noetl.execution ORDER BY execution_id DESC LIMIT 50) AS v'), '0', 'and the logs agree');

# What waits for 50 min is due at once when the clock goes forward.
set_clock(0);
$node->safe_psql(
	'postgres', q{
	SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
	SELECT noetl.execute('slow');
	SELECT noetl.fail(queue_id, 'e', 'w') FROM noetl.lease('w', 1, '1 s')});
is($node->safe_psql('postgres', 'SELECT status FROM noetl.queue'), 'retry', 'a retry waits');
# A worker without a lease says that it has begun, which is a lease of a minute.
$node->safe_psql('quiet', q{INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) SELECT execution_id, 'action_started', 'a', 'w' FROM noetl.queue});
# The timer looks once more when the lease would have ended, and then lies down for 50 min.
sleep 2;
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'noetl timer'"),
	'nobody looks after the database');
set_clock(3600);
my $since = time;
sleep 0.5 until time - $since > 300 or $node->safe_psql('postgres', 'SELECT status FROM noetl.queue') eq 'queued';
note(sprintf 'ready %.1f s after the jump', time - $since);
is($node->safe_psql('postgres', 'SELECT status FROM noetl.queue'), 'queued', 'the timer looks at the clock now and then');
ok($node->poll_query_until('quiet', "SELECT status = 'queued' FROM noetl.queue"), 'in each database where a lease has ended');

# What a session has failed with is left alone for a second, whatever the clock says then.
$node->safe_psql(
	'postgres', q{
	SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING';
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: short, timeout: 0.01, workflow: [{step: a, type: python, code: x}]}');
	CREATE SEQUENCE tries;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('tries') WHERE current_setting('application_name') = 'here';
		RAISE 'not now';
	END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON noetl.event FOR EACH ROW WHEN (new.event_type = 'execution_failed') EXECUTE FUNCTION refuse();
	ALTER TABLE noetl.reaper_failure ADD CONSTRAINT nobody_says CHECK (error <> 'not now');
	CREATE PROCEDURE try_until(tried int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 600 LOOP
			PERFORM noetl.enqueue_next();
			COMMIT;
			EXIT WHEN tried <= (SELECT last_value FROM tries WHERE is_called);
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $$});
is( $node->safe_psql(
		'postgres', qq{
	SET application_name = 'here';
	SELECT noetl.execute('short') IS NULL;
	\\! echo 7200000000 >'$clock.new' && mv '$clock.new' '$clock'
	CALL try_until(1);
	\\! echo 3600000000 >'$clock.new' && mv '$clock.new' '$clock'
	CALL try_until(2);
	SELECT last_value >= 2 FROM tries}),
	"f\nt", 'who has failed before the clock went back tries again');

# What is known for a while is not known for longer when the clock goes back: rows that were
# written by hand meanwhile are found.
$node->safe_psql('postgres', 'CREATE DATABASE known');
is( $node->safe_psql(
		'known', qq{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: limited, workflow: [{step: a, type: slow, code: x, limits: {name: two, concurrency: 2}}]}') IS NULL;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: line, workflow: [{step: a, type: quick, code: x, next: b}, {step: b, type: quick, code: x, next: c}, {step: c, type: quick, code: x}]}') IS NULL;
	CREATE FUNCTION hold() RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO noetl.slot SELECT (jsonb_populate_record(s, '{"queue_id": -1, "execution_id": 1}')).* FROM noetl.slot s LIMIT 1 \$\$;
	CREATE FUNCTION task(name text, type text, priority int, fair_key text) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action, priority, fair_key) VALUES (1, 1, '1:' || \$1, \$1, \$2, '{}', \$3, \$4) \$\$;
	SELECT noetl.execute('limited') IS NULL;
	SELECT hold();
	\\! echo 3612000000 >'$clock.new' && mv '$clock.new' '$clock'
	SELECT noetl.execute('limited') IS NULL;
	SELECT string_agg(status, ' ' ORDER BY queue_id) FROM noetl.queue;
	SELECT count(noetl.cancel(execution_id)) FROM noetl.execution;
	DELETE FROM noetl.slot;
	SELECT noetl.execute('limited') IS NULL;
	SELECT hold();
	\\! echo 0 >'$clock.new' && mv '$clock.new' '$clock'
	SELECT noetl.execute('limited') IS NULL;
	SELECT string_agg(status, ' ' ORDER BY queue_id) FROM noetl.queue;
	SELECT count(*) FROM noetl.lease('w', types => '{kept}');
	\\! echo -1000000000 >'$clock.new' && mv '$clock.new' '$clock'
	SELECT task('fair', 'kept', 0, 'k');
	SELECT node_name FROM noetl.lease('w', types => '{kept}');
	SELECT noetl.execute('line') IS NULL;
	SELECT node_name FROM noetl.lease('w', types => '{quick}');
	SELECT node_name FROM noetl.complete_and_lease((SELECT queue_id FROM noetl.queue WHERE node_name = 'a' AND status = 'leased'), '1', 'w', types => '{quick}');
	\\! echo -2000000000 >'$clock.new' && mv '$clock.new' '$clock'
	SELECT task('first', 'quick', 5, NULL);
	SELECT node_name FROM noetl.complete_and_lease((SELECT queue_id FROM noetl.queue WHERE node_name = 'b'), '1', 'w', types => '{quick}');
	}),
	"f\nf\nf\n\nf\nqueued blocked\n2\nf\n\nf\nqueued blocked\n0\n\nfair\nf\na\nb\n\nfirst", 'rows that were written by hand are found');

$node->stop;
done_testing();
