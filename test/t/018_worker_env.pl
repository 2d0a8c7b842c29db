# What templates see of the worker's environment: the variables that it is told to show.
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

# A web server whose answers are the paths of the requests.
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
  || die "could not listen: $!";
my $port = $listener->sockport;
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
		syswrite($client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
			  . length($path) . "\r\n\r\n$path");
		close $client;
	}
	POSIX::_exit(0);
}
END { kill 'KILL', $server if $server; }

my $node = start_broker();
$ENV{LISTED} = 'shown-variable';
$ENV{QUOTED} = "a \"b\" \\ {{ 1 + 1 }} \x{e4}";
$ENV{PASSED} = 'passed-variable';
$ENV{SECRET_UNLISTED} = 'planted-secret';
$ENV{HOST_OF_TEST} = '127.0.0.1';
my @shown = ('--env', 'LISTED,QUOTED, HOST_OF_TEST,NOT_SET', '--pass-env', 'PASSED');
my $workload = "{host: '{{ env.HOST_OF_TEST }}', base: 'http://{{ env.HOST_OF_TEST }}:$port/{{ env.NO_SUCH | default(\"none\") }}'}";
my $stdout = "result #>> '{data,stdout}'";

my %task = (
	python => execute_step("tool: python\nargs: {a: '{{ env.X | default(\"y\") }}', b: '{{ env.LISTED }}', c: '{{ env.QUOTED }}', d: '{{ env.PASSED }}', e: '{{ host }}'}\ncode: 'result = [a, b, c, d, e]'\n", $workload),
	shell => execute_step("tool: shell\nenv: {A: '{{ env.LISTED }}', B: '{{ data.b }}'}\ndata: {b: '{{ env.X | default(\"y\") }}'}\ncommand: 'printf \"%s\" \"\$A/\$B/{{ workload.host }}\"'\n", $workload),
	http => execute_step("tool: http\nurl: '{{ base }}/{{ env.LISTED }}'\n", $workload),
	timeout => execute_step("tool: shell\ncommand: 'sleep {{ env.X | default(30) }}'\ntimeout: 1\n"),
	save => execute_step("tool: python\ncode: 'result = 3'\nsave: {storage: http, url: 'http://127.0.0.1:$port/{{ env.LISTED }}/{{ result }}'}\n"),
	save_step => execute_step("type: save\ndata: {n: '{{ env.LISTED }}'}\nsave: {storage: event, data: {n: '{{ env.X | default(\"y\") }}', m: '{{ data.n }}'}}\n"),
	iterator => execute_step("tool: iterator\nmode: async\ncollection: [1, 2]\nelement: i\ntask:\n  tool: shell\n  command: 'printf \"%s\" \"{{ i }}-{{ env.LISTED }}-{{ env.X | default(\"y\") }}-{{ host }}\"'\n", $workload),
	own => execute_step("tool: iterator\ncollection: [1]\nelement: i\ntask: {tool: python, args: {e: '{{ env }}'}, code: 'result = e'}\n", '{env: production}'),
	own_member => execute_step("tool: iterator\ncollection: [1]\nelement: i\ntask: {tool: python, args: {e: '{{ env.none }}'}, code: 'result = e'}\n", '{env: {some: 1}}'),
	data => execute_step("tool: python\nargs: {a: '{{ env.X | default(1) }}', text: '{{ given }}'}\ncode: 'result = text'\n", '{given: "{% raw %}{{ env.LISTED }}{% endraw %}"}'));

my %bad = (
	direct => "tool: python\nargs: {a: '{{ env.SECRET_UNLISTED }}'}\ncode: 'result = a'\n",
	text => "tool: shell\ncommand: 'echo {{ env.SECRET_UNLISTED }}'\n",
	url => "tool: http\nurl: 'http://127.0.0.1:$port/{{ env[\"SECRET_UNLISTED\"] }}'\n",
	workload => "tool: shell\ncommand: 'echo {{ workload.secret }}'\n",
	save => "tool: python\ncode: 'result = 1'\nsave: {storage: http, url: 'http://127.0.0.1:$port/{{ env.SECRET_UNLISTED }}'}\n",
	iterator => "tool: iterator\ncollection: [1]\nelement: i\ntask: {tool: shell, command: 'echo {{ env.SECRET_UNLISTED }}'}\n");
my %failing = map { $_ => execute_step($bad{$_}, '{secret: "{{ env.SECRET_UNLISTED }}"}') } sort keys %bad;
my $secret = execute_step("tool: shell\ncommand: 'echo {{ secret.planted }}'\n");

my $log = drain(@shown, '--verbose');

is(result_of($task{python}, 'result ->> 0'), 'y', 'a variable that is not set');
is(result_of($task{python}, 'result ->> 1'), 'shown-variable', 'one that --env names');
like(result_of($task{python}, 'result ->> 2'), qr/^a "b" \\ \{\{ 1 \+ 1 \}\} /, 'its value is data');
is(result_of($task{python}, 'result ->> 3'), 'passed-variable', 'one that --pass-env names');
is(result_of($task{python}, 'result ->> 4'), '127.0.0.1', 'one in the workload');
is(result_of($task{shell}, $stdout), 'shown-variable/y/127.0.0.1', 'a shell command and its environment');
is(result_of($task{http}, "result #>> '{data,data}'"), '/none/shown-variable', 'the url of a request');
is(result_of($task{timeout}, 'error', 'action_error'), 'timed out after 1 seconds', 'the timeout stays');
is(result_of($task{save}, "context ->> 'storage'", 'save_completed'), 'http', 'a save');
is(result_of($task{save_step}, "result", 'save_completed'), '{"m": "shown-variable", "n": "y"}', 'a step of type save');
is(result_of($task{iterator}, "(result -> 'data' -> 1) #>> '{stdout}'"), '2-shown-variable-y-127.0.0.1', 'a task of an iterator');
is(result_of($task{own}, "result -> 'data' ->> 0"), 'production', 'a key of the workload wins');
is(result_of($task{own_member}, "result -> 'data' -> 0"), 'null', 'and may lack a member');
is(result_of($task{data}, 'result'), '"{{ env.LISTED }}"', 'data that looks like a template stays');

foreach my $name (sort keys %failing)
{
	like(result_of($failing{$name}, 'error', 'action_error'), qr/this worker gives templates no variable 'SECRET_UNLISTED' \(in .*\{\{ .* \}\}\)/, "a variable that is not named: $name");
}
like(result_of($secret, 'error', 'action_error'), qr/called "secret"/, 'a name that this worker does not have');
is(sql("SELECT count(*) FROM noetl.event e WHERE e::text ~ 'planted-secret'"), '0', 'its value is in no event');
is(sql('SELECT count(*) FROM noetl.queue'), '0', 'and nothing is left in the queue');
is( sql("SELECT count(*) FROM noetl.event WHERE regexp_replace(concat(result, error), '[(]in [^)]*[)]', '', 'g') ~ '[{]{2} *(env|workload|base|data)' AND execution_id <> $task{data}"),
	'0', 'no braces of env are left in results');
unlike($log, qr/planted-secret|shown-variable|passed-variable/, 'no value is in the log');

# Without the option nothing is seen.
my $hidden = execute_step("tool: python\nargs: {a: '{{ env.LISTED | default(\"y\") }}', b: '{{ env | length }}'}\ncode: 'result = [a, b]'\n");
drain();
is(result_of($hidden, 'result'), '["y", 0]', 'without --env templates see no variable');

# A variable that the worker sets for each program, set by the task.
my $own = execute_step("tool: shell\nenv: {NOETL_STEP: own}\ncommand: 'printf \"%s\" \"\$NOETL_STEP\"'\n");
drain('-t', 'shell');
is(result_of($own, $stdout), 'own', 'what a task sets wins');

# Values that are no text.
my $json = execute_step("tool: shell\nenv: {MAP: {a: [1, 'x']}, LIST: [null, 2.5], NONE: null, EMPTY: {}, TEXT: '{{ data.m }}'}\ndata: {m: {b: true}}\n"
	  . "command: 'printf \"%s|%s|%s|%s|%s\" \"\$MAP\" \"\$LIST\" \"\${NONE-unset}\" \"\$EMPTY\" \"\$TEXT\"'\n");
drain('-t', 'shell');
is(result_of($json, $stdout), '{"a": [1, "x"]}|[null, 2.5]|unset|{}|{"b": true}', 'a map or a list is its JSON, null is no variable');

done_testing();
