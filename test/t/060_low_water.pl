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

# Leased by a prepared transaction, and given up by it; the session goes on.
$node->safe_psql('postgres', "SELECT noetl.execute('low_water')");
$node->safe_psql('postgres',
	"BEGIN; SELECT noetl.lease('p'); PREPARE TRANSACTION 'lease'; SELECT 1");
is(found_after_churn("ROLLBACK PREPARED 'lease'"), 'found 1',
	'leased by a transaction that was prepared and rolled back');

# Prepared when others have long gone on without it, and committed much later.
my ($in, $out) = ('', '');
my $session = IPC::Run::start(
	[ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, IPC::Run::timeout(180));
$in = "BEGIN;\nSELECT noetl.execute('low_water') > 0;\n";
$session->pump until $out =~ /^t$/m;
is(found_after_churn('SELECT 1'), "1\nfound 0", 'what others enqueue late is not seen yet');
my $read = entries_read();
$node->safe_psql('postgres', 'CALL churn(500)');
# Each lease would read the thousands of entries of the tasks before; the mark
# leaves a look at all of them now and then, more often on a slow machine.
cmp_ok(entries_read() - $read, '<', 500 * 400, 'and costs those who go on nothing');
$in = "PREPARE TRANSACTION 'late';\n\\q\n";
$session->finish;
is(found_after_churn("COMMIT PREPARED 'late'"), 'found 1', 'prepared when it was late already');

$node->stop;
done_testing();
