# Data, programs and servers that mean no good, or know no better: none of them ends the
# worker or keeps it busy, and none gets what is not meant for it.
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

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $asked = "$directory/asked";

#
# A server
#
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "could not listen: $!";
my $base = 'http://127.0.0.1:' . $listener->sockport;

# What it says to a request: status, further header lines, body.
sub answer
{
	my ($path, $token) = @_;
	my $json = "Content-Type: application/json\r\n";
	my $escaped = $token =~ s{/}{\\/}gr =~ s/\xc3\xbc/\\u00fc/gr;
	return ('200 OK', "${json}X-Echo: $token\r\n", '{broken') if $path eq '/broken';
	return ('200 OK', $json, "{\"token\": \"$escaped\"}") if $path eq '/escapes';
	return ('200 OK', $json, '{"account": 91234567, "n": 1}') if $path eq '/number';
	return ('404 Not Found', "Content-Type: text/plain\r\n", '://u@' x 4_000_000) if $path eq '/urls';
	return ('302 Found', "Location: $base/elsewhere/a.py\r\n", '') if $path eq '/scripts/moved.py';
	return ('302 Found', "Location: $base/scripts/a.py\r\n", '') if $path eq '/scripts/near.py';
	return ('200 OK', '', "result = 'fetched'\n") if $path =~ /py$/;
	return ('400 Bad Request', '', '');
}

my $server = fork();
die "could not fork: $!" unless defined $server;
if ($server == 0)
{
	while (my $client = $listener->accept)
	{
		my $text = '';
		while ($text !~ /\r\n\r\n/) { sysread($client, $text, 65536, length $text) or last }
		my ($path) = $text =~ /^\S+ (\S+)/;
		my ($token) = $text =~ /^Authorization: Bearer (.*)\r$/mi;
		my ($key) = $text =~ /^X-Key: (.*)\r$/mi;
		append_to_file($asked, "$path " . ($key // '-') . "\n");
		my ($status, $header, $body) = answer($path, $token // '');
		my $out = "HTTP/1.1 $status\r\n${header}Connection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
		while (length $out)
		{
			my $n = syswrite($client, $out, 1 << 20) or last;
			substr($out, 0, $n) = '';
		}
	}
	POSIX::_exit(0);
}
END { kill 'KILL', $server if $server; }

#
# Data
#
my $printed = execute(<<'EOT');
- step: before
  tool: python
  code: |
    result = []
    for n in range(600): result = [result]
  next: act
- step: act
  tool: python
  log: true
  data: {deep: "{{ before }}"}
  code: |
    print('said')
    result = 1
EOT
my $no_task = execute_step("tool: iterator\ncollection: [1]\nelement: x\ntask: [{type: python, code: result = 1}, {type: python, code: result = 2}]\n");
sql("UPDATE noetl.queue SET action = jsonb_set(action, '{task}', '[]') WHERE execution_id = $no_task");
drain();
is(result_of($printed, 'result'), 1, 'a task whose input is very deep prints a line');
is(events_of($printed, "context ->> 'line'"), 'log said, action_completed', '... which is stored');
is(result_of($no_task, 'error', 'action_error'), 'the iterator has no task', 'an iterator of an older registration without a task fails');
my ($status, $out, $err) = $node->psql('postgres', "SELECT noetl.register('{metadata: {path: empty}, workflow: [{step: a, tool: iterator, collection: [1], element: x, task: []}]}')");
like($err, qr/the iterator has no task/, 'registration refuses one');

#
# Servers
#
$ENV{NOETL_AUTH_SLASH} = '{"token": "abc/def+secret", "hosts": "*"}';
$ENV{NOETL_AUTH_UMLAUT} = "{\"token\": \"T\xc3\xbcr-secret\", \"hosts\": \"*\"}";
$ENV{NOETL_AUTH_DIGITS} = '{"token": "1234567", "hosts": "*"}';
sub http { my ($path, $auth) = @_; return execute_step("tool: http\nurl: $base$path\nauth: $auth\n") }
my $broken = http('/broken', 'slash');
my %escapes = map { $_ => http('/escapes', $_) } qw(slash umlaut);
my $number = http('/number', 'digits');
my $digits = execute_step("tool: python\ncode: 'result = 91234567'\n");
my $urls = http('/urls', 'digits');
drain('--lease', 60);
is(result_of($broken, "result #>> '{data,headers,x-echo}'"), '[redacted]', 'a server repeats a secret');
is(result_of($broken, "result #>> '{data,data}'"), '{broken', '... before a body that is not the JSON it should be');
is(result_of($escapes{$_}, "result #>> '{data,data,token}'"), '[redacted]', "it escapes the secret: $_") foreach sort keys %escapes;
is(result_of($number, "result #> '{data,data}'"), '{"n": 1, "account": "[redacted]"}', 'a number with the digits of a secret: the result stays JSON');
is(result_of($digits, 'result'), '"[redacted]"', '... and a task does not fail for it');
like(result_of($urls, 'left(error, 60)', 'action_error'), qr{^HTTP 404 Not Found: GET \Q$base\E/urls: ://://}, 'many users in the URLs of a large body');

#
# Scripts
#
sub script { my ($path) = @_; return execute_step("tool: python\nscript: {path: '$path', source: {type: http, endpoint: '$base', headers: {X-Key: k}}}\n") }
my %script = map { $_ => script($_) } qw(scripts/a.py scripts/near.py scripts/moved.py scripts/%2E%2e/b.py scripts/../c.py);
drain('--scripts', "$base/scripts");
is(result_of($script{$_}, 'result'), '"fetched"', "script: $_") foreach qw(scripts/a.py scripts/near.py);
like(result_of($script{$_}, 'error', 'action_error'), qr/is not below what --scripts/, "script: $_") foreach qw(scripts/moved.py scripts/%2E%2e/b.py scripts/../c.py);
is((join ',', sort grep { m{^/(?:scripts|elsewhere)} } split /\n/, slurp_file($asked)),
	'/scripts/a.py k,/scripts/a.py k,/scripts/moved.py k,/scripts/near.py k', 'no other place is asked, or gets a header');

#
# Descriptors
#
SKIP:
{
	skip 'there is no /proc/self/fd here', 2 unless -e '/proc/self/fd';
	open my $open, '<', $0 or die $!;
	my $connected = execute("- step: before\n  tool: http\n  url: $base/a.py\n  next: act\n- step: act\n  tool: shell\n  command: ls /proc/self/fd\n");
	my $python = execute_step("tool: python\ncode: |\n  result = sorted(int(n) for n in os.listdir('/proc/self/fd'))\n");
	drain();
	is(result_of($connected, "result #>> '{data,stdout}'"), "0\n1\n2\n3\n", 'a command has no descriptors of the worker');
	is(result_of($python, 'result'), '[0, 1, 2, 3, 4]', '... nor has a program of python');
}

#
# Interpreters
#
SKIP:
{
	my $siblings = "/proc/$$/task/$$/children";
	skip 'there is no /proc/PID/task/PID/children here', 1 unless -e $siblings;
	my $code = 'result = len(open("/proc/{0}/task/{0}/children".format(os.getppid())).read().split())';
	my @many = map { execute_step("tool: python\ncode: '$code'\n") } 1 .. 60;
	drain('--concurrency', 4);
	cmp_ok(sql('SELECT max(result::int) FROM noetl.event WHERE event_type = $$action_completed$$ AND execution_id IN (' . join(',', @many) . ')'),
		'<=', 10, 'with many playbooks, the processes of a worker share its interpreters');
}

#
# Time
#
my $slow = "save: {storage: postgres, auth: slow, statement: SELECT pg_sleep(60)}";
$ENV{NOETL_AUTH_SLOW} = $node->connstr('postgres');
my $save = execute_step("tool: shell\ncommand: 'true'\ntimeout: 1\n$slow\n");
my $item = execute_step("tool: iterator\nmode: async\ncollection: [1, 2]\nelement: x\non_error: continue\ntask: {type: shell, command: 'true', timeout: 1, $slow}\n");
my $items = execute_step("tool: iterator\nmode: async\ncollection: [1, 2]\nelement: x\ntimeout: 2\ntask: {type: shell, command: 'true', $slow}\n");
my $began = time;
drain('--concurrency', 3);
cmp_ok(time - $began, '<', 40, 'with several tasks at once, a time limit holds while a save is executed');
is(result_of($save, 'error', 'action_error'), 'timed out after 1 seconds', '... of the task');
is(result_of($item, "result #>> '{errors,1,message}'"), 'timed out after 1 seconds', '... of an item');
is(result_of($items, 'error', 'action_error'), 'timed out after 2 seconds', '... of the iterator');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"), 0, '... and no statement goes on');

#
# Name servers
#
SKIP:
{
	append_to_file("$directory/resolv.conf", "nameserver 127.0.0.1\n");
	append_to_file("$directory/sink", "use IO::Socket::INET; my \$s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:53', Proto => 'udp') or exit 1;\n"
		  . "print 'open'; close STDOUT; sleep 100;\n");
	my $setup = "ip link set lo up && mount --bind /dev/null /etc/hosts && mount --bind $directory/resolv.conf /etc/resolv.conf";
	skip 'there are no namespaces for this user here', 2 if system("unshare -Urmn sh -c '$setup' 2>/dev/null") != 0;
	skip 'this libcurl waits for name servers', 2 if hex(`curl-config --vernum`) < 0x075700;
	my $unresolved = execute_step("tool: http\ntimeout: 1\nurl: http://nowhere.example.org/\n");
	my $begin = time;
	system('unshare', '-Urmn', 'sh', '-c', "$setup; mkfifo $directory/open; perl $directory/sink > $directory/open & read -r x < $directory/open; "
		  . "PGUSER=" . getpwuid($<) . " noetl-worker --once --connect \"" . $node->connstr('postgres') . "\" >/dev/null 2>&1; kill \$!");
	is(result_of($unresolved, 'error', 'action_error'), 'timed out after 1 seconds', 'a name server that does not answer');
	cmp_ok(time - $begin, '<', 8, '... keeps nobody beyond the time of the task');
}

#
# Reports that take long
#
sql("CREATE ROLE ordinary; GRANT USAGE ON SCHEMA noetl TO ordinary; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA noetl TO ordinary");
sql("SET ROLE ordinary; SELECT noetl.register('{metadata: {path: long}, workflow: [{step: act, tool: shell, command: sleep 1, next: long},"
	  . " {step: long, type: sql, statement: SELECT pg_sleep(6)}]}')");
my $beside = execute_step("tool: shell\ncommand: sleep 9\n");
my $long = sql("SET ROLE ordinary; SELECT noetl.execute('long')");
drain('--concurrency', 2, '--lease', 3);
is(ended($long), 'execution_complete', 'a report takes longer than the lease');
is(sql("SELECT string_agg(event_type, ',' ORDER BY event_id) FROM noetl.event WHERE execution_id = $beside AND event_type LIKE 'action%'"),
	'action_started,action_completed', '... and another task of the worker keeps its own');

#
# Notices
#
my $loud = execute_step("tool: postgres\nauth: slow\ncommand: DO 'BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE \$\$%\$\$, repeat(\$\$x\$\$, 1000); END LOOP; END'\n");
my $shown = drain();
is(ended($loud), 'execution_complete', 'a command with many notices');
cmp_ok(length $shown, '<', 1_500_000, '... of which the log has some');
like($shown, qr/\| \[notices beyond 1048576 bytes are not shown\]/, '... and says so');

#
# Sessions
#
my $lock = execute("- step: lock\n  tool: postgres\n  auth: slow\n  command: SELECT pg_advisory_lock(77)\n  next: act\n"
	  . "- step: act\n  tool: shell\n  command: 'until [ -e $directory/go ]; do sleep 0.1; done'\n");
my $log;
my $worker = start_worker(\$log, '--once');
ok(wait_for("SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $lock AND node_name = 'act' AND event_type = 'action_started')"),
	'a task leaves a lock in its session');
ok(wait_for("SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77)"), '... which ends with it, not with the next one');
append_to_file("$directory/go", '');
$worker->finish;
is(ended($lock), 'execution_complete', '... while another is executed');
done_testing();
