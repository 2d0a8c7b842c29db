# Credentials from files and commands, and where their values do not go.
use strict;
use warnings;

use File::Find;
use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $directory = PostgreSQL::Test::Utils::tempdir();
my @servers;
END { kill 'KILL', @servers if @servers; }

# A server that repeats all it is told, with the status that the path names.
sub serve
{
	my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1)
	  || die "could not listen: $!";
	my $pid = fork();
	die "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		while (my $client = $listener->accept)
		{
			my $text = '';
			sysread($client, $text, 65536, length $text) or last while $text !~ /\r\n\r\n/;
			append_to_file("$directory/seen", $text);
			my ($status) = $text =~ m{^\S+ /(\d+)};
			my ($key) = $text =~ /^Authorization: (?:Bearer )?(.*?)\r$/mi;
			my $decoded = defined $key && $key =~ /^Basic (\S+)/ ? decode_base64($1) : '';
			$text =~ s/[\r\n"\\]+/ /g;
			my $body = qq({"echo": "$text", "decoded": "$decoded"});
			$body = qq({"error": {"message": "bad key $key"}}) if $text =~ /chat/;
			syswrite($client, "HTTP/1.1 $status X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
				  . length($body) . "\r\n\r\n$body");
			close $client;
		}
		POSIX::_exit(0);
	}
	push @servers, $pid;
	return $listener->sockport;
}
my $port = serve();

my $node = start_broker();
$node->append_conf('postgresql.conf', "log_statement = all\nlog_min_duration_statement = 0\nlog_parameter_max_length = -1");
$node->reload;

#
# Where they come from
#
my $files = "$directory/credentials";
my $systemd = "$directory/systemd";
mkdir $_, 0700 foreach $files, $systemd;
sub bearer { return qq({"type": "bearer", "token": "$_[0]", "hosts": "127.0.0.1"}); }
keep("$files/file-key", bearer('planted-in-file') . "\n", 0600);
keep("$files/open-key", bearer('planted-open'), 0644);
keep("$systemd/unit-key", bearer('planted-in-unit'), 0400);
mkdir "$files/folder";
my $command = keep("$directory/vault", <<"EOT", 0700);
#!/bin/sh
echo "\$*" >>$directory/asked
case \$1 in
vault-key) echo '@{[ bearer('planted-in-vault') ]}';;
slow-key) sleep 60;;
*) echo "no entry \$1" >&2; exit 3;;
esac
EOT
$ENV{NOETL_AUTH_ENV_KEY} = bearer('planted-in-env');
$ENV{NOETL_AUTH_BASIC_KEY} = '{"type": "basic", "username": "ann", "password": "planted\"basic", "hosts": "127.0.0.1"}';
$ENV{NOETL_AUTH_LLM_KEY} = qq({"token": "planted-in-llm", "hosts": "127.0.0.1", "tools": "llm"});
$ENV{NOETL_AUTH_DB_KEY} = $node->connstr('postgres') . ' password=planted-in-dsn';
$ENV{CREDENTIALS_DIRECTORY} = $systemd;
my $at = "http://127.0.0.1:$port";
my $talk = "tool: http\nurl: $at/%d\nauth: %s\n";
my %job = map { $_ => execute_step(sprintf $talk, 200, $_) }
  qw(file-key open-key unit-key vault-key env-key basic-key no-key slow-key folder ../escape);
my %bad = map { $_ => execute_step(sprintf $talk, 500, $_) } qw(file-key unit-key vault-key env-key basic-key);
my $llm = execute_step("tool: llm\nbase_url: $at/401\nmodel: m\nprompt: x\ncredential: llm-key\n");
my $db = execute_step("tool: postgres\ncommand: SELECT 1/0\nauth: db-key\n");
my $again = execute_step(sprintf $talk, 200, 'vault-key');
# a tool that prints lines of its key
$ENV{NOETL_AUTH_PEM_KEY} = '{"token": "-----BEGIN KEY-----\nplanted-in-a-first-line\nplanted-in-the-last\nshort\n-----END KEY-----", "tools": "liner"}';
keep("$directory/liner", <<'EOT', 0755);
#!/bin/sh
read -r line
id=$(echo "$line" | grep -o '"id": *"[^"]*"' | head -n 1)
echo "{$id, "'"result": "-----BEGIN KEY----- planted-in-a-first-line short, planted-in-the-last"}'
read line
EOT
my $lines = execute_step("tool: liner\ncredential: pem-key\n");
my @options = ('--credentials', $files, '--credential-command', $command, '--tool', 'llm', '--tool', "liner=$directory/liner");
my $log = drain(@options, '-v');

my $seen = slurp_file("$directory/seen");
like($seen, qr/\Q$_\E/, "the server has got $_") foreach qw(planted-in-file planted-in-unit planted-in-vault planted-in-env planted-in-llm);
my %says = (
	'open-key' => qr{^credential "open-key" cannot be used: "\S+/open-key" can be read by others: its mode must be 0600$},
	'no-key' => qr/^credential "no-key" cannot be used: --credential-command exited with code 3: no entry no-key$/,
	'slow-key' => qr/^credential "slow-key" cannot be used: --credential-command took longer than 10 seconds$/,
	'folder' => qr/^credential "folder" cannot be used: ".*" is not a file$/,
	'../escape' => qr/^credential "..\/escape" is not known here/);
like(result_of($job{$_}, 'error', 'action_error'), $says{$_}, "credential $_") foreach sort keys %says;
unlike($seen, qr/planted-open/, 'what others can read is not used');
is(() = slurp_file("$directory/asked") =~ /^vault-key$/mg, 1, 'the command is not asked for each task');

# A file is closed when its value has been read: a worker that may have few open reads it often.
my $often = execute_step(<<"EOT");
type: iterator
collection: "{{ range(100) | list }}"
element: x
task: {tool: http, url: "$at/200", auth: file-key}
EOT
my $few;
IPC::Run::run([ 'sh', '-c', 'ulimit -n 64; exec noetl-worker "$@"', 'sh', '--connect', $node->connstr('postgres'), '--once', '--credentials', $files ],
	'>', \$few, '2>', \$few, IPC::Run::timeout(180));
is(result_of($often, "result -> 'total_iterations'"), '100', 'a hundred tasks use a file') or diag($few);

#
# Where they do not go
#
like(result_of($job{$_}, "result #>> '{data,data,echo}'"), qr/authorization: Bearer \[redacted\]/i, "a result that repeats the secret of $_")
  foreach qw(file-key unit-key vault-key env-key);
is(result_of($job{'basic-key'}, "result #>> '{data,data,decoded}'"), 'ann:[redacted]', 'and one that has decoded it');
like(result_of($bad{$_}, 'error', 'action_error'), qr/HTTP 500.*\[redacted\]/s, "an error that repeats the secret of $_")
  foreach qw(file-key env-key);
is(result_of($lines, "result #>> '{}'"), '-----BEGIN KEY----- [redacted] short, [redacted]', 'lines of a key, but not what every key has');
is(result_of($llm, 'error', 'action_error'), 'llm: HTTP 401: bad key [redacted]', 'the error of a tool');
like(result_of($db, 'error', 'action_error'), qr/division by zero/, 'a database with a password');
# a task that finds the file can read it: what it reports then is its own
like($log, qr/\[redacted\]/, 'the log shows where something was cut');

# The data directory has tables, indexes and WAL.
my $secrets = join '|', qw(planted-in planted-open), 'planted.{1,3}basic', encode_base64('ann:planted"basic', '');
sub scan
{
	my ($path) = @_;
	my @found;
	find({ no_chdir => 1, wanted => sub {
		return unless -f $_;
		open my $file, '<:raw', $_ or return;
		local $/;
		my $text = <$file>;
		push @found, $_ if defined $text && $text =~ /$secrets/;
	} }, $path);
	return join ' ', @found;
}
sql('CHECKPOINT');
is(scan($node->data_dir), '', 'no secret in tables and WAL');
unlike(slurp_file($node->logfile), qr/$secrets/, 'nor in the log of the server');
unlike($log, qr/$secrets/, 'nor in the log of the worker');
my $plant = sql("SELECT 'planted-in-' || 'the-table' AS x INTO planted");
sql('CHECKPOINT');
isnt(scan($node->data_dir), '', 'the scan finds what is there');

# Command lines, while tasks are executed.
keep("$directory/slow-tool", "#!/bin/sh\nread line\nsleep 4\necho '{\"id\": \"1\", \"result\": 1}'\nread line\n", 0755);
$ENV{NOETL_AUTH_SLOW} = '{"token": "planted-in-argv", "tools": "slow"}';
execute_step("tool: slow\ncredential: slow\n");
my $out;
my $worker = start_worker(\$out, '--once', '--tool', "slow=$directory/slow-tool", '-t', 'slow');
wait_for("SELECT EXISTS (SELECT FROM noetl.queue WHERE status = 'leased' AND node_type = 'slow')");
my $everything = '';
for (1 .. 20)
{
	$everything .= `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`;
	sleep 0.05;
}
like($everything, qr/slow-tool/, 'the tool is at work');
unlike($everything, qr/planted-in-argv/, 'no secret on a command line');
$worker->finish;
is($worker->result(0), 0, 'and it ends');

done_testing();
