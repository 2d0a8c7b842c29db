# The commands at the desk: thin over SQL.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();

# Runs a program with the database; returns its exit code, stdout and stderr.
sub desk
{
	my ($program, @arguments) = @_;
	my ($nothing, $out, $err) = ('', '', '');
	IPC::Run::run([ $program, @arguments, '--connect', $node->connstr('postgres') ], \$nothing, \$out, \$err,
		IPC::Run::timeout(120));
	return ($? >> 8, $out, $err);
}

# Checks what a command of noetl says.
sub says
{
	my ($arguments, $code, $pattern, $name) = @_;
	my ($status, $out, $err) = desk('noetl', @$arguments);
	is($status, $code, "$name: exit code");
	like($code == 0 ? $out : $out . $err, $pattern, $name) or diag($out . $err);
	return $out;
}

says([ 'ps' ], 0, qr/^no execution is running$/, 'ps without executions');
my $id = execute(<<'EOT', '{town: Bergen}');
- step: first
  tool: shell
  command: echo one
  next: second
- step: second
  tool: wait
  signal: go
  timeout: 1 hour
  next: third
- step: third
  tool: shell
  command: "echo {{ second.data.n }}"
EOT
drain();
says([ 'ps' ], 0, qr/^id +path +version +status +age +steps\n$id +worker\/1 +1 +RUNNING +\S+ +second /, 'ps');
says([ 'show', $id ], 0, qr/^$id worker\/1\@1 RUNNING, started .*\nstep .*\nfirst +.*COMPLETED/, 'show');
says([ 'why', $id ], 0, qr/^step .*\nsecond .*go/, 'why');
says([ 'why', $id, '--json' ], 0, qr/^\[\n.*"step": "second"/s, 'why as JSON');
says([ 'signal', $id, 'go', '{"n": 7}' ], 0, qr/^a step goes on$/, 'signal');
drain();
my $out = says([ 'show', $id ], 0, qr/COMPLETED, started .*, ended /, 'show of what has ended');
like($out, qr/^third +1 +COMPLETED +\d+\.\d\d +\d+\.\d\d +\S+$/m, 'with its steps');
says([ 'show', $id, '--json' ], 0, qr/"status": "COMPLETED"/, 'show as JSON');
says([ 'cancel', $id ], 0, qr/^it was over already$/, 'cancel of what is over');
says([ 'signal', $id, 'go', 'nonsense' ], 1, qr/^noetl: ERROR: +invalid input syntax for type json/, 'a value that is no JSON');
says([ 'why', 1 ], 0, qr/There is no execution 1/, 'why of an execution that is not there');
says([ 'show', 1 ], 1, qr/^noetl: /, 'show of one');

my $held = execute_step("tool: shell\ncommand: 'test -e $directory/there'\non_error: hold\n");
drain();
says([ 'why', $held ], 0, qr/held/, 'why of what is held');
append_to_file("$directory/there", '');
says([ 'retry', $held, 'act' ], 0, qr/^1 step\(s\)$/, 'retry');
drain();
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $held"), 'COMPLETED', 'which helps');
my $failed = execute_step("tool: shell\ncommand: 'test -e $directory/later'\n");
drain();
my $shown = says([ 'show', $failed ], 0, qr/FAILED, started .*^error: .*act/ms, 'show of what has failed says why');
unlike($shown, qr/^result: /m, 'and has no result');
my $done = execute("- {step: end, result: {n: 1}}\n");
$shown = says([ 'show', $done ], 0, qr/COMPLETED, started .*^result: \{\n +"n": 1\n\}$/ms, 'show of what has a result');
unlike($shown, qr/^error: /m, 'and no error');
append_to_file("$directory/later", '');
says([ 'redrive', $failed ], 0, qr/^1 step\(s\)$/, 'redrive');
drain();
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $failed"), 'COMPLETED', 'which helps, too');
my $endless = execute_step("tool: shell\ncommand: sleep 98762\n");
says([ 'cancel', $endless ], 0, qr/^cancelled$/, 'cancel');

# an execution that waits for a slot of a limit is not over
append_to_file("$directory/turn.yaml", <<'EOT');
apiVersion: noetl.io/v1
kind: Playbook
path: desk/turn
limits: [{name: desk, concurrency: 1}]
workflow:
- {step: start, tool: shell, command: echo turn, next: end}
- {step: end, result: "{{ start.stdout }}"}
EOT
sql("SELECT noetl.register(pg_read_file('$directory/turn.yaml')), noetl.execute('desk/turn')");
says([ 'run', "$directory/turn.yaml" ], 0, qr/^"turn\\n"$/, 'run of a playbook that has to wait for its turn');

# wrong usage
says($_, 2, qr/^noetl: .*\nTry "noetl --help" for more information\.$/m, "wrong usage: @$_")
  foreach [], ['ps', 1], ['show'], ['show', 'x1'], ['retry', 1, 2, 3], ['dance'], ['signal', 5];
my ($status, $text) = desk('noetl', '--version');
like($text, qr/^noetl \d/, 'the version');
like(`noetl --help`, qr/^noetl - .*\n\nSYNOPSIS\n  noetl COMMAND/, 'the help of noetl');
like(`noetl-worker --help`, qr/^noetl-worker - .*\n\nSYNOPSIS\n  noetl-worker \[OPTION\]/, 'and that of noetl-worker');
($status, $out) = desk('noetl-worker', 'cancel', $endless);
is($out, "it was over already\n", 'noetl-worker knows the commands, too');

#
# test
#
my $playbook = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
path: desk/add
workload: {a: 1, b: 2}
workflow:
- step: start
  next: add
- step: add
  tool: python
  code: result = a + b
  next: end
- step: end
  result: {sum: "{{ add }}"}
tests:
- name: adds
  stubs: {add: 3}
  expect: {status: completed, result: {sum: 3}}
EOT
append_to_file("$directory/good.yaml", $playbook);
append_to_file("$directory/bad.yaml", $playbook . <<'EOT');
- name: subtracts
  stubs: {add: 3}
  expect: {result: {sum: 1}}
EOT
append_to_file("$directory/none.yaml", $playbook =~ s/tests:.*//sr);
append_to_file("$directory/malformed.yaml", "workflow: [");
says([ 'test', "$directory/good.yaml" ], 0, qr{^\S+/good.yaml: ok: adds\n1 passed, 0 failed$}, 'tests that pass');
says([ 'test', "$directory/good.yaml", "$directory/bad.yaml" ], 1,
	qr{good.yaml: ok: adds\n\S+bad.yaml: ok: adds\n\S+bad.yaml: FAILED: subtracts\n    \S.*\b1\b.*\n2 passed, 1 failed$}, 'a test that fails');
$out = says([ 'test', '--json', "$directory/bad.yaml" ], 1, qr/"name":"subtracts","ok":false,"detail":"[^"]/, 'as JSON');
is(sql("SELECT count(*) FROM jsonb_array_elements(\$json\$$out\$json\$)"), 2, 'which can be read');
says([ 'test', "$directory/none.yaml" ], 0, qr/^0 passed, 0 failed$/, 'a playbook without tests');
says([ 'test', "$directory/malformed.yaml", "$directory/good.yaml" ], 1, qr/good.yaml: ok: adds\n1 passed, 0 failed\nnoetl: ERROR: .*\nnoetl: "\S+malformed.yaml" cannot be tested$/s, 'a file that is no playbook');
says([ 'test', "$directory/absent.yaml" ], 1, qr/could not read "\S+absent.yaml": No such file/, 'a file that is not there');
is(sql("SELECT count(*) FROM noetl.catalog WHERE path = 'desk/add'"), 0, 'tests register nothing');
sql('ALTER FUNCTION noetl.test RENAME TO tests_of_playbooks');
says([ 'test', "$directory/good.yaml" ], 1, qr/^noetl: the extension noetl in this database has no function noetl.test\(\)/,
	'test where the extension is older');

done_testing();
