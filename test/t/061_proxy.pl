# Four databases on two servers behind one with PL/Proxy.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @servers = map { PostgreSQL::Test::Cluster->new($_) } qw(even odd);
foreach my $server (@servers)
{
	$server->init;
	$server->start;
}
my $front = PostgreSQL::Test::Cluster->new('front');
$front->init;
$front->start;
plan skip_all => 'there is no PL/Proxy here'
  unless $front->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plproxy'});

# Database number i is on the server i % 2.
my @connections;
foreach my $i (0 .. 3)
{
	my $server = $servers[ $i % 2 ];
	$server->safe_psql('postgres', "CREATE DATABASE flows$i");
	$server->safe_psql('postgres', "ALTER DATABASE flows$i SET noetl.node_id = $i");
	$server->safe_psql("flows$i", 'CREATE EXTENSION noetl');
	push @connections, $server->connstr("flows$i");
}

# The script for the database in front.
sub script
{
	my ($nodes, $keyed) = @_;
	my $list = join(', ', map { "\$c\$$_\$c\$" } @$nodes);
	return $servers[0]->safe_psql('flows0', "SELECT noetl.proxy_script(ARRAY[$list], $keyed)");
}

my ($status, undef, $error) = $front->psql('postgres', script([ @connections[ 0, 2 ] ], 'NULL'), on_error_stop => 1);
like($error, qr/the database "flows2" is number 1 of the list, and its noetl.node_id is 2/,
	'databases in the wrong order are refused');
($status, undef, $error) = $front->psql('postgres', script([ @connections[ 0, 0 ] ], 'NULL'), on_error_stop => 1);
like($error, qr/the database "flows0" is number 1 of the list, and its noetl.node_id is 0/,
	'two databases of one number are noticed');
is($front->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'noetl'}), '0',
	'and nothing is left of the script');

# Three of them at first.
$front->safe_psql('postgres', script([ @connections[ 0 .. 2 ] ], 'NULL'));
my $playbook = q{
apiVersion: noetl.io/v1
kind: Playbook
path: scaled
workflow:
- {step: first, type: python, code: x, next: gate}
- {step: gate, type: wait, signal: go, key: all}
};
is($front->safe_psql('postgres', "SELECT string_agg(node || ' ' || catalog_id, ', ' ORDER BY node) FROM noetl.register(\$p\$$playbook\$p\$)"),
	'0 1, 1 1, 2 1', 'a playbook is registered everywhere');

my $internal = $servers[0]->safe_psql('flows0', q{
	SELECT string_agg(quote_literal(proname), ',') FROM pg_proc
	 WHERE pronamespace = 'noetl'::regnamespace AND obj_description(oid, 'pg_proc') ~ 'internal|part of noetl'});
is($front->safe_psql('postgres', "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'noetl'::regnamespace AND proname IN ($internal)"),
	'', 'internal functions stay behind');

my $key_before = $front->safe_psql('postgres', "SELECT noetl.execute('scaled', key => 'order-7')");
is($front->safe_psql('postgres', "SELECT noetl.execute('scaled', key => 'order-7')"), $key_before,
	'a key leads to its execution');

# The fourth comes: its catalog is filled, and keys stay where they were.
$front->safe_psql('postgres', script(\@connections, 3));
is($front->safe_psql('postgres', 'SELECT noetl.copy_catalog(0, 3), noetl.copy_catalog(0, 3)'), '1|0', 'the catalog is copied, once');
is($front->safe_psql('postgres', "SELECT noetl.execute('scaled', key => 'order-7')"), $key_before,
	'a key leads to its execution when a database has come');

is($front->safe_psql('postgres', q{
	CREATE TABLE started AS SELECT noetl.execute('scaled', jsonb_build_object('n', n)) AS id FROM generate_series(1, 200) AS n;
	SELECT count(DISTINCT id), count(DISTINCT noetl.node_of(id)) FROM started}),
	'200|4', 'starts are spread over all, and no id comes twice');
foreach my $i (0 .. 3)
{
	is($servers[ $i % 2 ]->safe_psql("flows$i", qq{
		SELECT count(*) > 20, bool_and(noetl.node_of(execution_id) = $i), bool_and(noetl.node_of(queue_id) = $i) FROM noetl.queue}),
		't|t|t', "ids of database $i are of node $i");
}
is($front->safe_psql('postgres', q{SELECT count(*), count(DISTINCT node) FROM noetl.running}), '201|4', 'lists have the rows of all');
is($front->safe_psql('postgres', q{SELECT sum(ready) FROM noetl.backlog}), '201', 'the backlog, too');
is($front->safe_psql('postgres', q{SELECT count(*) FROM noetl.executions(max => 5)}), '5', 'and the newest executions');
is($front->safe_psql('postgres', q{
	SELECT count(*) FROM regexp_matches(noetl.metrics(), '^noetl_execution_active\{node="[0-3]"\} [1-9]', 'gn')}), '4',
	'metrics have the label of the node');

# One is cancelled; the others go on, wait, and are released by one message.
is($front->safe_psql('postgres', q{
	SELECT noetl.cancel(id, 'no more'), noetl.status(id) ->> 'status' FROM started ORDER BY id LIMIT 1}), 't|CANCELLED',
	'what is about one execution goes to its database');
foreach my $i (0 .. 3)
{
	$servers[ $i % 2 ]->safe_psql("flows$i",
		q{SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 300)});
}
is($front->safe_psql('postgres', q{SELECT count(*) FROM noetl.waiting}), '200', 'all wait');
is($front->safe_psql('postgres', q{SELECT noetl.send('go', 'all', '"now"')}), '200', 'a message goes to whoever waits, anywhere');
is($front->safe_psql('postgres', q{
	SELECT noetl.status(id) ->> 'status', count(*) FROM started GROUP BY 1 ORDER BY 1}), "CANCELLED|1\nCOMPLETED|199", 'and they end');
is($front->safe_psql('postgres', q{SELECT count(*) FROM started, noetl.verify(id)}), '0', 'as their logs say');

# Rights are those of the databases, and of who calls.
foreach my $server (@servers, $front)
{
	$server->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
}
($status, undef, $error) = $front->psql('postgres', "SELECT noetl.execute('scaled')", extra_params => [ '-U', 'stranger' ]);
like($error, qr/permission denied for function execute/, 'who may not start may not start in front');

# A server dies: what is on the other one goes on.
$servers[1]->stop('immediate');
my $out = $front->safe_psql('postgres', q{
	DO $$
	DECLARE
		id bigint;
		went int := 0;
		failed int := 0;
	BEGIN
		FOR id IN SELECT started.id FROM started LOOP
			BEGIN
				PERFORM noetl.status(id);
				went := went + 1;
				ASSERT noetl.node_of(id) IN (0, 2);
			EXCEPTION WHEN OTHERS THEN
				failed := failed + 1;
				ASSERT noetl.node_of(id) IN (1, 3), SQLERRM;
			END;
		END LOOP;
		ASSERT went > 20 AND failed > 20;
	END
	$$;
	SELECT noetl.node_of(noetl.execute_on(2, 'scaled', '{}', NULL, false, NULL, 'return', NULL, NULL, NULL))});
is($out, '2', 'a dead server stops its own executions only');
$servers[1]->start;
is($front->safe_psql('postgres', q{SELECT count(noetl.status(id)) FROM started}), '200', 'and they are there when it is back');

$_->stop foreach (@servers, $front);
done_testing();
