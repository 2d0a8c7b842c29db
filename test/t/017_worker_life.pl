# The life of a worker: its start, its options, its end; and its commands.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Select;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $slow = "tool: shell\ncommand: sleep 98765\n";
my $started = "SELECT count(*) = %d FROM noetl.event WHERE event_type = 'action_started' AND execution_id = %s";

#
# systemd
#
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$directory/notify") or die "no socket: $!";
my $states = '';

# Waits until the worker has told systemd something.
sub notified
{
	my ($pattern) = @_;
	my $until = time + 30;
	my $select = IO::Select->new($socket);
	while ($states !~ $pattern && time < $until)
	{
		next unless $select->can_read(0.2);
		$socket->recv(my $state, 4096);
		$states .= "$state\n";
	}
	return $states =~ $pattern;
}

append_to_file("$directory/worker.conf", <<"EOT");
# options of a worker
connect = ${\ $node->connstr('postgres')}
types   = shell,python
lease 30
name = from-the-file
verbose = no
EOT
my $log;
my ($nothing, $worker) = ('');
{
	local $ENV{NOTIFY_SOCKET} = "$directory/notify";
	local $ENV{WATCHDOG_USEC} = 400_000;
	$log = '';
	$worker = IPC::Run::start([ 'noetl-worker', '--config', "$directory/worker.conf", '--name', 'from-the-line' ],
		\$nothing, '>', \$log, '2>', \$log, IPC::Run::timeout(180));
}
ok(notified(qr/^READY=1$/m), 'systemd hears that it is ready');
ok(has_said($worker, \$log, qr/worker from-the-line executes \{shell,python\}/), 'options of a file, over which the command line wins');
$states = '';
ok(notified(qr/^WATCHDOG=1$/m), 'it answers the watchdog');
my $seen = execute_step("tool: shell\ncommand: 'env | grep -c NOTIFY'\n");
ok(wait_for("SELECT status <> 'RUNNING' FROM noetl.execution WHERE execution_id = $seen"), 'a task ends');
is(result_of($seen, "result #>> '{data,stdout}'", 'action_error'), "0\n", 'which does not see the socket');
append_to_file("$directory/worker.conf", "verbose = yes\nlease = 4\n");
$states = '';
$worker->signal('HUP');
ok(notified(qr/^RELOADING=1\n.*^READY=1\n/ms), 'SIGHUP reads the file again');
ok(has_said($worker, \$log, qr/read .* again/), 'it says so');
my $long = execute_step($slow);
ok(wait_for(sprintf($started, 1, $long)), 'a task runs');
is(sql("SELECT lease_until < now() + interval '5 s' FROM noetl.queue WHERE execution_id = $long"), 't', 'with the new lease');
append_to_file("$directory/worker.conf", "lease = long\n");
$worker->signal('HUP');
sql("SELECT noetl.cancel($long, 'enough')");
ok(has_said($worker, \$log, qr/worker.conf:9: --lease must be a number/), 'a wrong option is told');
$states = '';
$worker->signal('TERM');
ok(notified(qr/^STOPPING=1$/m), 'systemd hears of the end');
$worker->finish;
is($worker->full_result(0), 0, 'which is a good one');
command_fails_like([ 'noetl-worker', '--config', "$directory/worker.conf" ], qr/worker.conf:9: /, 'a wrong file is refused at the start');
command_fails_like([ 'noetl-worker', '--config', "$directory/none" ], qr/could not open/, 'and one that is not there');

#
# The end
#
$long = execute_step($slow);
$worker = start_worker(\$log, '--grace', '600');
ok(wait_for(sprintf($started, 1, $long)), 'a task runs');
$worker->signal('TERM');
ok(has_said($worker, \$log, qr/stopping/), 'the first signal waits for it');
my $begin = time;
$worker->signal('TERM');
$worker->finish;
is($worker->full_result(0), 0, 'the second one does not');
cmp_ok(time - $begin, '<', 30, 'but ends the worker');
is(sql("SELECT status || attempts FROM noetl.queue WHERE execution_id = $long"), 'queued0', 'the task is given back');

# No other process of the machine sleeps for so long.
my $sleep = 100_000_000 + $$;

# The process ids of what a task has started, by their command line.
sub sleepers
{
	my ($seconds) = @_;
	my $text = `ps -eo pid,args`;
	return grep { $_ != $$ } $text =~ /^\s*(\d+) sleep $seconds$/mg;
}
sql("SELECT noetl.cancel($long)");
my $tree = execute_step("tool: shell\ncommand: '(sleep $sleep & sleep $sleep) & sleep $sleep'\n");
my $items = execute_step(<<"EOT");
type: iterator
mode: async
collection: [1, 2]
element: n
task: {tool: shell, command: '(sleep $sleep &) ; sleep $sleep'}
EOT
my @two = (start_worker(\my $log1), start_worker(\my $log2));
my $until = time + 60;
sleep 0.1 while sleepers($sleep) < 7 && time < $until;
is(scalar(sleepers($sleep)), 7, 'tasks have started processes');
$_->signal('KILL') foreach @two;
$_->finish foreach @two;
$until = time + 20;
sleep 0.1 while sleepers($sleep) > 0 && time < $until;
is(scalar(sleepers($sleep)), 0, 'which do not outlive workers that were killed');
sql("SELECT noetl.cancel($_)") foreach $tree, $items;

#
# The start
#
$node->stop;
{
	local $ENV{NOTIFY_SOCKET} = "$directory/notify";
	$states = '';
	$worker = start_worker(\$log, '--once');
}
ok(has_said($worker, \$log, qr/waiting for the server/), 'a worker waits for its server');
ok(notified(qr/^STATUS=Waiting for the server$/m), 'and tells systemd');
$node->start;
$worker->finish;
is($worker->full_result(0), 0, 'and works when it is there');
command_fails_like([ 'noetl-worker', '--connect', $node->connstr('nowhere') ],
	qr/could not connect to the broker: .*database "nowhere" does not exist/, 'it does not wait for one that refuses it');

$node->safe_psql('postgres', 'CREATE DATABASE bare');
command_fails_like([ 'noetl-worker', '--connect', $node->connstr('bare') ],
	qr/could not lease: .*is the extension noetl installed in this database\?/s, 'and asks whether the extension is there');

#
# Commands
#
my $good = "$directory/good.yaml";
my $bad = "$directory/bad.yaml";
append_to_file($good, <<'EOT');
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: desk, path: desk/good}
workload: {n: 1, name: none}
workflow:
- step: add
  tool: python
  args: {n: "{{ n }}"}
  code: |
    def main(n):
        return n + 1
  next: end
- step: end
  result: {sum: "{{ add }}", name: "{{ name }}"}
EOT
append_to_file($bad, slurp_file($good) =~ s/next: end/next: edn/r =~ s{desk/good}{desk/bad}r);

# Runs a command; returns exit code, stdout, stderr.
sub desk
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'noetl-worker', '--connect', $node->connstr('postgres'), @_ ], \$nothing, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}
my ($code, $out, $err) = desk('run', $good, '--set', 'n=41', '--set', 'name=a "b"');
is("$code $out", qq(0 {\n    "sum": 42,\n    "name": "a \\"b\\""\n}\n), 'run a file');
like($err, qr/^execution \d+\n.*^ +[\d.]+ s  completed add$/ms, 'and see its steps');
($code, $out, $err) = desk('run', 'desk/good', '--quiet');
is("$code $out$err", qq(0 {\n    "sum": 2,\n    "name": "none"\n}\n), 'run a path, quietly');
($code, $out, $err) = desk('run', $good, '--set', 'n=many');
is($code, 1, 'an execution that fails');
like($err, qr/TypeError/, 'says why');
($code, $out, $err) = desk('run', 'desk/none');
is($code, 1, 'a path that is not registered');
like($err, qr/playbook "desk\/none" is not registered/, 'is named');
($code, $out, $err) = desk('validate', $good);
is("$code$out$err", '0', 'a valid file');
($code, $out, $err) = desk('validate', $good, $bad);
is($code, 1, 'an error in a file');
like($out, qr/^\Q$bad\E:12:\d+: error: step "edn" does not exist .*\n    hint: Did you mean "end"\?\n$/, 'with its place');
($code, $out, $err) = desk('validate', '--json', $bad);
is(sql("SELECT j ->> 'severity' || (j ->> 'line') || (j ->> 'file') FROM jsonb_array_elements(\$j\$$out\$j\$) j"), "error12$bad", 'as JSON');
my $odd = "$directory/odd.yaml";
my $malformed = "$directory/malformed.yaml";
append_to_file($odd, "workflow:\n- {step: start, code: \"\xc3\xa9\", nextt: 1}\n");
append_to_file($malformed, 'workflow: [');
($code, $out, $err) = desk('validate', '--json', $odd, $malformed, $good);
is($code, 1, 'several files');
is($out, qq{[{"file":"$odd","severity":"error","line":null,"col":null,"path":"","message":"the playbook has no path","hint":"Add metadata.path, or pass the path to noetl.register()."},
 {"file":"$odd","severity":"warning","line":1,"col":1,"path":"","message":"apiVersion is missing","hint":"Add: apiVersion: noetl.io/v1"},
 {"file":"$odd","severity":"warning","line":1,"col":1,"path":"","message":"kind is missing","hint":"Add: kind: Playbook"},
 {"file":"$odd","severity":"warning","line":2,"col":17,"path":"workflow[0].code","message":"step \\"start\\" has \\"code\\" but no type, so nothing is executed","hint":"Add a type (python, http, postgres ...)."},
 {"file":"$odd","severity":"warning","line":2,"col":28,"path":"workflow[0].nextt","message":"unknown key \\"nextt\\"","hint":"Did you mean \\"next\\"?"},
 {"file":"$malformed","severity":"error","line":2,"col":1,"path":"","message":"did not find expected node content"}]
}, 'what language servers read is stable, to the letter');
($code, $out, $err) = desk('validate', '--json', $good);
is("$code$out", "0[]\n", 'nothing is an empty array');
($code, $out, $err) = desk('validate', "$directory/none.yaml");
is($code, 1, 'a file that is not there');
like($err, qr/could not read/, 'is named');
is((desk('run'))[0], 2, 'a command without its argument');
is((desk('walk'))[0], 2, 'an unknown command');

$node->stop;
done_testing();
