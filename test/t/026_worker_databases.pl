# One worker program for several databases.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Select;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# The sessions of workers are found by their own name.
delete $ENV{PGAPPNAME};

my $directory = PostgreSQL::Test::Utils::tempdir();
my %node;
foreach my $name (qw(one two))
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init;
	$node{$name}->start;
	$node{$name}->safe_psql('postgres', 'CREATE EXTENSION noetl');
	$node{$name}->safe_psql('postgres', q{SELECT noetl.register($p$
metadata: {name: t, path: t}
workflow:
  - step: act
    tool: shell
    command: "echo {{ workload.n }}; sleep {{ workload.seconds }}"
$p$)});
}

# Starts an execution in a database.
sub start
{
	my ($name, $n, $seconds) = @_;
	return $node{$name}->safe_psql('postgres', "SELECT noetl.execute('t', '{\"n\": $n, \"seconds\": " . ($seconds // 0) . "}')");
}

# Waits until a query of a database gives true.
sub wait_for
{
	my ($name, $query) = @_;
	my $until = time + 60;
	while (time < $until)
	{
		my ($status, $out) = $node{$name}->psql('postgres', $query);
		return 1 if $status == 0 && $out eq 't';
		sleep 0.05;
	}
	return 0;
}

# The processes of the sessions that workers have in a database.
sub sessions
{
	my ($name) = @_;
	return $node{$name}->safe_psql('postgres', "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity"
		  . " WHERE application_name LIKE 'noetl-worker%'");
}

# Waits until so many executions of a database have completed.
sub completed
{
	my ($name, $count) = @_;
	return wait_for($name, "SELECT count(*) >= $count FROM noetl.execution WHERE status = 'COMPLETED'");
}

my @connect = map { ('--connect', $node{$_}->connstr('postgres')) } qw(one two);
my ($nothing, $log) = ('', '');

#
# --once
#
start($_, 1) foreach qw(one two);
IPC::Run::run([ 'noetl-worker', '--once', '--name', 'pair', @connect ], \$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(60));
is($?, 0, '--once ends when both databases are drained');
ok(completed($_, 1), "an execution in database $_") foreach qw(one two);
is($node{two}->safe_psql('postgres', "SELECT DISTINCT worker_id FROM noetl.event WHERE event_type = 'action_completed'"),
	'pair#2', 'the worker of the second has a name of its own');

#
# One of them restarts, hangs, is killed
#
append_to_file("$directory/worker.conf", join '', map { "connect = " . $node{$_}->connstr('postgres') . "\n" } qw(one two));
append_to_file("$directory/worker.conf", "types = shell\n");
$log = '';
my $worker = IPC::Run::start([ 'noetl-worker', '--config', "$directory/worker.conf", '--name', 'both' ],
	\$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(180));
start($_, 2) foreach qw(one two);
ok(completed($_, 2), "the databases of the file: $_") foreach qw(one two);
my $long = start('one', 3, 3);
ok(wait_for('one', "SELECT EXISTS (SELECT FROM noetl.queue WHERE status = 'leased')"), 'a task of the first runs');
my $sessions = sessions('one');
like($sessions, qr/^\d+$/, 'which has one session');
my $process = $node{one}->safe_psql('postgres', "SELECT runtime ->> 'process' FROM noetl.runtime WHERE name = 'both#1'");
$node{two}->stop('immediate');
start('one', $_) foreach 4 .. 8;
ok(completed('one', 8), 'the first works on while the second is away');
is($node{one}->safe_psql('postgres', "SELECT count(*) FROM noetl.event WHERE event_type = 'action_started' AND execution_id = $long"),
	1, 'its task was not disturbed');
$node{two}->start;
start('two', 3);
ok(completed('two', 3), 'the second works when it is back');
is(sessions('one'), $sessions, 'the session of the first is the same all the time');
is($node{one}->safe_psql('postgres', "SELECT runtime ->> 'process' FROM noetl.runtime WHERE name = 'both#1'"), $process,
	'and so is its worker');
my ($pid) = $node{two}->safe_psql('postgres', "SELECT runtime ->> 'process' FROM noetl.runtime WHERE name = 'both#2'") =~ /(\d+)/
  or diag($node{two}->safe_psql('postgres', 'SELECT * FROM noetl.runtime'));
kill 'KILL', $pid;
start('two', 4);
ok(completed('two', 4), 'a worker that was killed is started again');
ok(completed('one', 8), 'and the other is there');

$worker->signal('TERM');
$worker->finish;
is($worker->result(0), 0, 'SIGTERM ends all');
like($log, qr/the worker of database 2 .* was killed by signal 9/, 'the log names the database that had trouble');
ok(wait_for($_, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'noetl-worker%'"), "no session is left in $_")
  foreach qw(one two);

# The command line wins over the file.
start('one', 9);
$log = '';
IPC::Run::run([ 'noetl-worker', '--config', "$directory/worker.conf", '--once', '--connect', $node{one}->connstr('postgres') ],
	\$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(60));
is($?, 0, 'connect of the command line replaces that of the file');
unlike($log, qr/databases/, 'and there is one database then');
IPC::Run::run([ 'noetl', 'ps', @connect ], \$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(60));
is($? >> 8, 2, 'a command is for one database');

#
# SIGHUP: each of its workers reads the file again
#
open my $file, '>', "$directory/two.conf" or die $!;
print $file join '', map { "connect = ${\ $node{$_}->connstr('postgres')}\n" } qw(one two);
close $file;
$log = '';
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$directory/notify") or die "no socket: $!";
$ENV{NOTIFY_SOCKET} = "$directory/notify";
my $reloaded = IPC::Run::start([ 'noetl-worker', '--config', "$directory/two.conf", '-t', 'shell' ], \$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(180));
sub told
{
	my ($pattern, $times) = @_;
	my $until = time + 60;
	while ((() = $log =~ /$pattern/g) < $times && time < $until)
	{
		$reloaded->pump_nb;
		sleep 0.05;
	}
	return scalar(() = $log =~ /$pattern/g);
}
is(told(qr/executes \{shell\}/, 2), 2, 'a program with a file for two databases');
$reloaded->signal('HUP');
is(told(qr/read \S+ again/, 2), 2, 'a signal makes both workers read it again') or diag($log);
$reloaded->signal('TERM');
$reloaded->finish;
my $states = '';
while (IO::Select->new($socket)->can_read(0))
{
	$socket->recv(my $state, 4096);
	$states .= "$state\n";
}
like($states, qr/^READY=1\nSTATUS=Working for 2 databases\n.*^STOPPING=1\n/ms, 'systemd hears from the program itself, not from its workers');
is(scalar(() = $states =~ /^(?:READY|STOPPING)=1$/mg), 2, 'once of the start and of the end');

done_testing();
