# The server is away for long: a worker waits for it, but one with --once ends, because a
# script waits for it.  The worker preloads clock.c, so that a minute passes at once.
use strict;
use warnings;

use File::Basename;
use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $library = "$directory/clock.so";
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-DSTEADY', '-o', $library, dirname(__FILE__) . '/clock.c', '-ldl');

# Sets the clock of a worker ahead by seconds.
sub set_clock
{
	my ($worker, $seconds) = @_;
	open my $file, '>', "$worker->{clock}.new" or die $!;
	print $file $seconds * 1_000_000;
	close $file;
	rename "$worker->{clock}.new", $worker->{clock} or die $!;
}

# Starts a worker with a clock of its own.
my $workers = 0;
sub start_under_clock
{
	my (@options) = @_;
	my $worker = { log => '', clock => "$directory/clock" . ++$workers };
	set_clock($worker, 0);
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{CLOCK_FILE} = $worker->{clock};
	$worker->{harness} = start_worker(\$worker->{log}, @options);
	return $worker;
}

# Waits until the log of a worker has something.
sub told
{
	my ($worker, $pattern) = @_;
	my $until = time + 60;
	while ($worker->{log} !~ $pattern && time < $until)
	{
		$worker->{harness}->pump_nb;
		sleep 0.05;
	}
	return $worker->{log} =~ $pattern;
}

# Waits until a worker has ended; returns its exit code, -1 when it stays.
sub ended_with
{
	my ($worker) = @_;
	my $until = time + 60;
	while ($worker->{harness}->pumpable && time < $until)
	{
		$worker->{harness}->pump_nb;
		sleep 0.05;
	}
	return -1 if $worker->{harness}->pumpable;
	$worker->{harness}->finish;
	return $worker->{harness}->full_result(0) >> 8;
}

# A task that has begun and goes on when it is told to.
sub begun
{
	my ($name) = @_;
	my $until = time + 60;
	sleep 0.05 while !-e "$directory/$name.begun" && time < $until;
	return -e "$directory/$name.begun";
}
sub waits { my ($name) = @_; return "touch $directory/$name.begun; while [ ! -e $directory/$name.go ]; do sleep 0.1; done" }
sub go_on { append_to_file("$directory/$_[0].go", '') }

#
# While a task is executed
#
my $stay = "import os, time\nopen('$directory/stays.begun', 'w').close()\nwhile not os.path.exists('$directory/stays.go'): time.sleep(0.1)\nresult = 1\n";
my %job = (
	once => execute_step("tool: shell\ncommand: '${\ waits('once')}'\n"),
	items => execute_step("type: iterator\ncollection: [1]\nelement: x\ntask:\n- {name: one, tool: shell, command: '${\ waits('items')}'}\n"
		  . "- {name: two, tool: shell, command: 'echo {{ one.stdout }}'}\n"),
	stays => execute_step("tool: python\ncode: |\n" . $stay =~ s/^/  /gmr));
my $once = start_under_clock('--once', '--types', 'shell', '--lease', 600);
my $items = start_under_clock('--once', '--types', 'iterator', '--lease', 600);
my $stays = start_under_clock('--types', 'python', '--lease', 600);
ok(begun($_), "a task begins: $_") foreach qw(once items stays);
$node->stop('immediate');
go_on($_) foreach qw(once items stays);
ok(told($once, qr/connection to the broker lost/), 'the worker notices that the server is away');
ok(told($stays, qr/connection to the broker lost/), 'another one, too');
sleep 1;
ok($_->{harness}->pumpable, 'it waits') foreach $once, $items, $stays;
set_clock($_, 70) foreach $once, $items, $stays;
is(ended_with($once), 1, 'with --once it ends after a minute');
like($once->{log}, qr/the broker is away for too long/, 'and says why');
ok(told($items, qr/the broker does not answer/), 'one in the midst of an iterator gives its task up then');
ok(told($items, qr/connection to the broker lost/), 'for which it needs the server again');
set_clock($items, 200);
is(ended_with($items), 1, 'and ends, too');
ok($stays->{harness}->pumpable, 'without --once it goes on waiting');

#
# The server takes no sessions for a while: the first is for reports, not for waiting.
# Whichever loss the worker notices first: a second one may be tried until the first is known to be lost.
#
$node->start;
my $shut = start_under_clock('--types', 'shell', '--concurrency', 2, '-v', '-n', 'shut');
$job{shut} = execute_step("tool: shell\ncommand: '${\ waits('shut')}'\n");
ok(begun('shut'), 'a task begins in one of two slots');
my $sessions = q{FROM pg_stat_activity WHERE application_name = 'noetl-worker shut'};
ok(wait_for("SELECT count(*) = 2 $sessions"), 'while a second session waits for work');
$node->safe_psql('template1', "ALTER DATABASE postgres ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) $sessions");
ok(told($shut, qr/connection to the broker lost/), 'both are lost, and the database takes no others');
sleep 1;
$shut->{harness}->pump_nb;
unlike($shut->{log}, qr/broker lost.*no second session/s, 'no second one is tried without the first');
$node->safe_psql('template1', 'ALTER DATABASE postgres ALLOW_CONNECTIONS true');
ok(told($shut, qr/connected again/), 'which is there again at last');
ok(wait_for("SELECT count(*) = 2 $sessions"), '... and then the second');
go_on('shut');
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $job{shut}"), 'the task is reported');
$shut->{harness}->signal('TERM');
is(ended_with($shut), 0, 'the worker ends');
$node->stop('immediate');

#
# At the start
#
my $early = start_under_clock('--once');
my $patient = start_under_clock();
ok(told($_, qr/waiting for the server/), 'a worker starts before its server') foreach $early, $patient;
set_clock($_, 70) foreach $early, $patient;
is(ended_with($early), 1, 'with --once it ends after a minute');
like($early->{log}, qr/could not connect to the broker/, 'and says why');
ok($patient->{harness}->pumpable, 'without it goes on waiting');
$node->start;
ok(told($_, qr/connected/), 'until the server is there') foreach $patient, $stays;
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $job{stays}"), 'what was done meanwhile is reported');
foreach my $worker ($patient, $stays)
{
	$worker->{harness}->signal('TERM');
	is(ended_with($worker), 0, 'and the worker ends when it is told to');
}
done_testing();
