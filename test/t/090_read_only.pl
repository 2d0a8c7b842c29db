# What operators look with reads only: on a hot standby it answers what it
# answers on the primary.  The lock that another session holds is named.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: eyes/two
workflow:
- {step: start, next: [a, b]}
- {step: a, type: python, code: x, next: c}
- {step: b, type: shell, command: x, next: c}
- {step: c, type: python, code: x, next: end}
- step: end
')});
my $id = $primary->safe_psql('postgres', "SELECT noetl.execute('eyes/two')");
$primary->safe_psql('postgres',
	"SELECT noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w', 1, '1 min', '{python}')");

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# A playbook with a retry after three days, a child of the catalog, SQL, and a test.
my $played = <<'PLAYBOOK';
apiVersion: noetl.io/v1
kind: Playbook
path: eyes/played
workflow:
- {step: fetch, type: http, url: x, retry: {max_attempts: 2, initial_delay: 259200, max_delay: 259200}, next: load}
- {step: load, type: sql, statement: "INSERT INTO missing VALUES (1)", next: call}
- {step: call, type: playbook, path: eyes/two, next: ask}
- {step: ask, type: wait, signal: yes_please, timeout: 1 day}
tests:
- {name: all is well, stubs: {fetch: [{error: down}, {}], ask: {}}, expect: {steps: [fetch, load, call, ask], status: completed}}
- {name: nobody asks, expect: {status: failed, error: timed out}}
PLAYBOOK

# Cluster's safe_psql dies when the statement fails.
my %queries = (
	'why' => "SELECT step, state, since, due, waits_for, hint FROM noetl.why($id)",
	'timeline' => "SELECT * FROM noetl.timeline($id)",
	'progress' => "SELECT * FROM noetl.progress($id)",
	'status' => "SELECT noetl.status($id)",
	'explain' => "SELECT noetl.explain('$id', 'json')",
	'explain of a path' => "SELECT noetl.explain('eyes/two')",
	'simulate' =>
	  "SELECT * FROM noetl.simulate('$played', '{}', '{\"fetch\": [{\"error\": \"down\"}, {}], \"ask\": {}}', '2026-03-01')",
	'test' => "SELECT * FROM noetl.test('$played')",
	'failure' => 'SELECT * FROM noetl.failure',
	'worker' => 'SELECT worker_id, types, host, version, seen, in_flight FROM noetl.worker',
	'backlog' => 'SELECT type, path, priority, ready, leased, retry FROM noetl.backlog',
	'running' => 'SELECT execution_id, path, tasks, runs FROM noetl.running');
foreach my $name (sort keys %queries)
{
	is($standby->safe_psql('postgres', $queries{$name}),
		$primary->safe_psql('postgres', $queries{$name}),
		"a standby answers as the primary: $name");
}
like($standby->safe_psql('postgres', "SELECT noetl.report($id)"),
	qr/<svg.*<\/html>/s, 'a standby makes a report');
like($standby->safe_psql('postgres', 'SELECT noetl.metrics()'),
	qr/^# EOF$/m, 'a standby has metrics');
is( $standby->safe_psql('postgres', "SELECT string_agg(ok::text, ',') FROM noetl.test('$played')"),
	'true,true', 'a standby plays the tests of a playbook');
is( $standby->safe_psql('postgres', $queries{simulate} =~ s/\*/max(at)::date - min(at)::date/r),
	'3', 'and three days in no time');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM noetl.worker WHERE connected IS NOT NULL'),
	'0', 'a standby does not know the sessions of the primary');

# A session keeps the lock of the execution in an open transaction.
my $holder = $primary->background_psql('postgres');
$holder->query_safe(
	"BEGIN; INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES ($id, 'note', 'b');");
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
is( $primary->safe_psql(
		'postgres', "SELECT state, waits_for FROM noetl.why($id) WHERE step IS NULL"),
	"locked|session $pid",
	'who holds the lock of the execution is named');
$holder->query_safe('ROLLBACK');
is( $primary->safe_psql(
		'postgres', "SELECT count(*) FROM noetl.why($id) WHERE step IS NULL"),
	'0', 'and nobody when it is free');
$holder->quit;

$standby->stop;
$primary->stop;
done_testing();
