# Several tasks at once in one worker: --concurrency.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
$node->append_conf('postgresql.conf', 'noetl.superuser_saves = on');
$node->restart;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $done = "SELECT count(*) = %d FROM noetl.execution WHERE status = 'COMPLETED' AND execution_id IN (%s)";

sub ids { return join ',', @_; }

# Writes a program; returns its path.
sub program
{
	my ($name, $text) = @_;
	open my $file, '>', "$directory/$name" or die "$directory/$name: $!";
	print $file $text;
	close $file;
	chmod 0755, "$directory/$name";
	return "$directory/$name";
}

# The most executions whose step was executed at the same time.
sub overlap
{
	my (@executions) = @_;
	my $list = ids(@executions);
	return sql("WITH t AS (SELECT execution_id, min(created_at) FILTER (WHERE event_type = 'action_started') AS a,"
		  . " min(created_at) FILTER (WHERE event_type = 'action_completed') AS b FROM noetl.event"
		  . " WHERE execution_id IN ($list) GROUP BY 1)"
		  . " SELECT max((SELECT count(*) FROM t u WHERE u.a <= t.a AND u.b > t.a)) FROM t");
}

#
# One long task blocks nobody
#
my $log;
my $worker = start_worker(\$log, '--concurrency', 4, '-n', 'many');
my $long = execute_step("tool: shell\ncommand: sleep 98762\n");
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $long AND event_type = 'action_started')"),
	'a task that takes long begins');
my @short = map { execute_step("tool: python\ncode: |\n  def main(n):\n      return n * 2\ndata: {n: $_}\n") } 1 .. 30;
ok(wait_for(sprintf($done, 30, ids(@short))), 'others are executed meanwhile');
is(sql("SELECT string_agg(result::text, ',' ORDER BY execution_id) FROM noetl.event WHERE event_type = 'action_completed'"
		  . " AND execution_id IN (" . ids(@short) . ")"),
	join(',', map { $_ * 2 } 1 .. 30), 'each with its own result');
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $long"), 'RUNNING', 'which the long one does not end');
mkdir "$directory/begun";
chmod 0777, "$directory/begun";
my @sleeps = map {
	execute_step("tool: shell\ncommand: 'touch $directory/begun/$_; until [ \$(ls $directory/begun | wc -l) -ge 3 ]; do sleep 0.05; done'\n")
} 1 .. 6;
ok(wait_for(sprintf($done, 6, ids(@sleeps))), 'tasks that wait for two others');
is(overlap(@sleeps), 3, 'as many at the same time as there are slots left');

# every kind of task
sql('CREATE TABLE kept (v text)');
my $mixed = execute(<<'EOT');
- step: start
  next: [{step: each}, {step: sql}, {step: bad}]
- step: each
  tool: iterator
  collection: [1, 2, 3, 4, 5, 6]
  element: n
  mode: async
  task: {tool: python, code: "def main(n):\n    return n + 10"}
  save: {storage: postgres, table: kept, mode: insert, data: {v: "{{ result | string }}"}}
- step: sql
  tool: postgres
  command: SELECT 5 AS five
- step: bad
  tool: python
  code: raise ValueError('bad day')
  retry: {max_attempts: 2, initial_delay: 0.1}
  on_error: continue
  next: [{when: "{{ true }}", step: end}]
- step: end
EOT
ok(wait_for("SELECT status <> 'RUNNING' FROM noetl.execution WHERE execution_id = $mixed"), 'an execution with several kinds of tasks ends');
is(result_of($mixed, "result -> 'data'", undef, 'each'), '[11, 12, 13, 14, 15, 16]', 'an iterator');
is(sql('SELECT v FROM kept'), '[11, 12, 13, 14, 15, 16]', 'and its save');
is(result_of($mixed, "result -> 'data' -> 'command_0' -> 'rows' -> 0 -> 'five'", undef, 'sql'), 5, 'a postgres task');
is(sql("SELECT count(*) FROM noetl.event WHERE execution_id = $mixed AND event_type = 'action_error' AND node_name = 'bad'"),
	2, 'a task that fails is tried again');
is(sql("SELECT count(*) FROM noetl.event WHERE execution_id = $mixed AND event_type = 'iteration_completed'"), 6,
	'the events of items are those of the iterator');
is(sql("SELECT count(*) FROM noetl.verify($mixed)"), 0, 'and the log is consistent');

# cancelled executions, lost sessions
my @cancelled = map { execute_step("tool: shell\ncommand: sleep 98761\n") } 1 .. 2;
ok(wait_for("SELECT count(*) = 2 FROM noetl.event WHERE event_type = 'action_started' AND execution_id IN (" . ids(@cancelled) . ')'),
	'two tasks begin');
cmp_ok(sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'noetl-worker%'"), '>', 0,
	'its sessions are terminated');
my $after = execute_step("tool: shell\ncommand: echo again\n");
ok(wait_for(sprintf($done, 1, $after)), 'the worker goes on after its sessions were terminated');
is(sql("SELECT count(*) FROM noetl.queue WHERE status = 'leased' AND execution_id IN (" . ids(@cancelled, $long) . ')'), 3,
	'what it executes stays leased');
my ($cancelled_worker) = sql("SELECT count(DISTINCT worker_id) FROM noetl.queue WHERE status = 'leased'");
is($cancelled_worker, 1, 'by the same worker');

#
# SIGTERM
#
my $soon = execute_step("tool: shell\ncommand: sleep 1.5; echo done\n");
sql("SELECT noetl.cancel($cancelled[0])");
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $soon AND event_type = 'action_started')"),
	'a task that ends within the grace');
$worker->signal('TERM');
$worker->finish;
is($worker->result(0), 0, 'SIGTERM ends the worker');
is(result_of($soon, "result -> 'data' ->> 'stdout' = E'done\\n'"), 't', 'the task that ends in time is reported');
is(sql("SELECT string_agg(status, ',') FROM noetl.queue WHERE execution_id IN ($long, $cancelled[1])"), 'queued,queued',
	'the others are given back');
is(`pgrep -f 'sleep 9876[12]'`, '', 'and none of their processes is left');
sql("SELECT noetl.cancel($_)") foreach $long, $cancelled[1];

#
# Heartbeats: all leases are renewed
#
my @slow = map { execute_step("tool: shell\ncommand: sleep 7\n") } 1 .. 3;
drain('--concurrency', 3, '--lease', 3, '-t', 'shell');
is(sql("SELECT count(*) FROM noetl.event WHERE event_type = 'action_started' AND execution_id IN (" . ids(@slow) . ')'), 3,
	'no lease runs out while several tasks are executed');

#
# Limits of types, and --once
#
mkdir "$directory/two";
chmod 0777, "$directory/two";
my @python = map {
	execute_step("tool: python\ncode: |\n  import os, time\n  open('$directory/two/$_', 'w').close()\n"
		  . "  while len(os.listdir('$directory/two')) < 2:\n    time.sleep(0.05)\n  result = 1\n")
} 1 .. 5;
my @shell = map { execute_step("tool: shell\ncommand: sleep 0.4\n") } 1 .. 5;
drain('--concurrency', '6,python=2');
is(overlap(@python), 2, 'a type has a limit of its own');
is(sql(sprintf($done, 10, ids(@python, @shell))), 't', 'and --once executes all tasks');
foreach my $bad ('0', 'x', '4,nonsense=2', '4,python', '65')
{
	my $out;
	my $wrong = start_worker(\$out, '--once', '--concurrency', $bad);
	$wrong->finish;
	is($wrong->result(0), 2, "--concurrency $bad is wrong usage");
	like($out, qr/--concurrency must be N or N,TYPE=N/, '... and the worker says why');
}

#
# A tool that takes several tasks
#
my $tool = program('tool', <<'EOT');
#!/usr/bin/env python3
import json, os, sys, threading, time
lock = threading.Lock()
def write(m):
    with lock:
        print(json.dumps(m), flush=True)
def work(task):
    data = task["action"]["data"]
    time.sleep(data["seconds"])
    write({"id": task["id"], "result": os.getpid()})
write({"concurrency": 3})
for line in sys.stdin:
    task = json.loads(line)
    if task.get("cancel"):
        if task["id"] != "":
            print("cancelled", file=sys.stderr, flush=True)
    elif task["action"]["data"].get("crash"):
        os._exit(9)
    else:
        threading.Thread(target=work, args=(task,), daemon=True).start()
EOT
my @options = ('--tool', "slow=$tool", '-t', 'slow');
my @tool = map { execute_step("tool: slow\ndata: {seconds: 0.6}\n") } 1 .. 9;
drain(@options, '--concurrency', 5);
is(sql("SELECT count(DISTINCT result::text) FROM noetl.event WHERE event_type = 'action_completed' AND execution_id IN ("
		  . ids(@tool) . ')'), 1, 'one process of a tool executes several tasks');
is(overlap(@tool), 3, 'at the same time, as many as it wants');
my $late = execute_step("tool: slow\ndata: {seconds: 60}\ntimeout: 1\n");
my @beside = map { execute_step("tool: slow\ndata: {seconds: 2.5}\n") } 1 .. 2;
$log = drain(@options, '--concurrency', 3);
like(result_of($late, 'error', 'action_error'), qr/^timed out after 1 seconds$/, 'one of them takes too long');
like($log, qr/\| cancelled/, 'the tool is told');
is(sql(sprintf($done, 2, ids(@beside))), 't', 'and its other tasks are not disturbed');
my @with = map { execute_step("tool: slow\ndata: {seconds: 5}\n") } 1 .. 2;
my $crash = execute_step("tool: slow\ndata: {seconds: 0, crash: true}\n");
drain(@options, '--concurrency', 3);
is(sql("SELECT string_agg(DISTINCT error, ',') FROM noetl.event WHERE event_type = 'action_error' AND execution_id IN ("
		  . ids($crash) . ')'), 'the tool "slow" exited with code 9', 'a crash is the error of its tasks');

done_testing();
