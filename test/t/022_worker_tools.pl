# Tools: programs that execute tasks of types of their own.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use File::Copy;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();
my @servers;
END { kill 'KILL', @servers if @servers; }

# Writes a program; returns its path.
sub program
{
	my ($name, $text) = @_;
	my $path = "$directory/$name";
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
	chmod 0755, $path;
	return $path;
}

# The first program of a language in the page about tools.
sub example
{
	my ($language) = @_;
	my $page = slurp_file("$FindBin::RealBin/../../doc/tools.md");
	my ($text) = $page =~ /^```\Q$language\E\n(.*?)^```$/ms;
	return $text;
}

# Tells whether a program is there.
sub there
{
	my ($name) = @_;
	return grep { -x "$_/$name" && !-d "$_/$name" } split /:/, $ENV{PATH};
}

# The result of a task of a tool that is drained by a worker with these options.
sub result_with
{
	my ($keys, @options) = @_;
	my $execution = execute_step($keys);
	drain(@options);
	return result_of($execution, 'result', undef) || result_of($execution, "coalesce(error, '')", 'action_error');
}

#
# The examples of the page
#
my %examples = (python => 'python3', bash => 'jq', javascript => 'node');
foreach my $language (sort keys %examples)
{
  SKIP:
	{
		skip("$examples{$language} is not here", 2) unless there($examples{$language});
		my $path = program("hello-$language", example($language));
		my $type = "hello-$language";
		is(result_with("tool: $type\ndata: {name: Ada}\n", '--tool', "$type=$path", '-t', $type),
			'{"greeting": "hello Ada"}', "the example in $language");
		my @ids = map { execute_step("tool: $type\ndata: {name: n$_}\n") } 1 .. 20;
		drain('--tool', "$type=$path", '-t', $type, '--batch', 5);
		is(join(',', map { result_of($_, "result ->> 'greeting'") } @ids), join(',', map { "hello n$_" } 1 .. 20),
			"the example in $language, many tasks");
	}
}
my $python = "$directory/hello-python";
like(result_with("tool: hello\ndata: {}\n", '--tool', "hello=$python", '-t', 'hello'),
	qr/^KeyError\('name'\)$/, 'the error of a tool is that of its task');

#
# Which tools there are
#
{
	mkdir "$directory/path";
	rename program('finder', example('python')), "$directory/path/noetl-tool-finder";
	local $ENV{PATH} = "$directory/path:$ENV{PATH}";
	my $execution = execute_step("tool: finder\ndata: {name: Bo}\n");
	my $log = drain();
	like($log, qr/executes \{.*finder.*\}/, 'a tool on PATH is one without an option');
	is(result_of($execution, 'result'), '{"greeting": "hello Bo"}', 'and executes tasks');
	write_file("$directory/tools.conf", "tool = loud = $python\ntool = finder\ntypes = loud,finder\n");
	like(drain('--config', "$directory/tools.conf"), qr/executes \{loud,finder\}/, 'tools in the file of --config');
}

sub write_file
{
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
	return $path;
}

foreach my $case (
	[ 'python=x', qr/there is a type "python" already/ ],
	[ 'Big=x', qr/a type in lower case, not "Big=x"/ ],
	[ 'nowhere', qr/--tool nowhere: there is no program "noetl-tool-nowhere"/ ],
	[ 'away=/no/such/program -x', qr{--tool away: there is no program "/no/such/program"} ])
{
	my ($option, $pattern) = @$case;
	my $log;
	my $worker = start_worker(\$log, '--once', '--tool', $option);
	$worker->finish;
	is($worker->result(0), 2, "--tool $option is wrong usage");
	like($log, $pattern, '... and the worker says why');
}

#
# Processes that behave badly
#
my $odd = program('odd', <<'EOT');
#!/usr/bin/env python3
import json, os, sys, time
for line in sys.stdin:
    task = json.loads(line)
    if task.get("cancel"):
        continue
    data = task["action"]["data"]
    do = data["do"]
    if do == "crash":
        print("no more ink", file=sys.stderr, flush=True)
        os._exit(7)
    if do == "babble":
        print("this is no JSON", flush=True)
    if do == "list":
        print("[1]", flush=True)
    if do == "nul":
        print('{"id": "%s", "result": "\\u0000"}' % task["id"], flush=True)
        continue
    if do == "half":
        print('{"id": "%s", "result": {"a": ' % task["id"], flush=True)
    if do == "sleep":
        time.sleep(1000)
    if do == "big":
        for i in range(70):
            sys.stdout.write("x" * 1024 * 1024)
        print(flush=True)
    if do == "memory":
        block = [bytes(1024 * 1024) for i in range(900)]
    if do == "fail":
        print(json.dumps({"id": task["id"], "error": {"message": "busy", "code": 503}}), flush=True)
        continue
    if do == "environment":
        print(json.dumps({"id": task["id"], "result": sorted(os.environ)}), flush=True)
        continue
    if do == "context":
        print(json.dumps({"id": task["id"], "result": task["context"]}), flush=True)
        continue
    print(json.dumps({"id": "999", "result": "of nobody"}))
    print(json.dumps({"id": task["id"], "result": os.getpid()}), flush=True)
EOT

my @odd = ('--tool', "odd=$odd", '-t', 'odd');
my %bad = (
	crash => qr/^the tool "odd" exited with code 7: no more ink$/,
	babble => qr/^the tool "odd" wrote a line that is not a JSON object: this is no JSON$/,
	list => qr/^the tool "odd" wrote a line that is not a JSON object: \[1\]$/,
	half => qr/^the tool "odd" wrote a line that is not a JSON object/,
	nul => qr/NUL/,
	big => qr/^the tool "odd" wrote a line of more than 64 MB$/,
	fail => qr/^busy$/);
foreach my $do (sort keys %bad)
{
	like(result_with("tool: odd\ndata: {do: $do}\n", @odd), $bad{$do}, "a tool and its task: $do");
}
my $busy = execute_step("tool: odd\ndata: {do: fail}\n");
drain(@odd);
is(result_of($busy, "result -> 'data' ->> 'code'", 'action_error'), '503', 'an error that is a map is kept');
like(result_with("tool: odd\ndata: {do: sleep}\ntimeout: 0.5\n", @odd), qr/^timed out after 0.5 seconds$/,
	'a timeout ends a tool');
like(result_with("tool: odd\ndata: {do: memory}\n", @odd, '--tool-memory', 500), qr/exited with code 1: .*MemoryError/s,
	'a limit of memory');
like(result_with("tool: odd\ndata: {do: memory}\n", @odd), qr/^[0-9]+$/, 'which is not there without the option');

my @one = map { execute_step("tool: odd\ndata: {do: $_}\n") } qw(work crash work work);
drain(@odd, '--batch', 4);
is(sql("SELECT count(DISTINCT result) FROM noetl.event WHERE event_type = 'action_completed' AND node_name = 'act' AND"
		  . " execution_id IN ($one[0], $one[2], $one[3])"),
	2, 'a tool stays alive, and is started again after a crash');
my $begin = time;
my @many = map { execute_step("tool: odd\ndata: {do: crash}\n") } 1 .. 4;
drain(@odd, '--batch', 4);
ok(time - $begin > 1.5, 'a tool that ends again and again is started ever later');

{
	local $ENV{NOETL_AUTH_KEY} = '{"token": "s3cr3t-of-odd", "tools": "odd, other"}';
	local $ENV{NOETL_AUTH_FREE} = 'plain';
	local $ENV{NOETL_AUTH_FREE_TOOLS} = 'other';
	local $ENV{NOETL_AUTH_LOOSE} = 'plain';
	local $ENV{SHOWN} = 'x';
	my $names = result_with("tool: odd\ndata: {do: environment}\n", @odd, '--pass-env', 'SHOWN');
	like($names, qr/"SHOWN"/, 'a tool sees what --pass-env names');
	unlike($names, qr/PGHOST|NOETL/, 'and none of the secrets');
	like(result_with("tool: odd\ncredential: free\ndata: {do: context}\n", @odd),
		qr/^credential "free" is not for tasks of type odd$/, 'a credential of other tools');
	like(result_with("tool: odd\nauth: {key: loose}\ndata: {do: context}\n", @odd),
		qr/^credential "loose" is bound to no tool/, 'a credential that is bound to no tool');
	like(result_with("tool: odd\ncredential: none\ndata: {do: context}\n", @odd),
		qr/^credential "none" is not known here/, 'an unknown credential');
	my $context = result_with("tool: odd\ncredential: key\ntimeout: 50\ndata: {do: context}\n", @odd);
	like($context, qr/"credential": \{"token": /, 'a credential comes with the task');
	like($context, qr/"step": "act", "attempt": 1, .*"seconds_left": [45]|"seconds_left": [45]/, 'and what there is to know');
}

# A worker that has to end tells a tool of each task that it goes on with.
{
	my $keen = program('keen', "#!/bin/sh\necho '{\"concurrency\": 2}'\nwhile read -r line; do echo \"\$line\" >> $directory/keen.lines; done\n");
	my $log;
	my $worker = start_worker(\$log, '--tool', "keen=$keen", '-t', 'keen', '--concurrency', 2);
	my @endless = map { execute_step("tool: keen\n") } 1 .. 2;
	ok(wait_for("SELECT count(*) = 2 FROM noetl.queue WHERE status = 'leased' AND execution_id IN ($endless[0], $endless[1])"), 'a tool has two tasks');
	my $until = time + 60;
	sleep 0.1 while time < $until && (!-e "$directory/keen.lines" || slurp_file("$directory/keen.lines") !~ /\n.*\n/);
	$worker->signal('TERM');
	sleep 0.5;
	$worker->signal('TERM');
	$worker->finish;
	is(scalar(() = slurp_file("$directory/keen.lines") =~ /"cancel":true/g), 2, 'and is told that both are to end');
	is(sql("SELECT string_agg(status, ' ') FROM noetl.queue WHERE execution_id IN ($endless[0], $endless[1])"), 'queued queued', 'which are given back');
	sql("SELECT noetl.cancel($_)") foreach @endless;
}

#
# llm
#
my $requests = "$directory/requests";

# A server that answers as the last word of the path says.
sub serve_llm
{
	my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
	  || die "could not listen: $!";
	my $pid = fork();
	die "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		my %seen;
		while (my $client = $listener->accept)
		{
			my $text = '';
			sysread($client, $text, 65536, length $text) or last while $text !~ /\r\n\r\n/;
			my ($length) = $text =~ /content-length: (\d+)/i;
			my ($body) = $text =~ /\r\n\r\n(.*)/s;
			sysread($client, $body, 65536, length $body) or last while length $body < $length;
			my ($path) = $text =~ m{^POST /(\w+)};
			my ($key) = $text =~ /^Authorization: (.*?)\r/m;
			append_to_file($requests, "$path " . (defined $key ? $key : '-') . " $body\n");
			my ($status, $more) = ('200 OK', '');
			$seen{$path}++;
			($status, $more) = ('429 Too Many Requests', "Retry-After: 1\r\n") if $path eq 'busy' && $seen{$path} < 3;
			($status, $more) = ('429 Too Many Requests', "Retry-After: 3600\r\n") if $path eq 'closed';
			($status, $more) = ('401 Unauthorized', '') if $path eq 'locked';
			($status, $more) = ('307 Temporary Redirect', "Location: /ok/chat/completions\r\n") if $path eq 'moved';
			my $answer = $status =~ /^200/
			  ? '{"model": "m1", "usage": {"total_tokens": 3}, "choices": [{"finish_reason": "stop", "message":'
			  . ' {"role": "assistant", "content": "{\"n\": 1}", "tool_calls": [{"id": "c1", "type": "function",'
			  . ' "function": {"name": "find", "arguments": "{\"q\": \"x\"}"}}]}}]}'
			  : '{"error": {"message": "no ' . $path . '"}}';
			$answer = 'not json' if $path eq 'garbage';
			syswrite($client, "HTTP/1.1 $status\r\n${more}Content-Type: application/json\r\nConnection: close\r\n"
				  . "Content-Length: " . length($answer) . "\r\n\r\n$answer");
			close $client;
		}
		POSIX::_exit(0);
	}
	push @servers, $pid;
	return $listener->sockport;
}
my $port = serve_llm();
my @llm = ('--tool', 'llm', '-t', 'llm');
$ENV{NOETL_AUTH_LLM} = '{"token": "planted-key-of-llm", "hosts": "127.0.0.1:' . $port . '", "tools": "llm"}';
$ENV{NOETL_AUTH_ELSEWHERE} = '{"token": "planted-key-elsewhere", "hosts": "api.example.com", "tools": "llm"}';

# A task for the fake server.
sub ask
{
	my ($path, $more) = @_;
	return result_with("tool: llm\nbase_url: http://127.0.0.1:$port/$path\nmodel: m\nprompt: hi\n"
		  . ($more // "credential: llm\n"), @llm);
}
is(sql("SELECT r -> 'data' ->> 'text', r -> 'data' -> 'tool_calls', r -> 'data' -> 'json' FROM (SELECT \$r\$"
		  . ask('ok', "credential: llm\nsystem: be terse\nresponse_format: {type: json_object}\ntools: [{type: function, function: {name: find}}]\n")
		  . "\$r\$::jsonb AS r) x"),
	'{"n": 1}|[{"id": "c1", "name": "find", "arguments": {"q": "x"}}]|{"n": 1}', 'llm: text, calls and JSON');
like(slurp_file($requests), qr/^ok Bearer planted-key-of-llm \{.*"tools": \[.*"role": "system", "content": "be terse"/m,
	'llm: the request has the key, the tools and the messages');
$begin = time;
like(ask('busy'), qr/"status": "success"/, 'llm: 429 is tried again');
ok(time - $begin > 2, 'llm: Retry-After is respected');
like(ask('closed'), qr/^llm: HTTP 429: no closed \(after 1 attempts; the next one would be in 3600 s\)$/,
	'llm: a Retry-After that is too long fails the task at once');
like(ask('locked'), qr/^llm: HTTP 401: no locked$/, 'llm: other errors are not tried again');
like(ask('moved'), qr/^llm: HTTP 307/, 'llm: a redirect is not followed');
like(ask('garbage'), qr/^llm: the answer is not JSON: not json$/, 'llm: an answer that is no JSON');
like(ask('ok', "credential: elsewhere\n"), qr/^llm: the credential is not for the host 127.0.0.1$/,
	'llm: a credential goes to its hosts only');
like(ask('ok', ''), qr/"success"/, 'llm: a server without a key');
unlike(slurp_file($requests), qr/planted-key-elsewhere/, 'llm: the foreign key was never sent');
like(result_with("tool: llm\nbase_url: http://127.0.0.1:$port/ok\nprompt: hi\n", @llm), qr/^llm: the task has no model$/,
	'llm: a task without a model');

#
# mcp
#
my $mcp = program('mcp-server', <<'EOT');
#!/usr/bin/env python3
import json, os, subprocess, sys
def send(message):
    print(json.dumps(dict(message, jsonrpc="2.0")), flush=True)
ready = False
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        send({"id": m["id"], "result": {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}})
    elif m.get("method") == "notifications/initialized":
        ready = True
    elif m.get("method") == "tools/list":
        send({"id": m["id"], "result": {"tools": [{"name": "add"}]}})
    elif m.get("method") == "tools/call":
        name, arguments = m["params"]["name"], m["params"]["arguments"]
        if name == "add" and ready:
            send({"id": "s1", "method": "ping"})
            assert "result" in json.loads(sys.stdin.readline())
            send({"method": "notifications/message", "params": {}})
            send({"id": m["id"], "result": {"content": [{"type": "text", "text": str(arguments["a"] + arguments["b"])}], "structuredContent": {"pid": os.getpid()}}})
        elif name == "bad":
            send({"id": m["id"], "result": {"isError": True, "content": [{"type": "text", "text": "will not"}]}})
        elif name == "die":
            os.write(2, b"caf\xe9\n")
            subprocess.Popen(["sh", "-c", "sleep 0.3; echo out of tea >&2"], stdout=subprocess.DEVNULL)
            os._exit(4)
        else:
            send({"id": m["id"], "error": {"code": -32602, "message": "unknown tool"}})
EOT
my @mcp = ('--tool', 'mcp', '-t', 'mcp');
my $server = "tool: mcp\ncommand: [$mcp]\n";
like(result_with("${server}call: add\ndata: {a: 2, b: 3}\n", @mcp), qr/"text": "5"/, 'mcp: a call');
like(result_with("${server}list: true\n", @mcp), qr/"tools": \[\{"name": "add"\}\]/, 'mcp: the tools of a server');
like(result_with("${server}call: bad\n", @mcp), qr/^mcp: will not$/, 'mcp: a tool that fails');
like(result_with("${server}call: none\n", @mcp), qr/^mcp: unknown tool$/, 'mcp: an error of the protocol');
like(result_with("${server}call: die\n", @mcp), qr/^mcp: the server exited with code 4: caf\S+ out of tea$/,
	'mcp: a server that ends');
like(result_with("tool: mcp\ncommand: /no/such/server\ncall: x\n", @mcp), qr{^mcp: could not start "/no/such/server"},
	'mcp: a server that is not there');
write_file("$directory/servers.json", qq({"mcpServers": {"sums": {"command": "$mcp"}}}));
my ($bindir) = there('noetl-worker');
my @known = ('--tool', "mcp=$bindir/../libexec/noetl/noetl-tool-mcp --servers $directory/servers.json", '-t', 'mcp');
like(result_with("tool: mcp\nserver: sums\ncall: add\narguments: {a: 1, b: 1}\n", @known), qr/"text": "2"/,
	'mcp: a server by its name');
like(result_with("${server}call: add\ndata: {a: 2, b: 3}\n", @known), qr/^mcp: there is no server "None" in --servers$/,
	'mcp: and no other command');
my @calls = map { execute_step("${server}call: add\narguments: {a: $_, b: 0}\n") } 1 .. 3;
drain(@mcp, '--batch', 3);
is(sql("SELECT count(DISTINCT result -> 'data' -> 'json') FROM noetl.event WHERE event_type = 'action_completed'"
		  . " AND node_name = 'act' AND execution_id IN (" . join(',', @calls) . ')'), 1, 'mcp: a server stays alive');

#
# container
#
my @container = ('--tool', 'container', '-t', 'container');

# A PATH without docker and podman, and with all else that is needed.
mkdir "$directory/bin";
foreach my $name (qw(python3 cat sleep))
{
	my ($place) = there($name);
	symlink "$place/$name", "$directory/bin/$name";
}
my $without = join ':', "$directory/bin", grep { !-e "$_/docker" && !-e "$_/podman" } split /:/, $ENV{PATH};
mkdir "$directory/docker";
rename program('fake', <<'EOT'), "$directory/docker/docker";
#!/bin/sh
echo "$@" >>"$0.calls"
case "$*" in
version) [ ! -e "$0.away" ] || { echo "cannot connect to the daemon" >&2; exit 1; }; exit 0;;
rm*) kill $(cat "$0.pid"); exit 0;;
*never-there*) echo "no such image" >&2; exit 125;;
*sleep*) echo $$ >"$0.pid"; exec sleep 1000;;
*exit-3*) echo "bad day" >&2; exit 3;;
esac
echo "$SECRET"; cat
EOT
{
	local $ENV{PATH} = "$directory/docker:$ENV{PATH}";
	like(result_with("tool: container\nimage: alpine:3\ncommand: cat\nenv: {SECRET: planted-in-container, NONE: null}\nmemory: 64m\n"
			  . "network: none\ndata: {a: 1}\n", @container),
		qr/"stdout": "planted-in-container\\n\{\\"a\\": 1\}"/, 'container: environment, input and output');
	my $calls = slurp_file("$directory/docker/docker.calls");
	like($calls, qr/^run --rm --interactive --name noetl-\d+-\w+ .* --memory 64m --network none --env SECRET alpine:3 \/bin\/sh -c cat$/m,
		'container: the command line');
	unlike($calls, qr/planted/, 'container: no value of a variable is on it');
	like(result_with("tool: container\nimage: x\ncommand: [exit-3]\n", @container),
		qr/^container: exited with code 3: bad day$/, 'container: an exit code');
	like(result_with("tool: container\nimage: never-there\n", @container),
		qr/^container: docker could not run it: no such image$/, 'container: an image that is not there');
	foreach my $keys ("image: --privileged\n", "image: x\nvolumes: ['/:/host']\n", "image: x\nnetwork: host\n", "image: x\nenv: {PATH: /evil}\n")
	{
		like(result_with("tool: container\n$keys", @container), qr/^container: .*(is no image|not allowed|cannot be)/,
			'container: what is refused');
	}
	like(result_with("tool: container\nimage: x\ncommand: [sleep]\ntimeout: 1\n", @container), qr/^timed out after 1 seconds$/,
		'container: a timeout');
	like(slurp_file("$directory/docker/docker.calls"), qr/^rm --force noetl-/m, 'container: which removes the container');
	write_file("$directory/docker/docker.away", '');
	$ENV{PATH} = "$directory/docker:$without";
	like(result_with("tool: container\nimage: x\n", @container),
		qr/^container: no containers run here: docker: cannot connect to the daemon$/, 'container: docker without its daemon');
	copy("$directory/docker/docker", "$directory/docker/podman") || die "could not copy: $!";
	chmod 0755, "$directory/docker/podman";
	like(result_with("tool: container\nimage: x\ncommand: cat\nenv: {SECRET: told}\n", @container), qr/"stdout": "told\\n/,
		'container: podman then');
}
{
	local $ENV{PATH} = $without;
	like(result_with("tool: container\nimage: x\n", @container),
		qr/^container: neither docker nor podman is on the PATH of the worker$/, 'container: a machine without any');
}

done_testing();
