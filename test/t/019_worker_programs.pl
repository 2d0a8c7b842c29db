# Programs and commands of tasks: what they see, in which forms they may be written, where
# they may be read from, and what an error says.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

# A web server: a script, a redirect to it, and a refusal for everything else.
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
  || die "could not listen: $!";
my $base = 'http://127.0.0.1:' . $listener->sockport;
my $server = fork();
die "could not fork: $!" unless defined $server;
if ($server == 0)
{
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		my $text = '';
		while ($text !~ /\r\n\r\n/)
		{
			sysread($client, $text, 65536, length $text) or last;
		}
		my $path = $text =~ /^\S+ (\S+)/ ? $1 : '';
		my $key = $text =~ /^X-Key: (\S+)/mi ? $1 : 'none';
		my ($status, $body) = $path eq '/sql/load.sql' ? ('200 OK', "SELECT '$key' AS key")
		  : $path eq '/sql/moved.sql' ? ("302 Found\r\nLocation: /sql/load.sql", '')
		  : ('409 Conflict', "  the town\x{c3}\x{a9} is full " . 'x' x 1000);
		syswrite($client, "HTTP/1.1 $status\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
			  . length($body) . "\r\n\r\n$body");
		close $client;
	}
	POSIX::_exit(0);
}
END { kill 'KILL', $server if $server; }

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();
my $socket = $node->host;
my $port = $node->port;

# Indents a program below its key.
sub program
{
	my ($code, $keys) = @_;
	$code =~ s/^(?=.)/  /mg;
	return "tool: python\n" . ($keys || '') . "code: |\n$code";
}

#
# What a python program sees
#
my $context = execute(<<'EOT', '{town: Oslo, limit: 3}');
- step: first
  tool: python
  args: {n: 4}
  code: "result = {'n': n + 1, 'status': 'seen'}"
  next: act
- step: act
  tool: python
  args: {own: 1}
  code: |
    def main(context):
        first = context["first"]
        return [context["workload"]["limit"], context["town"], first["n"], first.get("data")["n"],
                first.get("none", 0), context["results"]["first"]["n"], context["own"],
                context.get("act"), type(context["execution_id"]).__name__]
  next: other
- step: other
  tool: python
  args: {own: 1, context: mine}
  code: |
    def main(own, context):
        return [own, context]
  next: global
- step: global
  tool: python
  args: {own: 2}
  code: |
    def main(own, **more):
        return [context["act"][3], own, more]
  next: keyword
- step: keyword
  tool: python
  code: |
    def main(**more):
        return more["context"]["workload"]["town"]
  next: items
- step: items
  tool: iterator
  collection: [7, 8]
  element: x
  mode: async
  task: {tool: {kind: python, code: "def main(context, x):\n    return [x, context['x'], context['first']['n']]"}}
  next: spread
- step: spread
  tool: iterator
  collection: [7, 8]
  element: x
  mode: distributed
  task: {tool: python, code: "def main(context):\n    return [context['x'], context['first']['n']]"}
  next: plain
- step: plain
  tool: python
  args: {a: 1}
  code: |
    def main(**everything):
        return everything
EOT
my $queued = execute_step("tool: python\nargs: {a: 1}\ncode: result = a\n", '{big: 1}');

#
# The forms of a program
#
my %form = (
	assigns => execute_step(program("n = n + 1\nresult = n\n", "args: {n: 1}\n")),
	returns => execute_step(program(<<'EOT', "args: {n: 1, limit: 5}\n")),
import math
n = n + 1
def double(x):
    return x * 2
if n > limit:
    return "over"
return double(n) + math.floor(2.5) + json.loads("1")
EOT
	bare => execute_step(program("result = n\nif n == 1:\n    return\nresult = 0\n", "args: {n: 1}\n")),
	falls => execute_step(program("def main(n):\n    return n + 6\nif n == 2:\n    return 0\n", "args: {n: 1}\n")),
	prints => execute_step(program("print('told')\n")),
	endless => execute_step(program("print('y' * 5000)\n")),
	leaves => execute_step(program("import sys\nsys.exit(0)\n")),
	run => execute_step(program("import os\ndef run():\n    return 1\n")),
	nothing => execute_step(program("x = 1\n")),
	started => execute_step(program("def go():\n    return 1\nif __name__ == '__main__':\n    result = go()\n")),
	yields => execute_step(program("async def main():\n    yield 1\n    yield 2\n")),
	nul => execute_step(program("result = {'a': ['x\\0y']}\n")),
	closes => execute(<<'EOT'),
- {step: out, tool: python, code: "import os\nos.close(1)\nresult = 1", next: err}
- {step: err, tool: python, code: "import os\nprint('heard after 1')\nos.close(2)\nresult = 2", next: both}
- {step: both, tool: python, code: "import sys\nprint('heard after 2', file=sys.stderr)\nresult = 3"}
EOT
	missing => execute_step(program("def main(a, context):\n    return a\n", "args: {b: 1}\n")));

#
# What an error says
#
my %fails = (
	python => execute_step(program("import json\ndef main(n):\n    return half(n)\n\ndef half(n):\n    return json.loads('{' + str(n))\n", "args: {n: 1}\n")),
	body => execute_step(program("x = 1\nif x:\n    return x / 0\n")),
	syntax => execute_step(program("x = 1\ny = = 2\n")),
	shell => execute_step(<<'EOT'),
tool: shell
retry: {max_attempts: 2, initial_delay: 0.01, jitter: false}
command: |
  echo unseen
  printf 'first\nno such town \351\n' >&2
  exit 3
EOT
	long => execute_step("tool: shell\ncommand: \"i=0; while [ \$i -lt 300 ]; do echo line \$i >&2; i=\$((i+1)); done; exit 1\"\n"),
	quiet => execute_step("tool: shell\ncommand: exit 4\n"),
	stdout => execute_step("tool: shell\ncommands: [echo all is well, 'echo the cause; exit 5']\n"),
	dies => execute_step(program("import os, sys\ndef main():\n    print('no memory', file=sys.stderr)\n    print(' ', file=sys.stderr, flush=True)\n    os._exit(3)\n")),
	nuls => execute_step("tool: shell\ncommand: printf 'a\\0b'\n"),
	http => execute_step("tool: http\nmethod: put\nurl: $base/town?q=1\npayload: x\n"),
	refused => execute_step("tool: http\nurl: http://user:secret\@127.0.0.1:1/none\n"),
	postgres => execute_step(<<'EOT'),
tool: postgres
command: |
  SELECT 'é';
  SELECT nme
    FROM (SELECT 1 AS name) t
EOT
	detail => execute_step("tool: postgres\ncommand: \"CREATE TEMP TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1), (1)\"\n"));

my $log = drain();
is(ended($context), 'execution_complete', 'programs that use context');
my @of = ($context, 'result', 'action_completed');
is(result_of(@of, 'act'), '[3, "Oslo", 5, 5, 0, 5, 1, null, "str"]', 'a parameter called context has the workload, steps and the input');
is(result_of(@of, 'other'), '[1, "mine"]', 'unless the input has that name');
is(result_of(@of, 'global'), '[5, 2, {}]', 'so has a global name');
is(result_of(@of, 'keyword'), '"Oslo"', 'and a keyword that the program asks for');
is(result_of($context, "result -> 'data'", 'action_completed', 'items'), '[[7, 7, 5], [8, 8, 5]]', 'in items of an iterator');
is(sql("SELECT string_agg(result::text, ' ' ORDER BY current_index) FROM noetl.event WHERE execution_id = $context AND node_name = 'spread' AND event_type = 'action_completed'"),
	'[7, 5] [8, 5]', 'also of a distributed one');
is(result_of(@of, 'plain'), '{"a": 1}', 'other programs get their input only');

is(result_of($form{assigns}, 'result'), '2', 'a program that assigns result');
is(result_of($form{returns}, 'result'), '7', 'a program that ends in return');
is(result_of($form{bare}, 'result'), '1', 'return without a value: the variable result');
is(result_of($form{falls}, 'result'), '7', 'a return that is not reached: main is called');
is(result_of($form{prints}, 'result'), 'null', 'a program that only does something');
is(join(' ', map { length } $log =~ /$form{endless}\/act#1 \| (y+)$/mg), '2000 2000 1000', 'whose lines are long, which are logged in parts');
is(result_of($form{leaves}, 'result'), 'null', 'or exits');
is(result_of($form{closes}, 'result', 'action_completed', 'both'), '3', 'programs that close what they print to');
like($log, qr/heard after $_$/m, 'what the next one prints is heard') foreach 1, 2;
my $no_result = 'RuntimeError: the program gives no result: ';
is(result_of($form{run}, 'error', 'action_error'), $no_result . 'nothing calls its function run(); a function that is to be called is named main',
	'a function that nobody calls');
is(result_of($form{started}, 'error', 'action_error'), $no_result . 'nothing calls its function go(); a function that is to be called is named main',
	'a program that wants to be started as __main__');
is(result_of($form{yields}, 'result'), '[1, 2]', 'an asynchronous generator');
is(result_of($form{nothing}, 'error', 'action_error'), $no_result . 'it has no function main, assigns no variable result and returns nothing',
	'a program that gives nothing');
is(result_of($form{nul}, 'error', 'action_error'), 'ValueError: the result has a text with a NUL character, which cannot be stored', 'NUL in a result');
like(result_of($form{missing}, 'error', 'action_error'), qr/^TypeError: main\(\) is missing the input 'a'/, 'context is no reason to get the whole input');

like(result_of($fails{python}, 'error', 'action_error'), qr/^JSONDecodeError: .* \(line 6, in half\)$/, 'python: the line of the program, not of a library');
like(result_of($fails{python}, "result ->> 'traceback'", 'action_error'), qr/line 3, in main\n.*line 6, in half\n/s, 'beside the whole traceback');
is(result_of($fails{body}, 'error', 'action_error'), 'ZeroDivisionError: division by zero (line 3)', 'the line of a program with return');
like(result_of($fails{syntax}, 'error', 'action_error'), qr/^SyntaxError: invalid syntax \(<step act>, line 2\)$/, 'of an error of syntax');
is(result_of($fails{shell}, 'error', 'action_error'), "command exited with code 3: first\nno such town ?", 'shell: the end of stderr');
like(result_of($fails{long}, 'error', 'action_error'), qr/^command exited with code 1: …\S* .*line 299$/s, 'of much of it');
cmp_ok(length result_of($fails{long}, 'error', 'action_error'), '<', 500, 'not all');
is(result_of($fails{quiet}, 'error', 'action_error'), 'command exited with code 4', 'nothing, if there is none');
is(result_of($fails{stdout}, 'error', 'action_error'), 'command 2 exited with code 5: the cause', 'what the command wrote to stdout, if it wrote nothing else');
is(result_of($fails{dies}, 'error', 'action_error'), 'the python process exited with code 3: no memory', 'python: the last line of an interpreter that dies');
like(result_of($fails{nuls}, 'error', 'action_error'), qr/^the output has a NUL character/, 'NUL in the output of a command');
like(result_of($fails{http}, 'error', 'action_error'), qr/^HTTP 409 Conflict: PUT \Q$base\E\/town\?q=1: the town\xc3\xa9 is full x+…$/,
	'http: method, URL and the beginning of the body');
cmp_ok(length result_of($fails{http}, 'error', 'action_error'), '<', 600, 'not all of it');
like(result_of($fails{refused}, 'error', 'action_error'), qr{: GET http://127\.0\.0\.1:1/none$}, 'the URL of a server that is away, without the password');
is(result_of($fails{postgres}, 'error', 'action_error'),
	'column "nme" does not exist (SQLSTATE 42703, command_1, line 2, at character 20); hint: Perhaps you meant to reference the column "t.name".',
	'postgres: the place and the hint');
is(result_of($fails{detail}, 'error', 'action_error'),
	'duplicate key value violates unique constraint "t_pkey" (SQLSTATE 23505, command_1); detail: Key (i)=(1) already exists.',
	'and the detail');
is(sql("SELECT error FROM noetl.execution WHERE execution_id = $fails{body}"),
	'execution failed at step act: ZeroDivisionError: division by zero (line 3)', 'the execution says it, too');
like($log, qr{$fails{shell}/act#1 shell failed \d+ ms, attempt 1: command exited with code 3: first no such town \?$}m, 'the log has it');
like($log, qr{$fails{shell}/act#1 shell failed \d+ ms, attempt 2: }m, 'with the attempt');
like($log, qr{$queued/act#1 python ok \d+ ms$}m, 'the first one is not worth a word when all is well');

#
# Settings among the input, and scripts
#
mkdir "$directory/sql";
append_to_file("$directory/sql/load.sql", "SELECT 7 AS n;\nSELECT '{{ town }}' AS raw");
append_to_file("$directory/secret.sql", 'SELECT 1');
symlink("$directory/secret.sql", "$directory/sql/link.sql");
POSIX::mkfifo("$directory/sql/pipe.sql", 0600);
my $connection = "db_host: $socket, db_port: $port, db_name: template1, db_user: \"" . sql('SELECT current_user') . '"';
my %sql = (
	with => execute_step("tool: postgres\nwith: {commands: \"SELECT {{ n }} AS n\"}\n", '{n: 5}'),
	data => execute("- step: start\n  next: [{step: act, data: {command: SELECT 1}}]\n- {step: act, tool: postgres}\n"),
	own_data => execute_step("tool: postgres\ndata: {command: SELECT 1}\n"),
	changes => execute_step("tool: python\ncode: |\n  import json\n  json.planted = 1\n"),
	beside => execute_step("tool: postgres\ncommand: SELECT '{{ query }}' AS n\ndata: {query: cats}\n"),
	elsewhere => execute_step("tool: postgres\nargs: {$connection}\ncommand: SELECT current_database() AS n\n"),
	under_data => execute_step("tool: postgres\ndata: {$connection, n: 1}\ncommand: SELECT current_database() || {{ n }} AS n\n"),
	stronger => execute("- step: start\n  next: [{step: act, data: {db_name: nowhere}}]\n- {step: act, tool: postgres, data: {$connection}, command: SELECT current_database() AS n}\n"),
	item_data => execute_step("tool: iterator\ncollection: [3]\nelement: x\ntask: {tool: postgres, data: {$connection}, command: \"SELECT current_database() || {{ x }} AS n\"}\n"),
	handed => execute("- step: start\n  next: [{step: act, data: {$connection}}]\n- {step: act, tool: postgres, command: SELECT 1}\n"),
	item => execute_step("tool: iterator\ncollection: [3]\nelement: x\ntask: {tool: postgres, args: {$connection, command: \"SELECT current_database() || {{ x }} AS n\"}}\n"),
	file => execute_step("tool: postgres\nscript: $directory/sql/load.sql\n"),
	map => execute_step("tool: postgres\nscript: {uri: $directory/sql/load.sql, source: {type: file}}\n"),
	above => execute_step("tool: postgres\nscript: $directory/sql/../secret.sql\n"),
	link => execute_step("tool: postgres\nscript: $directory/sql/link.sql\n"),
	pipe => execute_step("tool: postgres\nscript: $directory/sql/pipe.sql\n"),
	absent => execute_step("tool: postgres\nscript: $directory/sql/absent.sql\n"),
	text => execute_step("tool: postgres\nscript: \"{{ workload.text }}\"\n", '{text: "SELECT\n1"}'),
	url => execute_step("tool: postgres\nscript: $base/sql/load.sql\n"),
	headers => execute_step("tool: postgres\nscript: {path: load.sql, source: {type: http, endpoint: \"$base/sql/\", headers: {X-Key: k}}}\n"),
	moved => execute_step("tool: postgres\nscript: $base/sql/moved.sql\n"),
	wrong => execute_step("tool: postgres\nscript: $base/sql/other.sql\n"),
	outside => execute_step("tool: postgres\nscript: $base/sqlx/load.sql\n"),
	climbs => execute_step("tool: postgres\nscript: $base/sql/%2e%2e/load.sql\n"),
	s3 => execute_step("tool: postgres\nscript: {uri: \"s3://bucket/load.sql\"}\n"),
	gcs => execute_step("tool: postgres\nscript: {uri: load.sql, source: {type: gcs, auth: x}}\n"),
	python_s3 => execute_step("tool: python\nscript: s3://bucket/load.py\n"));
drain('--scripts', "$directory/sql/,$base/sql");
my $row = "result #>> '{data,command_0,rows,0,n}'";
is(result_of($sql{with}, $row), '5', 'commands that a step writes as its input');
like(result_of($sql{data}, 'error', 'action_error'), qr/data does not become code/, 'those that arrive as data');
like(result_of($sql{own_data}, 'error', 'action_error'), qr/data does not become code/, 'those under data');
is(result_of($sql{changes}, 'result'), 'null', 'a program that changes something needs no result');
is(result_of($sql{beside}, $row), 'cats', 'a step with a command has no other');
is(result_of($sql{elsewhere}, $row), 'template1', 'a connection that a step writes as its input');
is(result_of($sql{under_data}, $row), 'template11', 'also under data');
is(result_of($sql{stronger}, $row), 'template1', 'what arrives does not change it');
is(result_of($sql{item_data}, "result #>> '{data,0,command_0,rows,0,n}'"), 'template13', 'and inside an iterator');
like(result_of($sql{handed}, 'error', 'action_error'), qr/a connection is not taken from the input/, 'one that arrives as data');
is(result_of($sql{item}, "result #>> '{data,0,command_0,rows,0,n}'"), 'template13', 'the same inside an iterator');
is(result_of($sql{file}, "result #>> '{data,command_1,rows,0,raw}'"), '{{ town }}', 'a script is not rendered');
is(result_of($sql{map}, $row), '7', 'a script that a map names');
like(result_of($sql{$_}, 'error', 'action_error'), qr{^script \S+/secret.sql is not below what --scripts}, "not $_") foreach qw(above link);
like(result_of($sql{pipe}, 'error', 'action_error'), qr/ is no file$/, 'a pipe does not block');
like(result_of($sql{absent}, 'error', 'action_error'), qr/^could not read script .*: No such file or directory$/, 'no file');
like(result_of($sql{text}, 'error', 'action_error'), qr/^script names a file or a URL/, 'text from data is no script');
is(result_of($sql{url}, "result #>> '{data,command_0,rows,0,key}'"), 'none', 'a script from a URL');
is(result_of($sql{headers}, "result #>> '{data,command_0,rows,0,key}'"), 'k', 'with headers');
like(result_of($sql{moved}, 'error', 'action_error'), qr/^could not read the script: HTTP 302/, 'a redirect is not followed');
like(result_of($sql{wrong}, 'error', 'action_error'), qr/^could not read the script: HTTP 409 Conflict: GET \S+: the town/, 'nor is an error SQL');
like(result_of($sql{$_}, 'error', 'action_error'), qr/is not below what --scripts/, "not $_") foreach qw(outside climbs);
is(result_of($sql{s3}, 'error', 'action_error'), 'scripts cannot be read from s3, only from file, http and https', 'other places are refused by name');
is(result_of($sql{gcs}, 'error', 'action_error'), 'scripts cannot be read from gcs, only from file, http and https', 'also in a map');
is(result_of($sql{python_s3}, 'error', 'action_error'), 'ValueError: scripts cannot be read from s3, only from file, http and https', 'and for python');

#
# More playbooks than interpreters
#
my @many = map { execute_step("tool: python\ncode: result = $_\n") } 1 .. 40;
push @many, map { my ($path) = sql("SELECT path FROM noetl.execution WHERE execution_id = $_"); sql("SELECT noetl.execute('$path')") } @many[0 .. 4];
drain();
is(join(' ', map { result_of($_, 'result') } @many), join(' ', 1 .. 40, 1 .. 5), 'each playbook has its own interpreter');

$node->stop;
done_testing();
