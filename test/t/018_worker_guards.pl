# What a worker does where little goes as usual: answers of web servers, large requests, an
# interpreter that does not start, the process that watches over the worker.
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

my $directory = PostgreSQL::Test::Utils::tempdir_short();

# Web servers: one whose answers are written here, and one with a certificate of its own.
my %answer = (
	bare => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]",
	alike => "HTTP/1.1 200 OK\r\nX-One-More: b\r\nX-One: a\r\nX-One: c\r\nContent-Length: 0\r\n\r\n",
	nameless => "HTTP/1.1 200 OK\r\n: nobody\r\nX-One: a\r\nContent-Length: 0\r\n\r\n");
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
  || die "could not listen: $!";
my $base = 'http://127.0.0.1:' . $listener->sockport;
my $server = fork();
die "could not fork: $!" unless defined $server;
if ($server == 0)
{
	$SIG{PIPE} = 'IGNORE';
	$SIG{CHLD} = 'IGNORE';
	for (my $number = 1; my $client = $listener->accept; $number++)
	{
		next if fork();
		my $text = '';
		while (sysread($client, $text, 65536, length $text))
		{
			my $said = $text =~ /^Authorization: ([^\r]*)/mi ? $1 : $number;
			next unless $text =~ s{^\S+ /(\w+).*\r\n\r\n}{}s;
			syswrite($client, $answer{$1} // "HTTP/1.1 200 OK\r\nContent-Length: " . length($said) . "\r\n\r\n$said");
		}
		append_to_file("$directory/closed", "$number\n");
		POSIX::_exit(0);
	}
	POSIX::_exit(0);
}
my $secure;
END { kill 'KILL', grep { $_ } $server, $secure && $secure->pumpable ? $secure->{KIDS}[0]{PID} : undef; }

my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $secure_port = $free->sockport;
close $free;
my ($nothing, $said) = ('', '');
my $has_openssl = IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout), "$directory/key", '-out', "$directory/certificate" ], '<', \$nothing, '>&', \$said);
$secure = IPC::Run::start([ qw(openssl s_server -www -quiet -accept), $secure_port, '-key', "$directory/key", '-cert', "$directory/certificate" ], '<', \$nothing, '>&', \$said, IPC::Run::timeout(180)) if $has_openssl;

my $node = start_broker();
my $target = $node->connstr('postgres') . ' password=planted-word';
@ENV{qw(NOETL_AUTH_SENT NOETL_AUTH_SENT_HOSTS)} = ('planted-token', '127.0.0.1');
$ENV{NOETL_AUTH_HOSTLESS} = 'dbname=postgres';
mkdir "$directory/credentials", 0700;
keep("$directory/credentials/hostless", "nonsense\n", 0600);
my %job = (
	(map { $_ => execute_step("tool: http\nurl: $base/$_\n") } keys %answer),
	verified => execute_step("tool: http\nurl: https://localhost:$secure_port/\n"),
	unverified => execute_step("tool: http\nurl: https://localhost:$secure_port/\nverify: false\n"),
	(map { ("again$_" => execute_step("tool: http\nurl: $base/number\n")) } 1 .. 2),
	(map { ("own$_" => execute_step("tool: postgres\ncommand: SHOW work_mem\n")) } 1 .. 2),
	same => execute_step("tool: postgres\nauth: {dsn: \"$target\"}\ncommand: SHOW work_mem\n"),
	hostless => execute_step("tool: postgres\nauth: hostless\ncommand: SHOW work_mem\n"),
	sent => execute_step("tool: http\nurl: $base/secret\nauth: {type: bearer, env: NOETL_AUTH_SENT}\n"),
	said => execute_step("tool: shell\ncommand: echo planted-word\n"),
	loud => execute_step("tool: python\ncode: |\n  import sys\n  print('x' * 300000)\n  print('y' * 300000, file=sys.stderr)\n  result = 1\n"),
	large => execute_step("tool: python\nargs: {text: '{{ text }}'}\ncode: 'result = len(text)'\n", '{text: ' . 'x' x 2_000_000 . '}'));
my $log;
{
	# what the worker may use, and a playbook may not
	local @ENV{qw(PGHOST PGPORT PGUSER PGOPTIONS)} = ($node->host, $node->port, 'postgres', '-c work_mem=7MB');
	$log = drain('--types', 'http,python,postgres,shell', '--postgres-conninfo', $target, '--credentials', "$directory/credentials");
}

#
# Answers of web servers
#
is(result_of($job{bare}, "result #>> '{data,data}'"), '[1,2]', 'a body without a type is a text');
is(result_of($job{alike}, "concat_ws(' ', result #>> '{data,headers,x-one}', result #>> '{data,headers,x-one-more}')"), 'a, c b', 'a header whose name begins another one');
is(result_of($job{nameless}, "result #> '{data,headers}'"), '{"x-one": "a", "content-length": "0"}', 'a header without a name is none');
is(result_of($job{again1}, "result #> '{data,data}'"), result_of($job{again2}, "result #> '{data,data}'"), 'requests share a connection');
is(result_of($job{sent}, "result #>> '{data,data}'"), 'Bearer [redacted]', 'a variable that is sent is a secret');
SKIP:
{
	skip 'there is no openssl', 2 unless $has_openssl;
	like(result_of($job{verified}, 'error', 'action_error'), qr/certificate/, 'a certificate that nobody knows is refused');
	is(result_of($job{unverified}, "result #>> '{data,status_code}'"), '200', 'verify: false takes it');
}

#
# Databases
#
my $shown = "result #>> '{data,command_0,rows,0,work_mem}'";
is(join(' ', map { result_of($_, $shown) } @job{qw(own1 own2 hostless)}), '7MB 7MB 7MB', 'connections that the environment of the worker completes; a credential in it wins over a file');
is(result_of($job{same}, $shown), '4MB', 'a playbook that names the same database has another one');
is(result_of($job{said}, "result #>> '{data,stdout}'"), "[redacted]\n", 'the password of --postgres-conninfo');

#
# Python
#
is(result_of($job{large}, 'result'), '2000000', 'a request that the socket does not take at once');
is(result_of($job{loud}, 'result'), '1', 'a program that prints more than a pipe holds');
# a file keeps the second interpreter from starting
my $python = keep("$directory/python", "#!/bin/sh\n[ -e $directory/stuck ] && exec sleep 98765\nexec python3 \"\$@\"\n", 0755);
my $breaks = execute_step("tool: python\ncode: |\n  import os\n  open('$directory/stuck', 'w').close()\n  os._exit(3)\n");
my $stuck = execute_step("tool: python\ntimeout: 1\ncode: 'result = 1'\n");
drain('--types', 'python', '--python', $python);
is(result_of($breaks, 'error', 'action_error'), 'the python process exited with code 3', 'a program that ends its interpreter');
is(result_of($stuck, 'error', 'action_error'), 'timed out after 1 seconds', 'the next one does not start before the time of the task is over');

#
# Tools: the bound of what is logged is that of a task
#
my $tool = keep("$directory/tool", <<'EOS', 0755);
#!/usr/bin/perl
use IO::Handle;
STDERR->autoflush(1);
$| = 1;
while (<STDIN>)
{
	my ($id) = /"id": *"(\d+)"/ or next;
	print STDERR 'x' x 1500, "\n" foreach 1 .. (/"much"/ ? 800 : 0);
	print STDERR "words of $id\n";
	select undef, undef, undef, 0.3;
	print qq({"id":"$id","result":1}\n);
}
EOS
execute_step("tool: talks\ndata: {much: 1}\n");
execute_step("tool: talks\n");
like(drain('--tool', "talks=$tool", '--types', 'talks'), qr/output beyond \d+ bytes is not shown.*\| words of 2/s, 'the next task of a tool says something again');

#
# The life of a worker
#
my ($first, $second) = map { drain('--types', 'shell') =~ /worker \S+:([0-9a-f]{4}) executes/ } 1 .. 2;
isnt("$first $second", '0000 0000', 'the name of a worker has something random');
{
	local $ENV{NOETL_LIBDUCKDB} = "$directory/nowhere.so";
	like(drain('--verbose'), qr/type duckdb are left to other workers: no DuckDB: .*nowhere\.so/, 'why a type is left to others');
}
keep("$directory/worker.conf", "types = http,shell\n", 0600);
my $worker;
{
	local $SIG{HUP} = 'IGNORE';
	$worker = start_worker(\$log, '--config', "$directory/worker.conf");
}
my $last = execute_step("tool: http\nurl: $base/number\n");
ok(wait_for("SELECT status <> 'RUNNING' FROM noetl.execution WHERE execution_id = $last"), 'a request');
my $number = result_of($last, "result #>> '{data,data}'");
my $until = time + 30;
sleep 0.05 until -e "$directory/closed" && slurp_file("$directory/closed") =~ /^$number$/m || time > $until;
like(slurp_file("$directory/closed"), qr/^$number$/m, 'an idle worker closes its connections');
$worker->signal('HUP');
ok(has_said($worker, \$log, qr/read .* again/), 'SIGHUP reads the options again, also where it was ignored');
$worker->signal('TERM');
$worker->finish;

#
# The process that ends what a killed worker has started outlives signals to the session
#
unlink "$directory/stuck";
my $long = execute_step("tool: shell\ncommand: 'sleep 98764 & echo \$! > $directory/sleeper; wait'\n");
$worker = start_worker(\$log, '--types', 'shell');
ok(wait_for("SELECT count(*) = 1 FROM noetl.event WHERE event_type = 'action_started' AND execution_id = $long"), 'a task runs');
$until = time + 60;
sleep 0.05 until -s "$directory/sleeper" || time > $until;
my ($sleeper) = slurp_file("$directory/sleeper") =~ /(\d+)/;
my $pid = $worker->{KIDS}[0]{PID};
sub state_of { my ($id) = @_; open my $file, '<', "/proc/$id/stat" or return ''; return readline($file) // '' }
sub lives { my ($id) = @_; return state_of($id) =~ /^\d+ \(.*\) [^Z]/ }
my ($guard) = grep { state_of($_) =~ /^\d+ \(noetl-worker\) \S $pid / } map { m{(\d+)} } glob('/proc/[0-9]*');
# the third one would end the worker itself
foreach my $signal (qw(TERM INT HUP))
{
	kill($signal, $guard), sleep 0.1 foreach 1 .. 3;
}
ok(lives($guard), 'the guard stays');
$worker->signal('KILL');
$worker->finish;
$until = time + 60;
sleep 0.05 while lives($sleeper) && time < $until;
ok(!lives($sleeper), 'and ends what the worker leaves');
done_testing();
