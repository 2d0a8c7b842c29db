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

sql(qq{CREATE FUNCTION take_room() RETURNS bigint LANGUAGE c AS '$library'});
cmp_ok(sql('SELECT take_room()'), '>', 0, 'another extension has taken all that was left');
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

$node->stop;
done_testing();
