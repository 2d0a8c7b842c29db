# Iterators that one worker goes through: what it reports, items side by side,
# failures, and that it can be stopped at any moment.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();

# Is a process alive?
sub alive
{
	my ($pid) = @_;
	return $pid && kill(0, $pid) && slurp_file("/proc/$pid/stat") !~ /\) Z /;
}

# Waits until processes are gone.
sub gone
{
	my (@pids) = @_;
	my $until = time + 20;
	sleep 0.05 while (grep { alive($_) } @pids) && time < $until;
	return !grep { alive($_) } @pids;
}

#
# One after the other
#
my $execution = execute_step(<<'EOT', '{xs: [3, 1, 2, 5, 4], least: 2}');
type: iterator
collection: "{{ workload.xs }}"
element: x
where: "x >= workload.least"
order_by: "-x"
limit: 3
task:
  name: square
  tool: python
  code: |
    def main(x, twice):
        return {"x": x, "square": x * x, "twice": twice}
  args: {twice: "{{ 2 * x }} of {{ _loop.count }}"}
EOT
drain();
is(events_of($execution, "coalesce(result, current_item, context) #>> '{}'"), join(', ',
	'iterator_started {"total": 3, "concurrency": 1}',
	'iteration_started[0] 5', 'iteration_completed[0] {"x": 5, "twice": "10 of 3", "square": 25}',
	'iteration_started[1] 4', 'iteration_completed[1] {"x": 4, "twice": "8 of 3", "square": 16}',
	'iteration_started[2] 3', 'iteration_completed[2] {"x": 3, "twice": "6 of 3", "square": 9}',
	'action_completed {"data": [{"x": 5, "twice": "10 of 3", "square": 25}, {"x": 4, "twice": "8 of 3", "square": 16}, {"x": 3, "twice": "6 of 3", "square": 9}], "count": 3, "status": "success", "total_iterations": 3}'),
	'where, order_by and limit; events and result');
is(sql("SELECT string_agg(DISTINCT worker_id, ',') ~ ':' AND bool_and(status IN ('STARTED', 'COMPLETED')) AND bool_and(parent_event_id IS NOT NULL)"
	. " FROM noetl.event WHERE execution_id = $execution AND event_type LIKE 'iterat%'"), 't',
	'who says so, with what status, about which step');

$execution = execute(<<'EOT', '{xs: []}');
- step: act
  tool: python
  loop: {in: "{{ workload.xs }}", iterator: x}
  code: "result = x"
  next: after
- step: after
  tool: iterator
  collection: "{{ act }}"
  element: x
  task: {tool: python, code: "result = x"}
EOT
my $chunked = execute_step(<<'EOT');
type: iterator
collection: '["a", "b", "c"]'
element: pair
chunk: 2
task:
  tool: python
  code: "result = [pair, batch, index, _loop['count']]"
EOT
my $unusable = execute_step(<<'EOT');
type: iterator
collection: 5
element: x
task: {tool: python, code: "result = x"}
EOT
my $strange = execute_step(<<'EOT');
type: iterator
collection: [1]
element: x
task: {tool: telepathy}
EOT
drain();
is(result_of($execution, 'result'), '{"data": [], "count": 0, "status": "success", "total_iterations": 0}', 'no items');
is(ended($execution), 'execution_complete', 'an empty list is a list');
is(result_of($chunked, "result -> 'data'"), '[[["a", "b"], ["a", "b"], 0, 2], [["c"], ["c"], 1, 2]]', 'chunks');
is(result_of($unusable, 'error', 'action_error'), 'cannot iterate over the number 5', 'what is no list');
like(result_of($strange, 'error', 'action_error'), qr/^item 0: this worker cannot execute tasks of type "telepathy"/, 'a type nobody knows');

# A list of tasks: each sees what those before it gave.
$execution = execute_step(<<'EOT');
type: iterator
collection: [1, 2]
element: x
task:
  - {name: first, tool: python, code: "result = {'n': x + 10}"}
  - {tool: shell, command: "echo {{ first.n }} {{ result.n }} {{ x }}"}
  - {tool: python, code: "result = [first['n'], said]", data: {said: "{{ result.stdout | trim }}"}}
EOT
# Names of the step and of the enclosing item; input of a loop and of an iterator.
my $nested = execute_step(<<'EOT', '{rows: [{id: a, cells: [1, 2]}, {id: b, cells: [3]}]}');
type: iterator
collection: "{{ workload.rows }}"
element: row
mode: async
task:
  type: iterator
  collection: "{{ row.cells }}"
  element: cell
  task:
    tool: python
    code: "result = text"
    data: {text: "{{ parent.row.id }}{{ parent['_loop'].index }} {{ cell }}{{ act.result_index }} {{ row.id }}"}
EOT
my $input = execute(<<'EOT');
- step: start
  next: [{step: act, args: {mode: fast, who: transition}}]
- step: act
  tool: python
  loop: {collection: [1], element: x}
  data: {mode: slow, own: "{{ x }} {{ data.who }}"}
  code: |
    def main(context):
        return {k: context[k] for k in ("mode", "who", "own", "x")}
  next: [{step: explicit, args: {who: transition}}]
- step: explicit
  type: iterator
  collection: [1]
  element: x
  task:
    tool: python
    data: {own: "{{ data.who }}"}
    code: "result = input_data"
EOT
drain();
is(result_of($execution, "result -> 'data'"), '[[11, "11 11 1"], [12, "12 12 2"]]', 'a list of tasks');
is(result_of($nested, "result -> 'data'"), '[["a0 10 a", "a0 21 a"], ["b1 30 b"]]', 'an iterator in an iterator');
like(events_of($nested), qr/^iterator_started, iteration_started\[0\], iteration_completed\[0\], iteration_started\[1\], iteration_completed\[1\], action_completed$/,
	'only the outer one reports');
is(result_of($input, "result -> 'data'"), '[{"x": 1, "own": "1 transition", "who": "transition", "mode": "fast"}]', 'input of a loop');
is(result_of($input, "(result #> '{data,0}') - '_loop'::text - 'index'::text", 'action_completed', 'explicit'), '{"x": 1, "own": "transition"}', 'input of an iterator');

# Templates that read results of earlier steps as the broker's own do.
$execution = execute(<<'EOT');
- step: shelly
  tool: shell
  command: echo hello
  next: bare
- step: bare
  tool: python
  code: "result = {'n': 5}"
  next: act
- step: act
  type: iterator
  collection: [1]
  element: x
  task:
    tool: python
    data: {a: "{{ shelly.stdout | trim }}", b: "{{ shelly.status }}", c: "{{ bare.data.n }}", d: "{{ bare.n }}"}
    code: "result = [a, b, c, d]"
EOT
drain();
is(result_of($execution, "result -> 'data'"), '[["hello", "success", 5, 5]]', 'values of steps');

#
# Failures
#
$execution = execute_step(<<'EOT');
type: iterator
collection: [1, 0, 2]
element: x
task: {tool: python, code: "result = 1 / x"}
EOT
my $continued = execute_step(<<'EOT');
type: iterator
collection: [4, 0, 2]
element: x
on_error: continue
task: {tool: python, code: "result = 4 / x"}
EOT
my $templates = execute_step(<<'EOT');
type: iterator
collection: [4, 0, 2]
element: x
on_error: continue
task: {tool: python, code: "result = q", data: {q: "{{ 4 // x }}"}}
EOT
my $slow = execute_step(<<'EOT');
type: iterator
collection: [0, 60]
element: x
on_error: continue
mode: async
task: {tool: shell, command: "sleep {{ x }}", timeout: 1}
EOT
my $refused = execute_step(<<'EOT');
type: iterator
collection: ["http://127.0.0.1:9/", "::"]
element: x
on_error: continue
mode: async
task: {tool: http, url: "{{ x }}"}
EOT
drain();
is(events_of($execution, 'error'), join(', ', 'iterator_started', 'iteration_started[0]', 'iteration_completed[0]',
	'iteration_started[1]', 'iteration_failed[1] ZeroDivisionError: division by zero (line 1)',
	'action_error item 1: ZeroDivisionError: division by zero (line 1)'), 'the first failure ends it');
is(result_of($execution, "result -> 'errors'", 'action_error'), '[{"index": 1, "message": "ZeroDivisionError: division by zero (line 1)"}]', 'which item it was');
is(result_of($execution, "result ->> 'traceback' ~ 'line 1'", 'iteration_failed'), 't', 'its details are in its event');
is(result_of($continued, 'result'), '{"data": [1.0, null, 2.0], "count": 3, "errors": [{"index": 1, "message": "ZeroDivisionError: division by zero (line 1)"}], "status": "success", "total_iterations": 3}',
	'on_error: continue');
is(result_of($templates, 'result'), '{"data": [1, null, 2], "count": 3, "errors": [{"index": 1, "message": "integer division or modulo by zero (in {{ 4 // x }})"}], "status": "success", "total_iterations": 3}',
	'a template that raises takes only its own item along');
is(result_of($slow, "result #>> '{errors,0,message}'"), 'timed out after 1 seconds', 'a timeout of the task is one of the item');
like(result_of($refused, "result ->> 'errors'"), qr/"index": 0, "message": "[^"]*connect.*"index": 1, "message": "/i, 'http');

# Retry of the task is retry of the item.
$execution = execute_step(<<"EOT");
type: iterator
collection: [a, b]
element: x
task:
  tool: shell
  command: 'echo "{{ x }}" >> $directory/tries; test \$(grep -c "{{ x }}" $directory/tries) -ge 2'
  retry: {max_attempts: 3, initial_delay: 0.1, jitter: false}
EOT
my $exhausted = execute_step(<<"EOT");
tool: shell
loop: {in: [a], iterator: x, mode: async}
command: 'echo "{{ x }}" >> $directory/never; exit 3'
retry: {max_attempts: 3, initial_delay: 0.01, retry_when: "{{ result.data.exit_code == 3 and attempt < 3 and x == 'a' }}"}
EOT
my $unhappy = execute_step(<<'EOT');
type: iterator
collection: [1]
element: x
task:
  tool: python
  code: "result = {'status_code': 503}"
  args: {least: "{{ x * 500 }}"}
  retry: {max_attempts: 2, initial_delay: 0.01, retry_when: "{{ status_code >= least and input.least + args.least == 1000 and this.data.status_code == 503 }}"}
EOT
drain();
is(result_of($execution, "result -> 'count'"), 2, 'items are repeated');
is(slurp_file("$directory/tries"), "a\na\nb\nb\n", 'each until it succeeds');
is(ended($exhausted), 'execution_failed', 'and not for ever');
is(slurp_file("$directory/never"), "a\na\na\n", 'three attempts');
is(result_of($unhappy, 'error', 'action_error'), 'item 0: retry_when still holds after 2 attempts', 'a result that nobody wants');

# Each attempt has time of its own, also after one whose time has ended.
my %late;
foreach my $mode ('sequential', 'async')
{
	my $items = $mode eq 'async' ? '[1, 2]' : '[1]';
	my $tries = "$directory/$mode";
	$late{$mode} = execute_step(<<"EOT");
type: iterator
collection: $items
element: x
mode: $mode
task:
  tool: shell
  command: 'echo try >> ${tries}_{{ x }}; case \$(wc -l < ${tries}_{{ x }}) in 1) sleep 60 ;; 2) sleep 1.6; exit 1 ;; 3) sleep 1.6 ;; esac'
  timeout: 3
  retry: {max_attempts: 3, initial_delay: 0.1}
EOT
}
my $loud = execute_step(<<"EOT");
type: iterator
collection: [1]
element: x
task:
  tool: shell
  log: true
  command: 'if mkdir $directory/loud; then yes 123456789 | head -n 8000; exit 1; fi; echo heard'
  retry: {max_attempts: 2, initial_delay: 0.1}
EOT
drain('--concurrency', 2);
foreach my $mode ('sequential', 'async')
{
	is(ended($late{$mode}), 'execution_complete', "$mode items are repeated after a timeout");
	is(slurp_file("$directory/${mode}_1"), "try\n" x 3, 'each attempt is executed');
	like(events_of($late{$mode}, 'error'), qr/action_retry\[0\] timed out after 3 seconds.*action_retry\[0\] command exited with code 1/, 'and ends as it ended');
}

is(sql("SELECT count(*) FROM noetl.event WHERE execution_id = $loud AND event_type = 'log' AND context ->> 'line' = 'heard'"), 1,
	'its lines are stored, however many the one before has printed');

# The time of an item ends while the session is lost.
my $alone = execute_step(<<'EOT');
type: iterator
collection: [1, 2]
element: x
on_error: continue
task: {tool: shell, command: sleep 60, timeout: 2}
EOT
my $lonely = start_worker(\my $said, '--once');
wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $alone AND event_type = 'iteration_started')");
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'noetl-worker%'");
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $alone AND event_type = 'action_completed')"), 'the iterator goes on');
$lonely->kill_kill;
is(events_of($alone, 'error'), 'iterator_started, iteration_started[0], iteration_failed[0] timed out after 2 seconds,'
	. ' iteration_started[1], iteration_failed[1] timed out after 2 seconds, action_completed', 'and each item has timed out');

#
# Side by side
#
sub intervals
{
	my ($execution) = @_;
	return sql("WITH t AS (SELECT (v ->> 0)::float8 AS a, (v ->> 1)::float8 AS b FROM noetl.event,"
		. " jsonb_array_elements(result -> 'data') v WHERE execution_id = $execution AND event_type = 'action_completed')"
		. " SELECT max((SELECT count(*) FROM t o WHERE o.a <= t.a AND o.b > t.a)) FROM t");
}
my $timed = <<'EOT';
element: x
task:
  tool: python
  code: |
    import time
    def main(x):
        begin = time.monotonic()
        time.sleep(3 if x < 10 else 0.3)
        return [begin, time.monotonic(), x]
EOT
my $parallel = execute_step("type: iterator\nmode: async\ncollection: [1, 2, 3, 4, 5, 6]\n$timed");
my $two = execute_step("type: iterator\nmode: parallel\nconcurrency: 2\ncollection: [15, 16, 17, 18, 19]\n$timed");
my $kinds = execute_step(<<'EOT');
type: iterator
mode: async
collection: [1, 2, 3]
element: x
task:
  - {name: p, tool: postgres, command: "SELECT {{ x }} AS n"}
  - {name: s, tool: shell, command: "echo {{ p.command_0.rows[0].n }}; echo oops >&2"}
  - {tool: python, code: "print('said', x); result = [x, out]", data: {out: "{{ s.stdout }}{{ s.stderr }}"}}
EOT
my $log = drain('-v');
is(intervals($parallel), 6, 'six items at the same time');
is(result_of($parallel, "(SELECT string_agg(v ->> 2, '' ORDER BY n) FROM jsonb_array_elements(result -> 'data') WITH ORDINALITY x(v, n))"), '123456', 'results in order of the items');
is(intervals($two), 2, 'two, not more');
is(result_of($kinds, "result -> 'data'"), '[[1, "1\noops\n"], [2, "2\noops\n"], [3, "3\noops\n"]]', 'all kinds of tasks');
like($log, qr/act#1 \| said 2\n/, 'what they print is logged');

# A process that is killed fails its item only.
$execution = execute_step(<<'EOT');
type: iterator
mode: async
concurrency: 2
on_error: continue
collection: [1, 2, 3, 4]
element: x
task:
  tool: python
  code: |
    import os
    if x == 2:
        os.kill(os.getppid(), 9)
    result = x
EOT
drain();
is(result_of($execution, "result -> 'data'"), '[1, null, 3, 4]', 'the others are not affected');
is(result_of($execution, "result #>> '{errors,0,message}'"), 'the process that executed the task was killed by signal 9 (Killed)', 'it is said how it ended');

#
# Stop, cancel, timeout, lost connections
#
my $waiting = <<"EOT";
type: iterator
mode: async
collection: [1, 2, 3]
element: x
task: {tool: shell, command: 'echo \$\$ >> $directory/PIDS; sleep 300'}
EOT

# Starts a worker on an iterator whose items never end; returns their processes.
sub begin_endless
{
	my ($name, $more, @options) = @_;
	my $steps = $waiting;
	$steps =~ s/PIDS/$name/;
	my $execution = execute_step($steps . $more);
	my $log;
	my $worker = start_worker(\$log, @options);
	my $until = time + 60;
	sleep 0.05 while time < $until && !(-e "$directory/$name" && (my $n = () = slurp_file("$directory/$name") =~ /\n/g) == 3);
	return ($execution, $worker, split /\n/, slurp_file("$directory/$name"));
}
my ($stopped, $worker, @pids) = begin_endless('stop', '', '--grace', 1);
is(scalar(grep { alive($_) } @pids), 3, 'three items are under way');
$worker->signal('TERM');
$worker->finish;
is($worker->full_result(0), 0, 'a worker that is asked to stop stops');
ok(gone(@pids), 'its items end with it');
is(sql("SELECT status, attempts FROM noetl.queue WHERE execution_id = $stopped"), 'queued|0', 'the iterator is given back');
sql("SELECT noetl.cancel($stopped, 'enough')");

my $cancelled;
($cancelled, $worker, @pids) = begin_endless('cancel', '', '--lease', 2);
my $next = execute_step("type: iterator\nmode: async\ncollection: [1, 2]\nelement: x\ntask: {tool: shell, command: 'echo {{ x }}'}");
sql("SELECT noetl.cancel($cancelled, 'enough')");
ok(gone(@pids), 'cancelled: its items end');
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $next AND event_type = 'execution_complete')"), 'the worker goes on');
$worker->signal('TERM');
$worker->finish;

my $overdue;
($overdue, $worker, @pids) = begin_endless('overdue', "timeout: 2\n");
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $overdue AND event_type = 'execution_failed')"), 'a timeout of the step ends it');
ok(gone(@pids), 'with its items');
$worker->signal('TERM');
$worker->finish;

# The same for items that this process executes itself.
foreach my $how ('timeout', 'cancel')
{
	my $one = $waiting;
	$one =~ s/mode: async\n//;
	$one =~ s/PIDS/one_$how/;
	$execution = execute_step($one . ($how eq 'timeout' ? "timeout: 2\n" : ''));
	$worker = start_worker(\$log, '--lease', 2);
	my $until = time + 60;
	sleep 0.05 while time < $until && !(-e "$directory/one_$how" && slurp_file("$directory/one_$how") =~ /\n/);
	@pids = split /\n/, slurp_file("$directory/one_$how");
	sql("SELECT noetl.cancel($execution, 'enough')") if $how eq 'cancel';
	ok(gone(@pids), "one after the other: $how");
	$worker->signal('TERM');
	$worker->finish;
	is(scalar(split /\n/, slurp_file("$directory/one_$how")), 1, 'no other item begins');
}

my $killed;
($killed, $worker, @pids) = begin_endless('kill', '');
$worker->signal('KILL');
$worker->finish;
ok(gone(@pids), 'a worker that is killed leaves no items behind');
sql("SELECT noetl.cancel($killed, 'enough')");

# The server goes away and comes back.
$execution = execute_step(<<"EOT");
type: iterator
collection: [1, 2, 3, 4, 5, 6]
element: x
task: {tool: shell, command: "echo {{ x }} >> $directory/restart; sleep 0.3; echo {{ x }}"}
EOT
$worker = start_worker(\$log);
{
	my $until = time + 60;
	sleep 0.05 while time < $until && !(-e "$directory/restart" && slurp_file("$directory/restart") =~ /2/);
}
$node->stop('immediate');
$node->start;
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $execution AND event_type = 'execution_complete')"), 'the iterator survives a restart of the server');
is(slurp_file("$directory/restart"), "1\n2\n3\n4\n5\n6\n", 'no item is done twice');
is(sql("SELECT count(*) FROM noetl.event WHERE execution_id = $execution AND event_type = 'iteration_completed'"), 6, 'nor unreported');
$worker->signal('TERM');
$worker->finish;

#
# What has completed stays when the execution is redriven, or the held step retried
#
foreach my $ending ('fail', 'hold')
{
	my $again = $ending eq 'fail' ? 'redrive' : 'retry';
	$execution = execute_step(<<"EOT", '{xs: [1, 2, 3, 4]}');
type: iterator
on_error: $ending
collection: "{{ xs }}"
element: x
task: {tool: shell, command: "echo {{ x }} >> $directory/$again; test {{ x }} != 3 || test -e $directory/mended || exit 1; echo {{ x }}"}
EOT
	drain();
	is(slurp_file("$directory/$again"), "1\n2\n3\n", "an item fails, before $again");
	sql("SELECT noetl.$again($execution)");
	drain();
	is(slurp_file("$directory/$again"), "1\n2\n3\n3\n", "$again begins with the item that has failed");
	append_to_file("$directory/mended", '');
	sql("SELECT noetl.$again($execution)");
	drain();
	is(slurp_file("$directory/$again"), "1\n2\n3\n3\n3\n4\n", 'and another time, until all have completed');
	is(result_of($execution, "jsonb_path_query_array(result, '\$.data[*].stdout')"), '["1\n", "2\n", "3\n", "4\n"]', 'the result is whole');
	is(sql("SELECT count(*) FROM noetl.verify($execution)"), 0, 'and all follows from the log');
	unlink "$directory/mended";
}

#
# Many
#
$execution = execute_step(<<'EOT');
type: iterator
collection: "{{ range(3000) | list }}"
element: x
task: {tool: python, code: "result = x"}
EOT
drain();
is(result_of($execution, "jsonb_array_length(result -> 'data') || ' ' || (result #>> '{data,2999}')"), '3000 2999', 'three thousand items');
is(sql("SELECT count(*), count(DISTINCT current_index), max(current_index) FROM noetl.event WHERE execution_id = $execution AND event_type LIKE 'iteration_%'"), '6000|3000|2999', 'their events');

is(sql("SELECT count(*) FROM noetl.queue WHERE execution_id <> $killed"), 0, 'nothing is left');
done_testing();
