# The wall clock goes back under a session that has told others of a change: it tells them of the
# next one at once, and not when the clock is where it was.  It goes ahead: what is looked for now
# and then is found.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use ClockTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
prepare_clock($node);

# A session that goes on while we do something else.
sub session
{
	my ($in, $out) = @_;
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', $in, '>', $out, '2>', $out, IPC::Run::timeout(180));
	$session->pump_nb;
	return $session;
}

$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\n");
set_clock(3600);
start_under_clock($node);
$node->safe_psql('postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: line, workflow: [{step: a, type: python, code: x}]}')});

my ($in, $told) = ("SELECT 'told ' || (noetl.execute('line') > 0);\n", '');
my $teller = session(\$in, \$told);
$teller->pump until $told =~ /told/;
set_clock(0);
my ($call, $heard) = ("CALL noetl.wait_for_change('60 s');\n\\q\n", '');
my $waiter = session(\$call, \$heard);
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL noetl.wait_for_change%' AND wait_event = 'Extension'"),
	'somebody waits for a change');
$in .= "SELECT noetl.execute('line') > 0;\n\\q\n";
$teller->finish;
$waiter->finish;
is($heard, "t\n", 'and hears of it');

# Somebody gives a task a smaller id by hand, below those that a session looks at: a report about
# it counts ten seconds later.
$node->safe_psql('postgres', q{
	SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: hand
workflow:
- {step: start, next: [a, b, c, d]}
- {step: a, type: python, code: x}
- {step: b, type: python, code: x}
- {step: c, type: python, code: x}
- {step: d, type: python, code: x}
')});
my ($ask, $answer) = (q{
	SELECT noetl.execute('hand') AS id \gset
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'b');
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'c');
	UPDATE noetl.queue SET queue_id = -1 WHERE execution_id = :id AND node_name = 'a';
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
	SELECT 'at once ' || count(*) FROM noetl.queue WHERE execution_id = :id AND node_name = 'a';
}, '');
my $reporter = session(\$ask, \$answer);
$reporter->pump until $answer =~ /at once/;
set_clock(11);
$ask = q{
	INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id, 'action_completed', 'a');
	SELECT 'later ' || count(*) FROM noetl.queue WHERE execution_id = :id AND node_name = 'a';
	\q
};
$reporter->finish;
is($answer, "at once 1\nlater 0\n", 'a task with a smaller id');
$node->stop;
done_testing();
