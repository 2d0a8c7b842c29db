# Rules on changes of tables: through pg_dump, and in logical replication, whose apply
# fires no statement triggers.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->start;

my $playbook = q{
apiVersion: noetl.io/v1
kind: Playbook
path: change/ship
workflow:
- {step: ship, type: python, code: x, next: end}
- {step: end}
};

# What the rules of a database have started, and how many of it verify() objects to.
my $started = q{SELECT string_agg(e.context #>> '{workload,row}', ', ' ORDER BY x.execution_id)
	|| ' by ' || string_agg(DISTINCT x.started_by::text, ', ')
	FROM noetl.execution AS x JOIN noetl.event AS e USING (execution_id)
	WHERE e.event_type = 'execution_start'};
my $wrong = 'SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id)';

$node->safe_psql('postgres', 'CREATE ROLE maker; CREATE DATABASE source');
my $tables = q{
	CREATE SCHEMA shop;
	GRANT ALL ON SCHEMA shop TO maker;
	SET ROLE maker;
	CREATE TABLE shop.orders (gone int, id int PRIMARY KEY, "State" text, total numeric);
	ALTER TABLE shop.orders DROP COLUMN gone;
	CREATE TABLE shop.parts (id int, region text) PARTITION BY LIST (region);
	CREATE TABLE shop.parts_a PARTITION OF shop.parts FOR VALUES IN ('a');
};
my $rules = q{
	GRANT EXECUTE ON FUNCTION noetl.execute, noetl.on_change TO maker;
	SET ROLE maker;
	SELECT noetl.on_change('shop.orders', 'change/ship', 'INSERT OR UPDATE OF "State" OR DELETE',
		'(new or old).id < 100', '{"row": "{{ event }} {{ (new or old).id }}"}', name => 'orders');
	SELECT noetl.on_change('shop.parts', 'change/ship', parameters => '{"row": "part {{ new.id }}"}', name => 'parts');
};
my $changes = q{
	INSERT INTO shop.orders VALUES (1, 'new', 1), (2, 'new', 1), (100, 'new', 1);
	UPDATE shop.orders SET total = 2;
	UPDATE shop.orders SET "State" = 'paid' WHERE id IN (1, 100);
	DELETE FROM shop.orders WHERE id = 2;
	INSERT INTO shop.parts VALUES (1, 'a');
	INSERT INTO shop.parts_a VALUES (2, 'a');
};
my $expected = 'INSERT 1, INSERT 2, UPDATE 1, DELETE 2, part 1, part 2 by maker';

# ---------------------------------------------------------------------------
# pg_dump: the rows that are restored start nothing; those that come later do
# ---------------------------------------------------------------------------

$node->safe_psql('source', "CREATE EXTENSION noetl; SELECT noetl.register(\$\$$playbook\$\$); $tables RESET ROLE; $rules");
$node->safe_psql('source', $changes);
is($node->safe_psql('source', $started), $expected, 'rules start executions');
is($node->safe_psql('source', $wrong), '0', 'which follow from their log');
my $all_rules = 'SELECT * FROM noetl.change_rule ORDER BY name';
my $all_triggers = q{SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger
	WHERE tgname LIKE 'noetl_change%' ORDER BY 1, 2};
my $before = $node->safe_psql('source', $all_rules);
my $triggers = $node->safe_psql('source', $all_triggers);
like($triggers, qr/orders_apply\|R\|.*UPDATE OF "State"/, 'the row trigger has the columns');

foreach my $way (['plain', []], ['inserts', ['--inserts']], ['custom', ['-Fc']])
{
	my ($name, $options) = @$way;
	my $file = $node->basedir . "/$name.dump";

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->command_ok([ 'pg_dump', @$options, '-f', $file, 'source' ], "$name: dumped");
	if ($name eq 'custom')
	{
		$node->command_ok([ 'pg_restore', '-e', '-d', $name, $file ], "$name: restored");
	}
	else
	{
		$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $name, '-f', $file ], "$name: restored");
	}
	is($node->safe_psql($name, $all_rules), $before, "$name: the rules are the same");
	is($node->safe_psql($name, $all_triggers), $triggers, "$name: so are the triggers");
	is($node->safe_psql($name, $started), $expected, "$name: rows that are restored start nothing");
	$node->safe_psql($name, 'DELETE FROM shop.orders WHERE id = 1; UPDATE shop.orders SET total = 7; INSERT INTO shop.parts_a VALUES (3, \'a\')');
	is($node->safe_psql($name, $started),
		$expected =~ s/ by/, DELETE 1, part 3 by/r, "$name: what changes later starts executions");
	is($node->safe_psql($name, $wrong), '0', "$name: they follow from their log");
	is($node->safe_psql($name, q{SELECT noetl.off_change('orders'); SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%orders\_%'}),
		"t\n0", "$name: a rule is removed with its triggers");
	$node->safe_psql('postgres', "DROP DATABASE $name");
}

# ---------------------------------------------------------------------------
# Logical replication: the rules are the subscriber's
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE publisher');
$node->safe_psql('publisher', "$tables RESET ROLE; ALTER TABLE shop.orders REPLICA IDENTITY FULL;
	INSERT INTO shop.orders VALUES (10, 'first'), (110, 'first'); CREATE PUBLICATION p FOR TABLE shop.orders, shop.parts");

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$subscriber->safe_psql('postgres', "CREATE ROLE maker; CREATE EXTENSION noetl;
	SELECT noetl.register(\$\$$playbook\$\$); $tables RESET ROLE; $rules");
my $connection = $node->connstr . ' dbname=publisher';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p");
$subscriber->poll_query_until('postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel})
  or die 'the tables were not copied';
is($subscriber->safe_psql('postgres', $started), 'INSERT 10 by maker', 'rows of the initial copy start executions, once');
$node->safe_psql('publisher', $changes);
$node->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', $started), $expected =~ s/^/INSERT 10, /r, 'so do rows that are applied');
is($subscriber->safe_psql('postgres', $wrong), '0', 'they follow from their log');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM noetl.change_failure'), '0', 'nothing has failed');
$subscriber->safe_psql('postgres', q{INSERT INTO shop.orders VALUES (11, 'here')});
is($subscriber->safe_psql('postgres', $started), $expected =~ s/^(.*) by/INSERT 10, $1, INSERT 11 by/r,
	'a row that is written here starts one, and not two');

# A rule that fails stops neither the apply nor the publisher.
$subscriber->safe_psql('postgres', q{SELECT noetl.on_change('shop.orders', 'change/ship', condition => '1 / (new.id - 20)', name => 'orders')});
$node->safe_psql('publisher', q{INSERT INTO shop.orders VALUES (20, 'x'), (21, 'y')});
$node->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', q{SELECT status, error FROM noetl.execution ORDER BY execution_id DESC LIMIT 2}),
	"RUNNING|\nFAILED|execution could not start: condition: division by zero (line 1, column 3)", 'failures are kept');
# Who does not want it disables the trigger.
$subscriber->safe_psql('postgres', 'ALTER TABLE shop.orders DISABLE TRIGGER noetl_change_orders_apply');
$node->safe_psql('publisher', q{INSERT INTO shop.orders VALUES (30, 'x')});
$node->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM noetl.execution AS x JOIN noetl.workload AS w USING (execution_id)
	WHERE w.data #>> '{new,id}' = '30'}), '0', 'a trigger that is disabled starts nothing');

$subscriber->stop;
$node->stop;
done_testing();
