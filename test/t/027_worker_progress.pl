# What tasks tell while they are executed: progress and lines; what the worker says.
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
my $directory = PostgreSQL::Test::Utils::tempdir();

# The contexts of the events of a type, in order.
sub told
{
	my ($execution, $type, $key) = @_;
	return sql("SELECT string_agg(context ->> '$key', '|' ORDER BY event_id) FROM noetl.event"
		  . " WHERE execution_id = $execution AND event_type = '$type' AND meta -> 'ignored' IS NULL");
}

open my $file, '>', "$directory/tool" or die $!;
print $file <<'EOT';
#!/usr/bin/env python3
import json, sys, threading, time
def say(**m):
    print(json.dumps(m), flush=True)
def work(task):
    i = task["id"]
    say(id=i, progress=0.25, message="a quarter")
    say(id=i, log="a line of the tool")
    time.sleep(task["action"]["data"]["seconds"])
    say(id=i, result=1)
say(concurrency=4)
for line in sys.stdin:
    task = json.loads(line)
    if "action" in task:
        threading.Thread(target=work, args=(task,), daemon=True).start()
EOT
close $file;
chmod 0755, "$directory/tool";

my $slow = "import time\n  print('first line')\n  noetl_progress(0.4, 'page 4 of 10')\n  for i in range(1000):\n"
  . "      noetl_progress(0.5)\n  time.sleep(SECONDS)\n  print('last line')\n  result = 'done'\n";
foreach my $mode ([ 'one task' ], [ 'several tasks', '--concurrency', 4 ])
{
	my ($name, @options) = @$mode;
	my $log;
	my $worker = start_worker(\$log, '-q', '--tool', "slow=$directory/tool", @options);
	my $program = $slow =~ s/SECONDS/3/r;
	my $python = execute_step("tool: python\nlog: true\ncode: |\n  $program");
	ok(wait_for("SELECT noetl.status($python) #>> '{live,0,progress,message}' = 'page 4 of 10'"), "$name: status shows the progress");
	is(sql("SELECT noetl.status($python) #>> '{live,0,progress,progress}'"), '0.4', 'its number');
	like(sql("SELECT detail FROM noetl.why($python)"), qr/ Progress: 40\.?0* %, page 4 of 10, .* ago\.$/, 'and why does');
	my $tool = execute_step("tool: slow\nlog: true\ndata: {seconds: 2.5}\n");
	ok(wait_for("SELECT noetl.status($tool) #>> '{live,0,progress,message}' = 'a quarter'"), 'the progress of a tool');
	my $shell = execute_step("tool: shell\nlog: true\ncommand: 'echo out; echo err >&2; echo more'\n");
	my $quiet = execute_step("tool: python\ncode: |\n  print('not stored')\n  result = 1\n");
	my $loud = execute_step("tool: python\nlog: true\ncode: |\n  for i in range(100000):\n      print('x' * 70, chr(0))\n  result = 1\n");
	my $items = execute_step("tool: iterator\ncollection: [1, 2]\nelement: n\nmode: async\ntask:\n  tool: python\n  log: true\n"
		  . "  code: |\n    def main(n):\n        print('item', n)\n        return n\n");
	ok(wait_for("SELECT count(*) = 6 FROM noetl.execution WHERE status = 'COMPLETED' AND execution_id IN"
			  . " ($python, $tool, $shell, $quiet, $loud, $items)"), 'the tasks end');
	is(told($python, 'log', 'line'), 'first line|last line', 'the lines of a program');
	ok(sql("SELECT count(*) FROM noetl.event WHERE execution_id = $python AND event_type = 'progress'") <= 4,
		'its progress is stored once a second');
	is(told($tool, 'log', 'line'), 'a line of the tool', 'the lines of a tool');
	is(join('|', sort split /\|/, told($shell, 'log', 'line')), 'err|more|out', 'the lines of a command');
	is(told($quiet, 'log', 'line'), '', 'none without log: true');
	like(told($loud, 'log', 'line'), qr/\[further lines are not stored\]$/, 'the lines of a task have a bound');
	ok(sql("SELECT sum(length(context::text)) FROM noetl.event WHERE execution_id = $loud AND event_type = 'log'") < 150000,
		'which holds');
	is(sql("SELECT string_agg(context ->> 'line' || ' at ' || current_index, '|' ORDER BY current_index) FROM noetl.event"
			  . " WHERE execution_id = $items AND event_type = 'log'"), 'item 1 at 0|item 2 at 1', 'the lines of items');
	is(sql("SELECT count(*) FROM noetl.execution e, noetl.verify(e.execution_id)"), 0, 'the log is consistent');
	$worker->signal('TERM');
	$worker->finish;
	is($worker->result(0), 0, 'the worker ends');
}
my $other = execute_step("tool: python\ncode: result = 1\n");
sql("SELECT * FROM noetl.lease('holder', 1, '60 s', '{python}')");
sql("INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, context)"
	  . " VALUES ($other, 'progress', 'act', 'thief', '{\"message\": \"forged\"}')");
is(sql("SELECT noetl.status($other) #>> '{live,0,progress}'"), '', 'the progress of who holds no lease is not shown');
sql("SELECT noetl.cancel($other)");

is(sql("SELECT string_agg(message, '; ') FROM noetl.validate(\$p\$metadata: {name: t, path: t}\nworkflow:\n"
		  . "  - step: act\n    tool: python\n    log: true\n    code: result = 1\n\$p\$) WHERE message ~ 'log'"), '', 'log is a known key');

#
# What the worker says
#
execute_step("tool: shell\ncommand: 'echo \"two words\" >&2; exit 3'\n");
my $lines = drain('--log', 'json', '-v');
my @bad = grep { !/^\{"time":"[^"]+","level":"(info|debug|error)",.*"message":".*\}$/ } split /\n/, $lines;
is(join("\n", @bad), '', '--log json writes objects');
is(sql("SELECT count(*) FROM (SELECT \$l\$$_\$l\$::jsonb) x"), 1, 'which are JSON') foreach (split /\n/, $lines)[0, -1];
like($lines, qr/"execution_id":"\d+","step":"act","visit":1,"message":"shell failed/, 'with execution and step');

my $out;
my $worker = start_worker(\$out, '--once', '-t', 'duckdb');
SKIP:
{
	local $ENV{NOETL_LIBDUCKDB} = '/no/such/library.so';
	$worker = start_worker(\$out, '--once', '-t', 'duckdb');
	$worker->finish;
	is($worker->result(0), 1, 'a type that the machine cannot execute is an error');
	like($out, qr{cannot execute tasks of type "duckdb": .*/no/such/library.so}, 'which says why');
}
execute_step("tool: thumbnail\n") foreach 1 .. 2;
execute_step("tool: http\nurl: http://127.0.0.1:1/\nretry: {max_attempts: 2, initial_delay: 1}\n");
my $drained = drain('-t', 'shell');
like($drained, qr/left for other workers: 1 of type http, 2 of type thumbnail/, '--once says what it leaves');

done_testing();
