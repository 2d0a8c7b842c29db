# noetl-worker, end to end: what it executes, how it fails, how it stops, and
# that nothing is lost when the server is.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'restart_after_crash = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION noetl');
my $connection = $node->connstr('postgres');
my $patience = 60;

# Indents a block of YAML.
sub indented
{
	my ($text, $by) = @_;
	my $space = ' ' x $by;
	$text =~ s/^(?=.)/$space/mg;
	return $text;
}

# Starts an execution of a playbook with these steps; returns its id.
my $playbooks = 0;

sub execute
{
	my ($steps) = @_;
	my $path = 'worker/' . ++$playbooks;
	my $content = "apiVersion: noetl.io/v1\nkind: Playbook\n"
	  . "metadata: {name: test, path: $path}\nworkflow:\n"
	  . indented($steps, 2);
	$node->safe_psql('postgres',
		"SELECT noetl.register(\$playbook\$$content\$playbook\$)");
	return $node->safe_psql('postgres', "SELECT noetl.execute('$path')");
}

# Starts an execution of one step called act.
sub execute_job
{
	my ($keys) = @_;
	return execute("- step: act\n" . indented($keys, 2));
}

my @started;

# Starts a worker; its log is collected in $$log.
sub start_worker
{
	my ($log, @options) = @_;
	my $nothing = '';
	$$log = '';
	my $worker = IPC::Run::start(
		[ 'noetl-worker', '--connect', $connection, @options ],
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

# Runs a worker until the queue is empty; returns its log.
sub drain
{
	my (@options) = @_;
	my $log;
	my $worker = start_worker(\$log, '--once', @options);
	$worker->finish;
	is($worker->full_result(0), 0, 'the worker drains the queue and exits');
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

# Kills the server as a power failure would; gone when its process is gone.
sub kill_server
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my $until = time + $patience;
	$node->kill9;
	sleep 0.05 while kill(0, $pid) && time < $until;
}

# Starts it again; its orphaned backends need a moment to end.
sub restart_server
{
	my $until = time + $patience;
	until ($node->start(fail_ok => 1))
	{
		BAIL_OUT('the server does not start again') if time > $until;
		$node->stop('fast', fail_ok => 1);
		sleep 0.2;
	}
}

# One value of the event that ended the step act.
sub outcome
{
	my ($execution, $expression, $type) = @_;
	$type = 'action_completed' unless defined $type;
	return $node->safe_psql(
		'postgres', "
		SELECT $expression FROM noetl.event
		 WHERE execution_id = $execution AND event_type = '$type'
		   AND node_name = 'act'");
}

# The events of an execution, in order.
sub sequence
{
	my ($execution) = @_;
	return $node->safe_psql(
		'postgres', "
		SELECT string_agg(event_type || coalesce(' ' || node_name, ''), ', ' ORDER BY event_id)
		  FROM noetl.event WHERE execution_id = $execution AND event_type LIKE 'action%'");
}

sub ended
{
	my ($execution) = @_;
	return $node->safe_psql(
		'postgres', "
		SELECT string_agg(event_type, ',') FROM noetl.event
		 WHERE execution_id = $execution
		   AND event_type IN ('execution_complete', 'execution_failed', 'execution_cancelled')");
}

#
# The command line
#
command_like([ 'noetl-worker', '--help' ], qr/SYNOPSIS.*--once/s, '--help');
command_like([ 'noetl-worker', '--version' ],
	qr/^noetl-worker \d+\.\d+/, '--version');
command_fails_like(
	[ 'noetl-worker', '--lease', 'long' ],
	qr/--lease must be a number/,
	'a wrong number is refused');
command_fails_like(
	[ 'noetl-worker', '--connect', $connection, '--types', 'cobol' ],
	qr/unknown task type "cobol"/,
	'a type it cannot execute is refused');
command_fails_like(
	[ 'noetl-worker', '--connect', $connection, '--types', ' , ' ],
	qr/there is no task type in --types/,
	'a list without a type is refused');
command_fails_like(
	[ 'noetl-worker', '--once', '--connect', 'host=/nonexistent', '--wait-for-server', '1' ],
	qr/could not connect to the broker/,
	'no server, no worker');

#
# What it executes: everything is started first, one worker does it all
#
my %job = (
	keywords => execute_job(<<'YAML'),
tool: python
args: {who: world, times: 2, unused: x}
code: |
  def main(who, times, greeting="hello"):
      print("said", greeting)
      return {"text": " ".join([greeting, who] * times)}
YAML
	whole => execute_job(<<'YAML'),
tool: python
args: {a: 1, b: [2, 3]}
code: |
  async def main(input_data):
      return input_data
YAML
	rest => execute_job(<<'YAML'),
tool: python
args: {a: 1, b: 2}
code: |
  def main(a, **others):
      return [a, others]
YAML
	script => execute_job(<<'YAML'),
tool: python
args: {x: 41}
code: |
  result = x + 1
YAML
	values => execute_job(<<'YAML'),
tool: python
code: |
  import datetime, decimal
  def main():
      return {"day": datetime.date(2024, 2, 29), "price": decimal.Decimal("1.50"),
              "set": {2, 1}, "bytes": b"abc", "nan": float("nan"),
              "big": 2 ** 80, 1: None}
YAML
	missing => execute_job(<<'YAML'),
tool: python
args: {a: 1, c: 2}
code: |
  def main(a, b):
      return a
YAML
	raises => execute_job(<<'YAML'),
tool: python
code: |
  def divide(x):
      return 1 / x
  def main():
      return divide(0)
YAML
	exits => execute_job(<<'YAML'),
tool: python
code: |
  import os
  def main():
      os._exit(7)
YAML
	hangs => execute_job(<<'YAML'),
tool: python
timeout: 1
code: |
  def main():
      while True:
          pass
YAML
	large => execute_job(<<'YAML'),
tool: python
code: |
  def main():
      return {"text": "é" * 5000000}
YAML
	refused => execute_job(<<'YAML'),
tool: shell
command: echo
cwd: /nonexistent
YAML
	rows => execute_job(<<'YAML'),
tool: postgres
command: |
  CREATE TABLE made (i int, t text);
  INSERT INTO made VALUES (1, 'a;b'), (2, NULL) RETURNING i;
  SELECT i, t, 1.50 AS n, true AS b, '{"k": [1]}'::jsonb AS j, 'NaN'::float8 AS f
    FROM made ORDER BY i LIMIT 1;
YAML
	rolled_back => execute_job(<<'YAML'),
tool: postgres
commands:
  - CREATE TABLE never_made (i int)
  - SELECT 1 / 0
YAML
	vacuum => execute_job(<<'YAML'),
tool: postgres
commands:
  - CREATE TABLE vacuumed (i int)
  - VACUUM vacuumed
YAML
	elsewhere => execute_job(<<'YAML'),
tool: postgres
auth: somewhere_else
query: SELECT current_database() AS name
YAML
	shell => execute_job(<<'YAML'),
tool: shell
env: {GREETING: good day}
cwd: /
command: |
  echo "$GREETING from $(pwd)"
  echo oops >&2
YAML
	shell_fails => execute_job(<<'YAML'),
tool: shell
commands: [echo one, exit 3, echo three]
YAML
	retried => execute_job(<<"YAML"));
tool: shell
retry: {max_attempts: 3, initial_delay: 0.2, jitter: false}
command: test -e '${\ $node->basedir}/seen' || { touch '${\ $node->basedir}/seen'; exit 1; }
YAML
my $foreign = execute_job("tool: something_else\n");

$ENV{NOETL_AUTH_SOMEWHERE_ELSE} = $node->connstr('template1');
my $log = drain();

is(outcome($job{keywords}, 'result'),
	'{"text": "hello world hello world"}', 'input as keyword arguments');
like($log, qr/$job{keywords}\/act#1 \| said hello/, 'what a task prints is logged');
like($log, qr/^\d\d:\d\d:\d\d $job{keywords}\/act#1 python ok \d+ ms$/m,
	'one line for each task');
is(outcome($job{whole}, 'result'), '{"a": 1, "b": [2, 3]}', 'input as one dict');
is(outcome($job{rest}, 'result'), '[1, {"b": 2}]', 'the rest in **kwargs');
is(outcome($job{script}, 'result'), '42', 'no main: the variable result');
is( outcome($job{values}, 'result'),
	'{"1": null, "big": 1208925819614629174706176, "day": "2024-02-29", "nan": "NaN", '
	  . '"set": [1, 2], "bytes": "abc", "price": 1.5}',
	'values JSON does not know');
like(outcome($job{missing}, 'error', 'action_error'),
	qr/^TypeError: main\(\) is missing the input 'b'/, 'missing input');
is(outcome($job{raises}, 'error', 'action_error'),
	'ZeroDivisionError: division by zero (line 2, in divide)', 'an exception fails the task');
like(outcome($job{raises}, "result ->> 'traceback'", 'action_error'),
	qr/line 2, in divide\n\s+return 1 \/ x/, 'with a traceback that shows the code');
is(outcome($job{exits}, 'error', 'action_error'),
	'the python process exited with code 7', 'the end of the interpreter');
is(outcome($job{exits}, 'result', 'action_error'),
	'{"error": "the python process exited with code 7", "status": "error"}', 'which is in the result, too');
is(outcome($job{hangs}, 'error', 'action_error'),
	'timed out after 1 seconds', 'a timeout');
is(outcome($job{hangs}, "meta ->> 'kind'", 'step_failed'),
	'timed_out', 'which the broker knows as one');
is(outcome($job{large}, "length(result ->> 'text')"), '5000000', 'a result of 10 MB');
is(outcome($job{rows}, "result -> 'data' -> 'command_2' ->> 'rows'"),
	'[{"b": true, "f": "NaN", "i": 1, "j": {"k": [1]}, "n": 1.50, "t": "a;b"}]',
	'rows with native types');
is(outcome($job{rows}, "result -> 'data' -> 'command_1' ->> 'row_count'"),
	'2', 'the number of rows');
is($node->safe_psql('postgres', 'SELECT count(*) FROM made'), '2', 'the table is real');
is( outcome($job{rolled_back}, "concat_ws(' ', error, result ->> 'sqlstate')", 'action_error'),
	'division by zero (SQLSTATE 22012, command_1) 22012', 'an SQL error');
is($node->safe_psql('postgres', "SELECT to_regclass('never_made') IS NULL"),
	't', 'a list is one transaction');
is(outcome($job{vacuum}, "result ->> 'status'"), 'success',
	'except when a command cannot be in one');
is(outcome($job{elsewhere}, "result #>> '{data,command_0,rows,0,name}'"),
	'template1', 'a credential from the environment');
is( outcome($job{shell}, "result -> 'data'"),
	'{"stderr": "oops\n", "stdout": "good day from /\n", "exit_code": 0}',
	'the output of a shell command');
is( outcome($job{shell_fails}, "concat_ws(' ', error, result ->> 'data')", 'action_error'),
	'command 2 exited with code 3 {"stderr": "", "stdout": "one\n", "exit_code": 3}',
	'a list of commands stops at the first that fails');
like(outcome($job{refused}, "result #>> '{data,stderr}'", 'action_error'),
	qr/could not change directory/, 'a directory that is not there');
is( sequence($job{retried}),
	'action_started act, action_error act, action_retry act, '
	  . 'action_started act, action_completed act',
	'--once waits for a retry');
is($node->safe_psql('postgres',
		"SELECT status FROM noetl.queue WHERE execution_id = $foreign"),
	'queued', 'other types are left to other workers');
is(ended($job{keywords}), 'execution_complete', 'an execution completes');
is(ended($job{raises}), 'execution_failed', 'an execution fails');

#
# Stopping
#
my $slow = "tool: python\ncode: |\n  import time\n  def main():\n      time.sleep(%s)\n      return 'slept'\n";
my $started = "SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = %s AND event_type = 'action_started')";

my $stopped = execute_job(sprintf($slow, 2));
my $worker = start_worker(\$log);
ok(wait_for(sprintf($started, $stopped)), 'a task runs');
$worker->signal('TERM');
$worker->finish;
is($worker->full_result(0), 0, 'SIGTERM ends the worker');
is(outcome($stopped, 'result'), '"slept"', 'after its task has ended');

my $returned = execute_job(sprintf($slow, 60));
$worker = start_worker(\$log, '--grace', '1');
ok(wait_for(sprintf($started, $returned)), 'a long task runs');
$worker->signal('INT');
$worker->finish;
is($worker->full_result(0), 0, 'SIGINT ends the worker');
is( $node->safe_psql('postgres',
		"SELECT status, attempts FROM noetl.queue WHERE execution_id = $returned"),
	'queued|0', 'the task is given back, without a lost attempt');

$worker = start_worker(\$log, '--lease', '2');
ok( wait_for("SELECT count(*) = 2 FROM noetl.event WHERE execution_id = $returned AND event_type = 'action_started'"),
	'another worker takes it');
sleep 3;
is( $node->safe_psql('postgres',
		"SELECT status, attempts FROM noetl.queue WHERE execution_id = $returned"),
	'leased|1', 'heartbeats keep the lease');
$node->safe_psql('postgres', "SELECT noetl.cancel($returned, 'enough')");
my $until = time + $patience;
while ($log !~ /the lease was lost or the execution cancelled/ && time < $until)
{
	$worker->pump_nb;
	sleep 0.05;
}
like($log, qr/$returned\/act#1 python stopped/, 'a cancelled task is stopped');
$worker->signal('TERM');
$worker->finish;
is(ended($returned), 'execution_cancelled', 'nothing is reported for it');

# The server may know sooner that the time is over, and what is left of it.
my $overdue = execute_job(sprintf($slow, 60) . "timeout: 600\n");
$worker = start_worker(\$log, '--lease', '2');
ok(wait_for(sprintf($started, $overdue)), 'a task with a timeout runs');
$node->safe_psql('postgres',
	"UPDATE noetl.queue SET deadline = now() WHERE execution_id = $overdue");
ok(wait_for("SELECT noetl.enqueue_next() IS NOT NULL AND EXISTS (SELECT FROM noetl.event
	WHERE execution_id = $overdue AND event_type = 'step_failed' AND meta ->> 'kind' = 'timed_out')"),
	'the server says that it timed out');
$until = time + $patience;
while ($log !~ /the lease was lost or the execution cancelled/ && time < $until)
{
	$worker->pump_nb;
	sleep 0.05;
}
like($log, qr/$overdue\/act#1 python stopped/, 'the worker stops it at its next heartbeat');
$worker->signal('TERM');
$worker->finish;
my $resumed = execute_job(sprintf($slow, 60) . "timeout: 600\n");
$node->safe_psql('postgres',
	"SELECT * FROM noetl.lease('gone', 1, '60 s', '{python}')");
$node->safe_psql('postgres',
	"UPDATE noetl.queue SET deadline = now() + interval '3 s', lease_until = now() WHERE execution_id = $resumed");
$log = drain();
like($log, qr/$resumed\/act#1 python failed \d{1,4} ms, attempt 2: timed out after 600/,
	'a worker that takes a task over has the rest of its time');
is(outcome($resumed, "meta ->> 'kind'", 'step_failed'),
	'timed_out', 'and agrees with the server');

#
# The server goes away
#
my $kept = execute_job(sprintf($slow, 3));
$worker = start_worker(\$log, '--once');
ok(wait_for(sprintf($started, $kept)), 'a task runs while the server is killed');
kill_server();
sleep 4;
restart_server();
$worker->finish;
is($worker->full_result(0), 0, 'the worker comes back');
like($log, qr/connected again/, 'and says so');
is(outcome($kept, 'result'), '"slept"', 'the result is not lost');
is(ended($kept), 'execution_complete', 'the execution completes');

# Many short tasks by two workers, while the server is killed twice.
my $chain = join('',
	map { "- step: s$_\n  tool: python\n  code: |\n    def main():\n        return $_\n"
		  . ($_ < 20 ? "  next: s" . ($_ + 1) . "\n" : '') } 1 .. 20);
my @executions = map { execute($chain) } 1 .. 10;
my ($log1, $log2);
my @workers = (start_worker(\$log1, '--once', '--batch', '2'),
	start_worker(\$log2, '--once'));
for my $goal (20, 80)
{
	ok(wait_for("SELECT count(*) >= $goal FROM noetl.event WHERE event_type = 'step_completed' AND node_name ~ '^s[0-9]+\$'"),
		"$goal steps are done, the server is killed");
	kill_server();
	sleep 0.5;
	restart_server();
}
foreach my $w (@workers)
{
	$w->finish;
	is($w->full_result(0), 0, 'a worker drains the queue nevertheless');
}
my $list = join(',', @executions);
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM noetl.event WHERE execution_id IN ($list) AND event_type = 'execution_complete'"),
	'10', 'all executions complete');
is( $node->safe_psql('postgres',
		"SELECT count(*), count(DISTINCT (execution_id, node_name)) FROM noetl.event
		  WHERE execution_id IN ($list) AND event_type = 'step_completed'"),
	'200|200', 'every step exactly once');

$node->stop;
done_testing();
