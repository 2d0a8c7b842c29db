# noetl.timer in servers that are not the usual ones: beside other libraries, without a free
# process, with settings that change while it works, during pg_upgrade.  And settings that saves
# and waits read from the files of a server.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
my $processes = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'noetl timer%'};
my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'noetl timer'};

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A session that goes on while we do something else.
sub session
{
	my ($in, $out) = @_;
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', $in, '>', $out, '2>', $out, IPC::Run::timeout(180));
	$session->pump_nb;
	return $session;
}

# Waits until the log of the server has a line.
sub logged
{
	my ($line) = @_;
	my $until = time + 120;
	while (time < $until)
	{
		return 1 if slurp_file($node->logfile) =~ $line;
		sleep 0.1;
	}
	return 0;
}

# ---------------------------------------------------------------------------
# Beside a library that has hooks of its own, and without a free process
# ---------------------------------------------------------------------------

$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\n");
$node->start;
my $other = sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'});
$node->stop;
$node->append_conf('postgresql.conf', ($other ? "shared_preload_libraries = 'pg_stat_statements, noetl'\n" : "shared_preload_libraries = 'noetl'\n")
	. "noetl.timer = on\nmax_logical_replication_workers = 0\nmax_worker_processes = 1\n");
$node->start;
SKIP:
{
	skip 'there is no pg_stat_statements', 1 unless $other;
	sql('CREATE EXTENSION pg_stat_statements');
	is(sql('SELECT count(*) > 0 FROM pg_stat_statements'), 't', 'another library has got its memory');
}
ok(logged(qr/could not start a noetl timer/), 'a server without a free process is told of');
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '8');
$node->restart;

# ---------------------------------------------------------------------------
# A setting changes while the worker of a database goes on looking
# ---------------------------------------------------------------------------

sql(q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: short, timeout: 0.1, workflow: [{step: a, type: python, code: x}]}');
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: nap, workflow: [{step: a, type: wait, until: "2999-01-01 00:00"}]}');
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: save, workflow: [
	    {step: a, type: sql, statement: "INSERT INTO public.saved VALUES (current_setting(''extra_float_digits''))"}]}');
	CREATE ROLE saver;
	CREATE TABLE saved (digits text);
	ALTER TABLE saved OWNER TO saver;
	GRANT EXECUTE ON FUNCTION noetl.execute TO saver;
	GRANT USAGE ON SCHEMA noetl TO saver});
my ($hold, $held) = ("SELECT noetl.execute('short') AS id \\gset\nBEGIN;\nINSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'note');\nSELECT 'held';\n", '');
my $holder = session(\$hold, \$held);
$holder->pump until $held =~ /held/;
ok($node->poll_query_until('postgres', "SELECT ($workers) = 1"), 'a worker waits for who is busy with what is due');
$node->append_conf('postgresql.conf', "noetl.broker = off\n");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), 'it hears that the broker is off, and ends');
$hold .= "COMMIT;\n\\q\n";
$holder->finish;
$node->adjust_conf('postgresql.conf', 'noetl.broker', 'on');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT current_setting('noetl.broker') = 'on'}), 'it is on again');
ok($node->poll_query_until('postgres', q{SELECT status = 'FAILED' FROM noetl.execution WHERE path = 'short'}), '... and does what was left undone, though nobody says so');
sql(q{SELECT noetl.execute('short')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM noetl.execution WHERE path = 'short' AND status = 'FAILED'}), 'the launcher starts another worker when something is due again');

# ---------------------------------------------------------------------------
# The files of the server
# ---------------------------------------------------------------------------

# A session reads them again when the server has.
my $due = q{SELECT 'due ' || to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM noetl.run ORDER BY execution_id DESC LIMIT 1;};
my ($in, $out) = ("SELECT noetl.execute('nap') > 0;\n$due\n", '');
my $session = session(\$in, \$out);
$session->pump until $out =~ /due .*\n/;
like($out, qr/due 2999-01-01 00:00/, 'a wait ends in the time zone of the server');
$node->append_conf('postgresql.conf', "timezone = 'Asia/Tokyo'\n");
$node->reload;
# a session takes over new settings between its statements
for (1 .. 200)
{
	$in = "SELECT 'zone ' || current_setting('TimeZone');\n";
	$out = '';
	$session->pump until $out =~ /zone .*\n/;
	last if $out =~ /Tokyo/;
	sleep 0.05;
}
like($out, qr/Tokyo/, 'the session hears of the new one');
$in = "SELECT noetl.execute('nap') > 0;\n$due\n";
$out = '';
$session->pump until $out =~ /due .*\n/;
like($out, qr/due 2998-12-31 15:00/, 'and so does the next wait');
$in .= "\\q\n";
$session->finish;

# A line that the server cannot read, and has not had to read yet, is passed over.
$node->append_conf('postgresql.conf', "this is no setting\n");
is(sql("SELECT noetl.execute('nap') > 0; $due"), "t\ndue 2998-12-31 15:00", 'a wait does without it');
{
	local $ENV{PGOPTIONS} = '-c extra_float_digits=-7';
	sql("SET ROLE saver; SELECT noetl.execute('save')");
}
is(sql('SELECT digits FROM saved'), '1', 'a save does as well');
my $conf = $node->data_dir . '/postgresql.conf';
my $text = slurp_file($conf);
$text =~ s/^this is no setting\n//m;
open my $file, '>', $conf or die $!;
print $file $text;
close $file;

# ---------------------------------------------------------------------------
# pg_upgrade
# ---------------------------------------------------------------------------

is(sql($processes), '1', 'usually there is a launcher');
$node->stop;
system_or_bail('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start');
is(sql($processes), '0', 'pg_upgrade starts none');
system_or_bail('pg_ctl', '-s', '-w', '-m', 'fast', '-D', $node->data_dir, 'stop');
done_testing();
