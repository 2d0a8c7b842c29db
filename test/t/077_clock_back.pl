# The wall clock goes back under a session that has told others of a change: it tells them of the
# next one at once, and not when the clock is where it was.
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
$node->stop;
done_testing();
