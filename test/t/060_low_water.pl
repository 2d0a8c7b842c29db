# A task whose transaction is prepared stays where it is: it may become visible
# long after thousands of later ones are done, by another session, even after a
# restart, and must be found then.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\nautovacuum_naptime = 1s");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: low_water
workflow:
- {step: only, type: python, code: x}
');
	CREATE PROCEDURE churn(tasks int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. tasks LOOP
			PERFORM noetl.execute('low_water');
			COMMIT;
			PERFORM noetl.complete(queue_id, NULL, 'w') FROM noetl.lease('w');
			COMMIT;
		END LOOP;
	END
	$$;
});

# What a session finds that has seen a thousand tasks come and go before.
sub found_after_churn
{
	my ($statement) = @_;
	my $out = $node->safe_psql('postgres', qq{
		CALL churn(1000);
		$statement;
		SELECT 'found ' || count(*) FROM noetl.lease('w', 10);});
	$node->safe_psql('postgres', q{
		SELECT noetl.complete(queue_id, NULL, worker_id) FROM noetl.queue});
	return $out;
}

# How many entries of the index of ready tasks have been read so far.
sub entries_read
{
	sleep 1;    # sessions that have ended may still be reporting
	return $node->safe_psql('postgres', q{
		SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'queue_ready_idx'});
}

foreach my $restart (0, 1)
{
	$node->safe_psql('postgres',
		"BEGIN; SELECT noetl.execute('low_water'); PREPARE TRANSACTION 'early'");
	$node->restart if $restart;
	is(found_after_churn("COMMIT PREPARED 'early'"), 'found 1',
		$restart ? 'prepared before a restart' : 'prepared');
}

# A lease that has just looked who is late does not look again for a few milliseconds; the
# next one must nevertheless find what has been committed meanwhile.  Five times, for tasks
# of five types, since one look may come at the very moment.
$node->safe_psql('postgres', q{
	SELECT noetl.register(format('
apiVersion: noetl.io/v1
kind: Playbook
path: low_water/%1$s
workflow:
- {step: only, type: late%1$s, code: x}
', i)) FROM generate_series(1, 5) i;
	CREATE PROCEDURE churn_late(tasks int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. tasks LOOP
			PERFORM noetl.execute('low_water/' || i % 5 + 1);
			COMMIT;
			PERFORM noetl.complete(queue_id, NULL, 'w') FROM noetl.lease('w', types => ARRAY['late' || i % 5 + 1]);
			COMMIT;
		END LOOP;
	END
	$$;
	CREATE PROCEDURE wait_for_lease_late() LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 3000 LOOP
			EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL lease_late%' AND state = 'active');
			COMMIT;
			PERFORM pg_sleep(0.02);
		END LOOP;
	END
	$$;
	CREATE PROCEDURE lease_late(INOUT missed int) LANGUAGE plpgsql AS $$
	DECLARE
		prepared int;
	BEGIN
		FOR i IN 1 .. 5 LOOP
			LOOP
				prepared := count(*) FROM pg_locks WHERE relation = 'noetl.queue'::regclass AND mode = 'RowExclusiveLock' AND pid IS NULL;
				EXIT WHEN EXISTS (SELECT FROM noetl.lease('w', types => ARRAY['late' || i]));
				COMMIT;
				missed := missed + (prepared <= 5 - i)::int;
			END LOOP;
			COMMIT;
		END LOOP;
	END
	$$});
$node->safe_psql('postgres', "BEGIN; SELECT noetl.execute('low_water/$_'); PREPARE TRANSACTION 'late$_'") foreach 1 .. 5;
my $committer = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', 'CALL wait_for_lease_late()',
		map { ('-c', 'SELECT pg_sleep(0.05)', '-c', "COMMIT PREPARED 'late$_'") } 1 .. 5 ], '>', \my $committed, IPC::Run::timeout(180));
is($node->safe_psql('postgres', q{
	CALL churn_late(700);
	SELECT WHERE pg_sleep(0.2) IS NULL;
	CALL churn_late(700);
	-- a lease that meets entries of the last 1024 tasks that were leased looks twice
	CALL churn(1100);
	SET statement_timeout = '120 s';
	CALL lease_late(0);
	SELECT count(*) FROM (SELECT noetl.complete(queue_id, NULL, worker_id) FROM noetl.queue) c}), "0\n5", 'found at once');
$committer->finish;

# Leased by a prepared transaction, and given up by it; the session goes on.
$node->safe_psql('postgres', "SELECT noetl.execute('low_water')");
$node->safe_psql('postgres',
	"BEGIN; SELECT noetl.lease('p'); PREPARE TRANSACTION 'lease'; SELECT 1");
is(found_after_churn("ROLLBACK PREPARED 'lease'"), 'found 1',
	'leased by a transaction that was prepared and rolled back');

# What a prepared transaction has seen of the tasks of an execution is known to nobody
# before it is committed, though the session has gone on.
is($node->safe_psql('postgres', q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: low_water/two
workflow:
- {step: start, next: [a, b]}
- {step: a, type: two, code: x}
- {step: b, type: two, code: x}
') > 0;
	SELECT noetl.execute('low_water/two') > 0;
	SELECT count(*) FROM noetl.lease('w', 2, types => '{two}');
	BEGIN;
	SELECT noetl.complete(min(queue_id), '1', 'w') FROM noetl.queue WHERE node_type = 'two';
	PREPARE TRANSACTION 'seen';
	SELECT count(*) FROM noetl.queue WHERE node_type = 'two';
	ROLLBACK PREPARED 'seen';
	SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE node_type = 'two' ORDER BY queue_id;
	SELECT node_name FROM noetl.event WHERE event_type = 'step_completed' AND node_name IN ('a', 'b') ORDER BY 1;
	SELECT v.* FROM noetl.execution x, noetl.verify(x.execution_id) v WHERE path = 'low_water/two'}),
	"t\nt\n2\nt\n2\nt\nt\na\nb", 'what a prepared transaction has seen');

# Prepared when others have long gone on without it, and committed much later.
my ($in, $out) = ('', '');
my $session = IPC::Run::start(
	[ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, IPC::Run::timeout(180));
$in = "BEGIN;\nSELECT noetl.execute('low_water') > 0;\n";
$session->pump until $out =~ /^t$/m;
is(found_after_churn('SELECT 1'), "1\nfound 0", 'what others enqueue late is not seen yet');
my $read = entries_read();
# A session must have seen the transaction go on for 100 ms before it takes it for late.
$node->safe_psql('postgres', 'CALL churn(10); SELECT pg_sleep(0.2); CALL churn(500)');
# Each lease would read the thousands of entries of the tasks before; the mark
# leaves a look at all of them now and then, more often on a slow machine.
cmp_ok(entries_read() - $read, '<', 500 * 200, 'and costs those who go on nothing');
# The session goes on, and the end of its next transaction is not that of the prepared one.
$in = "PREPARE TRANSACTION 'late';\nSELECT 1;\n\\q\n";
$session->finish;
is(found_after_churn("COMMIT PREPARED 'late'"), 'found 1', 'prepared when it was late already');

# A part of a transaction takes its own task away, looks at others, and gives it back; then the
# transaction is prepared.  The session goes on, and must not pass over that task.
$node->safe_psql('postgres', q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: low_water/part
workflow:
- {step: only, type: part, code: x}
')});
($in, $out) = ("BEGIN;\nSELECT noetl.execute('low_water/part') AS own \\gset\n\\echo begun\n", '');
$session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, IPC::Run::timeout(180));
$session->pump until $out =~ /^begun$/m;
$node->safe_psql('postgres', "SELECT count(noetl.execute('low_water/part')) FROM generate_series(1, 100)");
$in = q{
	SAVEPOINT a;
	SELECT noetl.cancel(:own);
	SELECT execution_id = :own FROM noetl.lease('w', types => '{part}');
	ROLLBACK TO a;
	PREPARE TRANSACTION 'part';
	SELECT WHERE pg_sleep(0.02) IS NULL;
	SELECT execution_id = :own FROM noetl.lease('w', types => '{part}');
	COMMIT PREPARED 'part';
	SELECT execution_id = :own FROM noetl.lease('w', types => '{part}');
	SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'low_water/part' AND status = 'RUNNING';
	DELETE FROM noetl.queue WHERE node_type = 'part';
	\q
};
$session->finish;
is($out, "begun\nt\nf\nf\nt\n101\n", 'what a part of a prepared transaction has given back');

# More transactions are late than are watched: the mark stays below all of them.
my @late;
for my $i (1 .. 12)
{
	my %late = (in => "BEGIN;\nSELECT noetl.execute('low_water') > 0;\n", out => '');
	$late{session} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
		'<', \$late{in}, '>', \$late{out}, IPC::Run::timeout(180));
	$late{session}->pump until $late{out} =~ /^t$/m;
	push @late, \%late;
}
my $warm = '';
my $warm_out = '';
my $warm_session = IPC::Run::start(
	[ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
	'<', \$warm, '>', \$warm_out, IPC::Run::timeout(180));
$warm = "CALL churn(1000);\nSELECT 'churned';\n";
$warm_session->pump until $warm_out =~ /^churned$/m;
# The last one commits first: what is found of it must not hide those before.
my @found;
foreach my $late (reverse @late)
{
	$late->{in} .= "COMMIT;\n\\q\n";
	$late->{session}->finish;
	$warm_out = '';
	$warm .= "SELECT 'found ' || count(*) FROM noetl.lease('w', 100);\n";
	$warm_session->pump until $warm_out =~ /^found (\d+)$/m;
	push @found, $1;
}
$warm .= "\\q\n";
$warm_session->finish;
is("@found", '1 1 1 1 1 1 1 1 1 1 1 1', 'twelve late transactions');
$node->safe_psql('postgres', q{
	SELECT noetl.complete(queue_id, NULL, worker_id) FROM noetl.queue});

# The ids of a queue that was truncated begin anew; a session knows a mark of the
# old ones.
is($node->safe_psql('postgres', q{
	CALL churn(1000);
	TRUNCATE noetl.queue RESTART IDENTITY;
	INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
	VALUES (1, 1, '1:s', 'first', 'python', '{}');
	SELECT node_name FROM noetl.lease('w', 10);
	DELETE FROM noetl.queue;}), 'first', 'the ids of the queue begin anew');

# The same for an extension that is made anew, in a session that knows the old one's marks.
is($node->safe_psql('postgres', q{
	CALL churn(1000);
	SET client_min_messages = error;
	DROP EXTENSION noetl CASCADE;
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: low_water
workflow:
- {step: only, type: python, code: x}
') > 0 AND noetl.execute('low_water') > 0;
	SELECT node_name FROM noetl.lease('w', 10);
	DELETE FROM noetl.queue;}), "t\nonly", 'the queue of a new extension');

# A row that was leased, and far below the mark, is made ready by hand: leases
# find tasks behind it, and within ten seconds this one.
is($node->safe_psql('postgres', q{
	CREATE FUNCTION task(name text) RETURNS void LANGUAGE sql AS $$
		INSERT INTO noetl.queue (execution_id, catalog_id, node_id, node_name, node_type, action)
		VALUES (1, 1, '1:s', name, 'python', '{}')
	$$;
	CREATE PROCEDURE find_by_hand(INOUT got boolean) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM task('by hand');
		COMMIT;
		PERFORM noetl.lease('w', 1, '1 hour');
		COMMIT;
		CALL churn(400);
		UPDATE noetl.queue SET status = 'queued', worker_id = NULL, lease_until = NULL
		 WHERE node_name = 'by hand';
		COMMIT;
		FOR i IN 1 .. 60 LOOP
			PERFORM task('behind');
			COMMIT;
			got := node_name = 'by hand' FROM noetl.lease('w', 1, '1 hour');
			COMMIT;
			EXIT WHEN got;
			PERFORM pg_sleep(0.5);
			COMMIT;
		END LOOP;
	END
	$$;
	CALL find_by_hand(NULL)}), 't', 'a row that was made ready by hand');

$node->stop;
done_testing();
