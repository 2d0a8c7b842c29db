# Many paused tasks: they cost no lease anything, and become ready portion by portion
# while others work.  NOETL_SCALE=full: 1,000,000 tasks, otherwise 20,000.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $full = ($ENV{NOETL_SCALE} // '') eq 'full';
my ($tasks, $workers) = $full ? (1000000, 4) : (20000, 4);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 256MB\nmax_wal_size = 4GB");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register(format('
apiVersion: noetl.io/v1
kind: Playbook
path: %s
workflow:
- {step: fetch, type: python, code: x}
', path)) FROM (VALUES ('many'), ('other')) AS p (path);
	CREATE TABLE leased (worker text, queue_id bigint);
	-- As many ready tasks as are asked for, before all others.
	CREATE FUNCTION add_tasks(n bigint) RETURNS void LANGUAGE sql
		AS $$
			INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
			SELECT q.execution_id, q.catalog_id, q.node_id, q.node_name, q.node_type, q.action
			  FROM (SELECT * FROM noetl.queue LIMIT 1) AS q, generate_series(2, n);
		$$;
	-- Leases until nothing is left that somebody could lease.
	CREATE PROCEDURE take_all(worker text) LANGUAGE plpgsql AS $$
	DECLARE
		idle int := 0;
		n bigint;
	BEGIN
		WHILE idle < 1000 LOOP
			INSERT INTO leased SELECT worker, queue_id FROM noetl.lease(worker, 100, '1 h');
			GET DIAGNOSTICS n = ROW_COUNT;
			COMMIT;
			idle := CASE WHEN n > 0 THEN 0 ELSE idle + 1 END;
			EXIT WHEN n = 0 AND NOT EXISTS (SELECT FROM noetl.queue WHERE status IN ('queued', 'paused'));
			IF n = 0 THEN PERFORM pg_sleep(0.02); END IF;
		END LOOP;
	END
	$$;
	CREATE FUNCTION pages(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		plan json;
	BEGIN
		EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
		RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
	END
	$$;
});

# Returns what a statement returns, and how many seconds it took.
sub timed
{
	my ($statement) = @_;
	my $begin = time();
	my $result = $node->safe_psql('postgres', $statement);

	return ($result, time() - $begin);
}

my $statement = q{SELECT queue_id FROM noetl.lease('w', 1, '1 h')};
$node->safe_psql('postgres', q{SELECT noetl.execute('other') FROM generate_series(1, 20)});
my $alone = $node->safe_psql('postgres', "SELECT min(pages(\$\$$statement\$\$)) FROM generate_series(1, 10)");
$node->safe_psql('postgres', 'DELETE FROM noetl.queue');

# A pause: what its statement leaves, the leases pause before they come to the others.
my $x = $node->safe_psql('postgres', q{SELECT noetl.execute('many')});
$node->safe_psql('postgres', "SELECT add_tasks($tasks)");
$node->safe_psql('postgres', q{SELECT noetl.execute('other') FROM generate_series(1, 30); ANALYZE noetl.queue});
my ($paused, $seconds) = timed(q{SELECT noetl.pause_tasks('many') > 0});
note(sprintf 'pause_tasks: %.2f s', $seconds);
cmp_ok($seconds, '<', 10, 'a pause of many tasks is one statement of seconds');
my ($first, $until_first) = timed(
	q{DO $$
	  BEGIN
		WHILE NOT EXISTS (SELECT FROM noetl.lease('w', 1, '1 h')) LOOP COMMIT; END LOOP;
	  END
	  $$});
note(sprintf 'the first task behind the paused ones: %.2f s', $until_first);
is($node->safe_psql('postgres', q{SELECT status, count(*) FROM noetl.queue GROUP BY 1 ORDER BY 1}),
	"leased|1\npaused|$tasks\nqueued|29", 'all tasks of the playbook are paused, and no other');
$node->safe_psql('postgres', 'VACUUM noetl.queue');
my $among = $node->safe_psql('postgres', "SELECT min(pages(\$\$$statement\$\$)) FROM generate_series(1, 20)");
# whether the execution of a task is paused is looked up
cmp_ok($among, '<=', $alone + 8, "a lease does not read paused tasks ($among pages, $alone without them)");

# The end of the pause: one statement, during which others lease, and then each task once.
my ($nothing, $said) = ('', '');
my $session = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', '\timing on', '-c', 'BEGIN',
	  '-c', 'SELECT noetl.resume_tasks()', '-c', 'SELECT pg_sleep(2)', '-c', 'COMMIT' ],
	'<', \$nothing, '>', \$said, '2>&1');
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(2)')});
is($node->safe_psql('postgres', q{SET statement_timeout = '5s'; SELECT count(*) FROM noetl.lease('w', 5, '1 h')}),
	5, 'others lease while the end of the pause has not committed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(2)' AND state = 'active'}),
	1, '... which it still has not');
$session->finish;
my ($milliseconds) = $said =~ /1\nTime: ([0-9.]+) ms/;
note("resume_tasks: $milliseconds ms");
cmp_ok($milliseconds, '<', 10000, 'the end of a pause is one statement of a moment');
my $script = $node->basedir . '/take.sql';
append_to_file($script, "CALL take_all('w' || :client_id);\n");
my $begin = time();
$node->command_ok(
	[ 'pgbench', '-n', '-c', $workers, '-j', 2, '-t', 1, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'workers lease all there is');
note(sprintf '%d workers, %d tasks: %.1f s', $workers, $tasks, time() - $begin);
is($node->safe_psql('postgres', q{
		SELECT count(*), count(DISTINCT queue_id) FROM leased JOIN noetl.queue USING (queue_id)
		 WHERE execution_id = } . $x),
	"$tasks|$tasks", 'each task is handed out, once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM noetl.queue WHERE status = 'paused'}), 0, 'none is left paused');
# what takes too long on a busy machine is tried again later
is($node->safe_psql('postgres', q{SELECT error FROM noetl.reaper_failure WHERE error <> 'the decision took too long'}), '',
	'nothing has failed');
$node->stop;
done_testing();
