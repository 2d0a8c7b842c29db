# Several tasks at once, and a broker that does not listen: no lease is lost, nothing spins.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();

# The CPU time of the worker alone, in seconds.
sub cpu
{
	my ($worker) = @_;
	my @stat = split ' ', slurp_file("/proc/$worker->{KIDS}[0]{PID}/stat") =~ s/^.*\) //sr;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Waits until a step is executed.
sub begun
{
	my ($execution) = @_;
	return wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $execution"
		  . " AND event_type = 'action_started')");
}

#
# The broker is away and comes again, while tasks are executed
#
my $log;
my $worker = start_worker(\$log, '--concurrency', 3, '-n', 'many');
my $long = execute_step("tool: shell\ncommand: sleep 12\n");
my $short = execute_step("tool: shell\ncommand: sleep 2\n");
ok(begun($_), 'a task begins') foreach $long, $short;
$node->stop('immediate');
sleep 3;
$node->start;
ok(wait_for("SELECT status = 'COMPLETED' FROM noetl.execution WHERE execution_id = $short"),
	'a result is reported after the broker was away');
is(sql("SELECT status FROM noetl.queue WHERE execution_id = $long"), 'leased', 'while another task is executed');
my $before = cpu($worker);
sleep 2;
cmp_ok(cpu($worker) - $before, '<', 0.5, 'the worker waits then, and does not spin');
is(sql("SELECT status FROM noetl.queue WHERE execution_id = $long"), 'leased', 'all that time');

#
# SIGTERM behind a pooler, where the worker asks again and again
#
$worker->kill_kill;
my $pooled = start_worker(\$log, '--concurrency', 3, '-n', 'pooled', '--pooler', 'yes', '--grace', 20);
my $last = execute_step("tool: shell\ncommand: sleep 6\n");
ok(begun($last), 'a task begins behind a pooler');
sleep 0.5;
$pooled->signal('TERM');
sleep 1.5;
$before = cpu($pooled);
sleep 2;
cmp_ok(cpu($pooled) - $before, '<', 0.5, 'the grace is no time to spin, either');
$pooled->finish;
is($pooled->result(0), 0, 'and the worker ends');
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $last"), 'COMPLETED', 'after its task');

done_testing();
