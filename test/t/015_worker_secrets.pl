# What belongs to the worker stays with it: passwords, credentials, environment.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $directory = PostgreSQL::Test::Utils::tempdir();
my @servers;
END { kill 'KILL', @servers if @servers; }

# Serves connections, one after the other, with a function of the test.
sub serve
{
	my ($listener, $function) = @_;
	my $pid = fork();
	die "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		while (my $client = $listener->accept)
		{
			$function->($client);
			close $client;
		}
		POSIX::_exit(0);
	}
	push @servers, $pid;
	return $listener->sockport;
}

sub listener
{
	return IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
	  || die "could not listen: $!";
}

# Reads so many bytes.
sub take
{
	my ($client, $size) = @_;
	my $text = '';
	while (length $text < $size)
	{
		sysread($client, $text, $size - length $text, length $text) or return '';
	}
	return $text;
}

# A server that asks for a password and writes down who came with which one.
my $thief = "$directory/passwords";
my $thief_port = serve(listener(), sub {
	my ($client) = @_;
	my $packet;
	while (1)
	{
		my $size = unpack('N', take($client, 4) || return);
		$packet = take($client, $size - 4);
		last if unpack('N', $packet) == 196608;
		syswrite($client, 'N');    # no encryption here
	}
	my %startup = split /\0/, substr($packet, 4);
	syswrite($client, pack('aNN', 'R', 8, 3));
	my $type = take($client, 1);
	my $password = '';
	if ($type eq 'p')
	{
		$password = take($client, unpack('N', take($client, 4)) - 4);
		$password =~ s/\0//;
	}
	append_to_file($thief, "$startup{user}/$password\n");
	my $error = "SFATAL\0C28P01\0Mno entry\0\0";
	syswrite($client, pack('aNa*', 'E', 4 + length $error, $error));
});

# Two web servers: the first redirects to the second.
my $other = listener();
my $web = listener();
my ($web_port, $other_port) = ($web->sockport, $other->sockport);

sub answer_web
{
	my ($client) = @_;
	my $text = '';
	while ($text !~ /\r\n\r\n/)
	{
		sysread($client, $text, 65536, length $text) or return;
	}
	my ($path) = $text =~ /^\S+ (\S+)/;
	my $location =
	    $path =~ m{^/away} ? "http://127.0.0.1:$other_port/seen"
	  : $path =~ m{^/named} ? "http://user:planted-location\@127.0.0.1:$other_port/seen"
	  : $path =~ m{^/here} ? '/seen'
	  : undef;
	my @headers = map { $text =~ /^(\Q$_\E: *.*?)\r$/mi ? lc $1 : () } qw(authorization x-api-key x-own x-one cookie);
	my $body = '[' . join(', ', map { "\"$_\"" } @headers) . ']';
	syswrite($client, (defined $location ? "HTTP/1.1 302 Found\r\nLocation: $location\r\n" : "HTTP/1.1 200 OK\r\n")
		  . "Content-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
}
serve($web, \&answer_web);
serve($other, \&answer_web);

my $node = start_broker();
$node->safe_psql('postgres', 'CREATE TABLE here (i int)');

#
# Databases
#
$ENV{PGPASSWORD} = 'planted-password';
$ENV{NOETL_AUTH_OWN} = $node->connstr('postgres');
$ENV{NOETL_AUTH_FAR} = "host=127.0.0.1 port=$thief_port user=far dbname=x";
$ENV{NOETL_AUTH_BROKEN} = 'nonsense planted-broken';
my $far = "db_host: 127.0.0.1, db_port: $thief_port, db_name: x, db_user: named";
my $insert = "tool: postgres\ncommand: INSERT INTO here VALUES (1)\n";
my %job = (
	host => execute_step("${insert}auth: {$far}\n"),
	no_user => execute_step("${insert}auth: {db_host: 127.0.0.1, db_port: $thief_port, db_name: x}\n"),
	uri => execute_step("${insert}auth: {dsn: 'postgresql://127.0.0.1:$thief_port/x?user=uri'}\n"),
	own_password => execute_step("${insert}auth: {$far, db_password: of-the-playbook}\n"),
	far => execute_step("${insert}auth: far\n"),
	input => execute_step("${insert}data: {$far}\n"),
	arrives => execute("- step: start\n  next: [{step: act, data: {$far}}]\n- {step: act, tool: postgres, command: INSERT INTO here VALUES (1)}\n"),
	no_host => execute_step("${insert}auth: {db_name: postgres}\n"),
	passfile => execute_step("${insert}auth: {dsn: 'host=127.0.0.1 port=$thief_port passfile=/etc/passwd'}\n"),
	service => execute_step("${insert}auth: {dsn: 'service=prod host=127.0.0.1'}\n"),
	unknown => execute_step("${insert}auth: nobody\n"),
	empty => execute_step("${insert}auth: '{{ workload.nothing }}'\n", '{nothing: null}'),
	blank => execute_step("${insert}auth: '{{ workload.something }}y'\n", '{something: x}'),
	both => execute_step("${insert}auth: {type: postgres, key: own, db_host: 127.0.0.1}\n"),
	broken => execute_step("${insert}auth: broken\n"),
	sql => execute_step("tool: postgres\ndata: {command: INSERT INTO here VALUES (2)}\n"));
drain();
delete $ENV{PGPASSWORD};
my $user = getpwuid($<);
is(join('', sort split /^/, slurp_file($thief)), join('', sort "far/\n", "named/\n", "named/\n", "named/of-the-playbook\n", "uri/\n", "$user/\n"),
	'no password of the worker reaches a host that a playbook or a credential names');
is(sql('SELECT count(*) FROM here'), '0', 'nothing is done in the broker\'s database instead');
like(result_of($job{arrives}, 'error', 'action_error'), qr/^a connection is not taken from the input of a task/, 'no connection from data that arrives');
like(result_of($job{no_host}, 'error', 'action_error'), qr/names no host/, 'a connection of a playbook names its host');
like(result_of($job{passfile}, 'error', 'action_error'), qr/must not set passfile/, 'and no file of the worker');
like(result_of($job{service}, 'error', 'action_error'), qr/must not set service/, 'and no service');
like(result_of($job{unknown}, 'error', 'action_error'), qr/^credential "nobody" is not known here/, 'an unknown credential');
like(result_of($job{empty}, 'error', 'action_error'), qr/names no credential/, 'a credential without a name');
like(result_of($job{blank}, 'error', 'action_error'), qr/^credential "xy" is not known here/, 'a name from data');
like(result_of($job{both}, 'error', 'action_error'), qr/must not give parts/, 'a credential keeps its host');
like(result_of($job{broken}, 'error', 'action_error'), qr/credential "broken" is not a connection string/, 'a malformed credential');
like(result_of($job{sql}, 'error', 'action_error'), qr/data does not become code/, 'no SQL from data');

#
# Web servers
#
my $base = "http://127.0.0.1:$web_port";
$ENV{NOETL_AUTH_BOUND} = qq({"type": "bearer", "token": "planted-bearer", "hosts": "127.0.0.1:$web_port"});
$ENV{NOETL_AUTH_ELSEWHERE} = '{"type": "bearer", "token": "planted-elsewhere", "hosts": "example.org *.example.org https://127.0.0.1"}';
$ENV{NOETL_AUTH_UNBOUND} = '{"type": "bearer", "token": "planted-unbound"}';
$ENV{NOETL_AUTH_MAP} = qq({"type": "header", "X-One": "planted-one", "hosts": "*"});
$ENV{NOETL_AUTH_TOKEN} = 'planted-token';
$ENV{NOETL_AUTH_TOKEN_HOSTS} = "127.0.0.1:$web_port";
$ENV{SOME_TOKEN} = 'planted-variable';
my $own = "headers: {X-Own: mine}\n";
my %web = (
	bearer => execute_step("tool: http\nurl: $base/away\nauth: bound\n$own"),
	key => execute_step("tool: http\nurl: $base/away\nauth: {type: api_key, value: planted-key}\n$own"),
	map => execute_step("tool: http\nurl: $base/away\nauth: map\n$own"),
	cookie => execute_step("tool: http\nurl: $base/away\nheaders: {Cookie: planted-cookie, X-Own: mine}\n"),
	basic => execute_step("tool: http\nurl: http://me:planted-basic\@127.0.0.1:$web_port/away\n$own"),
	here => execute_step("tool: http\nurl: $base/here\nauth: {type: api_key, value: k}\n"),
	here_basic => execute_step("tool: http\nurl: http://me:pw\@127.0.0.1:$web_port/here\n"),
	stays => execute_step("tool: http\nurl: $base/named\nfollow_redirects: false\n"),
	elsewhere => execute_step("tool: http\nurl: $base/seen\nauth: elsewhere\n"),
	unbound => execute_step("tool: http\nurl: $base/seen\nauth: unbound\n"),
	token => execute_step("tool: http\nurl: $base/seen\nauth: {type: bearer, env: NOETL_AUTH_TOKEN}\n"),
	token_away => execute_step("tool: http\nurl: http://127.0.0.1:$other_port/seen\nauth: {type: bearer, env: NOETL_AUTH_TOKEN}\n"),
	variable => execute_step("tool: http\nurl: $base/seen\nauth: {type: bearer, env: SOME_TOKEN}\n"),
	refused => execute_step("tool: http\nurl: http://me:planted-url\@127.0.0.1:1/\n"),
	invalid => execute_step("tool: http\nurl: 'http://me:planted-url\@127.0.0.1:x/'\n"),
	raises => execute_step("tool: python\ncode: |\n  raise ValueError('cannot reach postgresql://me:planted-url' + chr(64) + 'host/x')\n"));
my $log = drain();
my $seen = "result #>> '{data,data}'";
is(result_of($web{$_}, $seen), '["x-own: mine"]', "another host gets no header of auth after a redirect: $_")
  foreach qw(bearer key map cookie basic);
is(result_of($web{here}, $seen), '["x-api-key: k"]', 'the same host does');
is(result_of($web{here_basic}, $seen), '["authorization: basic bwu6chc="]', 'user and password of the url too');
like(result_of($web{elsewhere}, 'error', 'action_error'), qr/^"elsewhere" must not go to the host "127.0.0.1"/, 'a credential goes to its hosts only');
like(result_of($web{unbound}, 'error', 'action_error'), qr/^"unbound" is bound to no host/, 'and needs some');
is(result_of($web{token}, $seen), '["authorization: bearer [redacted]"]', 'a variable with hosts');
like(result_of($web{token_away}, 'error', 'action_error'), qr/must not go to the host/, 'goes to them only');
like(result_of($web{variable}, 'error', 'action_error'), qr/only variables NOETL_AUTH_/, 'other variables cannot be named');
is(result_of($web{refused}, "error ~ '127.0.0.1'", 'action_error'), 't', 'no connection');
is(result_of($web{invalid}, 'error', 'action_error'), 'invalid url "http://127.0.0.1:x/"', 'an invalid url');
is(result_of($web{raises}, 'error', 'action_error'), 'ValueError: cannot reach postgresql://host/x (line 1)', 'an error of a program');
is( sql("SELECT count(*) FROM noetl.event WHERE concat(result, error, stack_trace) ~ 'planted-'
	AND execution_id <> $web{raises}"),
	'0', 'no secret in events');
unlike($log, qr/planted-/, 'nor in the log');

#
# Programs
#
$ENV{PLANTED} = 'planted-environment';
$ENV{PASSED} = 'passed';
$ENV{PGPASSWORD} = 'planted-password';
my $environment = "import os\nresult = {k: v for k, v in os.environ.items() if 'planted' in v or k in ('PASSED', 'OWN')}\n";
$environment =~ s/^/  /mg;
my %program = (
	shell => execute_step("tool: shell\nenv: {OWN: own, HOME: /}\ncommand: 'env | grep -E \"planted|PASSED|OWN|^HOME|^PATH\" | sort | sed \"s/=.*:.*/=.../\"'\n"),
	python => execute_step("tool: python\ncode: |\n$environment"),
	said => execute_step("tool: python\ncode: |\n  raise ValueError('not taken: ' + 'planted-' + 'password')\n"),
	parent => execute_step("tool: shell\ncommand: cat /proc/\$PPID/environ\n"));
drain('--pass-env', 'PASSED,NOT_THERE');
is(result_of($program{shell}, "result #>> '{data,stdout}'"), "HOME=/\nOWN=own\nPASSED=passed\nPATH=...\n", 'what a shell command sees of the environment');
is(result_of($program{python}, 'result'), '{"PASSED": "passed"}', 'and a python program');
is(result_of($program{said}, 'error', 'action_error'), 'ValueError: not taken: [redacted] (line 1)', 'the password of the worker in an error');
SKIP:
{
	skip 'root reads everything', 1 if $< == 0;
	like(result_of($program{parent}, "result #>> '{data,stderr}'", 'action_error'), qr/denied/, 'it cannot read that of the worker');
}
delete @ENV{qw(PGPASSWORD PLANTED)};

# A program changes the interpreter.
my $spy = "$directory/spy";
sql("SELECT noetl.register(\$p\$apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: t, path: worker/patch}
workflow:
  - step: act
    tool: python
    code: |
      import json, builtins
      loads = json.loads
      def spy(text, *args, **kw):
          with open('$spy', 'ab') as f:
              f.write(text if isinstance(text, bytes) else text.encode())
          return loads(text, *args, **kw)
      json.loads = spy
      builtins.planted = True
    next: again
  - step: again
    tool: python
    code: 'result = \"planted\" in dir(__builtins__) or hasattr(__import__(\"builtins\"), \"planted\")'
\$p\$)");
my $patches = sql("SELECT noetl.execute('worker/patch')");
my @victims = map { execute_step("tool: python\nargs: {secret: planted-input-$_}\ncode: 'result = hasattr(__import__(\"builtins\"), \"planted\")'\n") } 1 .. 10;
drain();
is(result_of($patches, 'result', 'action_completed', 'again'), 'true', 'steps of a playbook share an interpreter');
is(join(',', map { result_of($_, 'result') } @victims), join(',', ('false') x 10), 'other playbooks do not');
unlike(-e $spy ? slurp_file($spy) : '', qr/planted-input/, 'and their input is not seen');

# Text from data is not code.
append_to_file("$directory/program.py", "result = 'from a file'\n");
mkdir "$directory/allowed";
append_to_file("$directory/allowed/program.py", "result = 'allowed'\n");
symlink("$directory/program.py", "$directory/allowed/link.py");
my %script = (
	text => execute_step("tool: python\nscript: \"{{ workload.text }}\"\n", '{text: "import os\nresult = 1\n"}'),
	map { $_ => execute_step("tool: python\nscript: $directory/$_\n") } qw(program.py allowed/program.py allowed/link.py allowed/../program.py));
drain('--scripts', "$directory/allowed,http://127.0.0.1:1/x");
like(result_of($script{text}, 'error', 'action_error'), qr/write program text under code/, 'a script from data');
is(result_of($script{'allowed/program.py'}, 'result'), '"allowed"', 'a script where --scripts allows it');
like(result_of($script{$_}, 'error', 'action_error'), qr/^PermissionError: script .* is not below/, "not $_")
  foreach qw(program.py allowed/link.py allowed/../program.py);

#
# The worker's own trouble
#
my $count = "SELECT count(*) = %d FROM noetl.event WHERE event_type = 'execution_complete'";
my $done = sql("SELECT count(*) FROM noetl.event WHERE event_type = 'execution_complete'");
copy_python("$directory/python");
my $worker = start_worker(\$log, '--python', "$directory/python", '--statement-timeout', '10');
my $simple = "tool: python\ncode: result = 1\n";
execute_step($simple);
ok(wait_for(sprintf($count, ++$done)), 'a worker works');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'noetl-worker%'");
execute_step($simple);
ok(wait_for(sprintf($count, ++$done)), 'it survives the end of its session');
sql('ALTER FUNCTION noetl.lease(text, integer, interval, text[]) RENAME TO lost');
execute_step($simple);
ok(pump_until_log($worker, \$log, qr/could not lease/), 'an error of a lease is told');
sql('ALTER FUNCTION noetl.lost(text, integer, interval, text[]) RENAME TO lease');
ok(wait_for(sprintf($count, ++$done)), 'and is no reason to exit');
unlink "$directory/python";
execute_step($simple);
ok(wait_for(sprintf($count, ++$done)), 'an interpreter that was started early does a task');
my $kept = execute_step("tool: python\ncode: result = 2\n");
ok(pump_until_log($worker, \$log, qr/cannot be executed here now/), 'the interpreter has vanished');
copy_python("$directory/python");
ok(wait_for(sprintf($count, ++$done)), 'the task is executed when it is back');
is(events_of($kept, undef), 'action_completed', 'it has not failed');
my ($nothing, $output) = ('', '');
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
	'BEGIN; LOCK noetl.queue IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(18)' ], \$nothing, '>', \$output, '2>', \$output);
ok(pump_until_log($worker, \$log, qr/statement timeout/), 'its own statements have a limit');
$holder->finish;
execute_step($simple);
ok(wait_for(sprintf($count, ++$done)), 'after which it goes on');
$worker->signal('TERM');
$worker->finish;
is($worker->full_result(0), 0, 'it has never exited');

# A python that can be taken away.
sub copy_python
{
	my ($path) = @_;
	append_to_file($path, "#!/bin/sh\nexec python3 \"\$@\"\n");
	chmod 0755, $path;
}

# Waits until the log of a worker has something.
sub pump_until_log
{
	my ($w, $text, $pattern, $seconds) = @_;
	my $until = time + ($seconds || 60);
	while ($$text !~ $pattern && time < $until)
	{
		$w->pump_nb;
		sleep 0.05;
	}
	return $$text =~ $pattern;
}

$node->stop;
done_testing();
