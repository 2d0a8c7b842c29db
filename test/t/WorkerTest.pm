# What tests of noetl-worker share: a broker, playbooks, workers.
package WorkerTest;
use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_broker sql execute execute_step start_worker drain wait_for
  has_said events_of result_of ended keep);

# The sessions of workers are found by their own name.
delete $ENV{PGAPPNAME};

my $node;
my $patience = 60;
my $playbooks = 0;
my @started;

# Starts the server; returns its node.
sub start_broker
{
	$node = PostgreSQL::Test::Cluster->new('main');
	$node->init;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION noetl');
	return $node;
}

# The answer to a query.
sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# Starts an execution of a playbook with these steps; returns its id.
sub execute
{
	my ($steps, $workload) = @_;
	my $path = 'worker/' . ++$playbooks;
	$steps =~ s/^(?=.)/  /mg;
	my $content = "apiVersion: noetl.io/v1\nkind: Playbook\n"
	  . "metadata: {name: test, path: $path}\nworkload: "
	  . (defined $workload ? $workload : '{}')
	  . "\nworkflow:\n$steps";
	sql("SELECT noetl.register(\$playbook\$$content\$playbook\$)");
	return sql("SELECT noetl.execute('$path')");
}

# Starts an execution of one step called act.
sub execute_step
{
	my ($keys, $workload) = @_;
	$keys =~ s/^(?=.)/  /mg;
	return execute("- step: act\n$keys", $workload);
}

# Starts a worker; its log is collected in $$log.
sub start_worker
{
	my ($log, @options) = @_;
	my $nothing = '';
	$$log = '';
	my $worker = IPC::Run::start(
		[ 'noetl-worker', '--connect', $node->connstr('postgres'), @options ],
		\$nothing, '>', $log, '2>', $log, IPC::Run::timeout(180));
	push @started, $worker;
	return $worker;
}

# However the test ends, no worker stays behind.
END
{
	my $status = $?;
	foreach my $worker (@started)
	{
		$worker->kill_kill if $worker->pumpable;
	}
	$? = $status;
}

# Waits until the log of a worker that runs matches a pattern.
sub has_said
{
	my ($worker, $log, $pattern) = @_;
	my $until = time + $patience;
	while ($$log !~ $pattern && time < $until)
	{
		$worker->pump_nb;
		sleep 0.05;
	}
	return $$log =~ $pattern;
}

# Runs a worker until the queue is empty; returns its log.
sub drain
{
	my (@options) = @_;
	my $log;
	my $worker = start_worker(\$log, '--once', @options);
	$worker->finish;
	diag($log) if $worker->full_result(0) != 0;
	BAIL_OUT('the worker does not drain the queue') if $worker->full_result(0) != 0;
	return $log;
}

# Waits until a query gives true; the server may be away meanwhile.
sub wait_for
{
	my ($query) = @_;
	my $until = time + $patience;
	while (time < $until)
	{
		my ($status, $out) = $node->psql('postgres', $query);
		return 1 if $status == 0 && $out eq 't';
		sleep 0.05;
	}
	return 0;
}

# What ended a step: an expression over its last event of a type.
sub result_of
{
	my ($execution, $expression, $type, $step) = @_;
	$type = 'action_completed' unless defined $type;
	$step = 'act' unless defined $step;
	return sql("SELECT $expression FROM noetl.event WHERE execution_id = $execution"
		  . " AND event_type = '$type' AND node_name = '$step' ORDER BY event_id DESC LIMIT 1");
}

# The events between the beginning and the end of a step's action, in order.
sub events_of
{
	my ($execution, $expression, $step) = @_;
	$expression = 'NULL' unless defined $expression;
	$step = 'act' unless defined $step;
	return sql("SELECT string_agg(event_type || coalesce('[' || current_index || ']', '')"
		  . " || coalesce(' ' || ($expression)::text, ''), ', ' ORDER BY event_id) FROM noetl.event"
		  . " WHERE execution_id = $execution AND node_name = '$step'"
		  . " AND event_type NOT IN ('step_started', 'step_completed', 'step_failed', 'action_started')");
}

# How an execution ended.
sub ended
{
	my ($execution) = @_;
	return sql("SELECT string_agg(event_type, ',') FROM noetl.event WHERE execution_id = $execution"
		  . " AND event_type IN ('execution_complete', 'execution_failed', 'execution_cancelled')");
}

# Writes a file with a mode.
sub keep
{
	my ($path, $text, $mode) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
	chmod $mode, $path;
	return $path;
}

1;
