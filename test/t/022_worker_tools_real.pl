# Tools against what they are made for: a server of the Model Context Protocol from npm's
# registry, and containers.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkerTest;

my $mcp_package = '@modelcontextprotocol/server-everything@2026.8.31';
my $node = start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir_short();
$ENV{HOME} = "$directory/home";
mkdir $ENV{HOME};

# Runs a command; returns whether it succeeds, and what it says.
sub run_in_directory
{
	my ($command, $input) = @_;
	my $said = '';
	$input = '' unless defined $input;
	my $ok = eval {
		IPC::Run::run($command, \$input, '>', \$said, '2>', \$said,
			init => sub { chdir $directory }, IPC::Run::timeout(300));
	};
	$said = $@ if $@;
	my ($last) = $said =~ /([^\n]{0,200})\n*\z/;
	return ($ok, $last);
}

# The result of a task that is drained by a worker with these options.
sub result_with
{
	my ($keys, @options) = @_;
	my $execution = execute_step($keys);
	drain(@options);
	return result_of($execution, 'result', undef) || result_of($execution, "coalesce(error, '')", 'action_error');
}

#
# mcp
#
SKIP:
{
	my ($ok, $said) = run_in_directory([ qw(node --version) ]);
	skip("node does not run here", 6) unless $ok;
	mkdir "$directory/npm";
	($ok, $said) = run_in_directory([ qw(npm install --no-audit --no-fund --ignore-scripts --fetch-retries 1 --fetch-timeout 20000),
			'--cache', "$directory/cache", '--prefix', "$directory/npm", $mcp_package ]);
	skip("$mcp_package cannot be installed here: $said", 6) unless $ok;
	my @mcp = ('--tool', 'mcp', '-t', 'mcp');
	my $server = "tool: mcp\ncommand: [$directory/npm/node_modules/.bin/mcp-server-everything, stdio]\n";
	like(result_with("${server}list: true\n", @mcp), qr/"name": "echo"/, 'mcp: the tools of the server');
	like(result_with("${server}call: echo\narguments: {message: \"good \xe2\x98\x83 day\"}\n", @mcp), qr/"text": "Echo: good \xe2\x98\x83 day"/,
		'mcp: a call');
	like(result_with("${server}call: get-sum\ndata: {a: 2, b: 3}\n", @mcp), qr/"text": "The sum of 2 and 3 is 5\."/,
		'mcp: the input of the step is what the tool gets');
	like(result_with("${server}call: get-structured-content\narguments: {location: Chicago}\n", @mcp), qr/"json": \{.*"temperature": \d+/,
		'mcp: structured content');
	like(result_with("${server}call: none\n", @mcp), qr/^mcp: .*none/, 'mcp: a tool that the server does not have');
	like(result_with("${server}call: get-sum\narguments: {a: x}\n", @mcp), qr/^mcp: .*get-sum/, 'mcp: arguments that it refuses');
}

#
# container
#

# A machine may limit what containers ask for by default.
append_to_file("$directory/containers.conf", <<"EOT");
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
EOT
$ENV{CONTAINERS_CONF} = "$directory/containers.conf";
my $runtime;

# Makes an image of the shell of this machine: none comes over the network.
sub make_image
{
	mkdir "$directory/root";
	foreach my $program ('/bin/sh', '/bin/cat', '/bin/sleep')
	{
		my ($libraries) = (`ldd $program 2>&1` || '');
		foreach my $file ($program, $libraries =~ m{(/\S+)}g)
		{
			my ($into) = $file =~ m{^(.*)/};
			system('mkdir', '-p', "$directory/root$into") == 0 && system('cp', '-L', $file, "$directory/root$file") == 0
			  || die "could not copy $file";
		}
	}
	mkdir "$directory/root/$_" foreach qw(tmp proc dev etc);
	system('tar', 'cf', "$directory/image.tar", '--owner=0', '--group=0', '--numeric-owner', '-C', "$directory/root", '.') == 0 || die "could not pack the image";
	return run_in_directory([ $runtime, 'import', "$directory/image.tar", 'noetl-test:1' ]);
}

SKIP:
{
	my ($ok, $said, @reasons);
	foreach my $program ('docker', 'podman')
	{
		($ok, $said) = run_in_directory([ $program, 'version' ]);
		push @reasons, "$program: $said" unless $ok;
		$runtime = $program if $ok && !$runtime;
	}
	skip("no containers here: @reasons", 8) unless $runtime;
	($ok, $said) = make_image();
	skip("$runtime takes no image: $said", 8) unless $ok;
	($ok, $said) = run_in_directory([ $runtime, 'run', '--rm', '--network', 'none', 'noetl-test:1', '/bin/sh', '-c', 'echo up' ]);
	if (!$ok && $runtime eq 'podman')
	{
		# its other runtime, where the usual one does not know these control groups
		append_to_file("$directory/containers.conf", qq(runtime = "runc"\n));
		($ok, $said) = run_in_directory([ $runtime, 'run', '--rm', '--network', 'none', 'noetl-test:1', '/bin/sh', '-c', 'echo up' ]);
	}
	skip("$runtime runs no container: $said", 8) unless $ok;

	my @container = ('--tool', 'container', '-t', 'container', '--pass-env', 'CONTAINERS_CONF');
	# each reads its input to the end: podman loses the output of a program that ends at once
	my $keys = "tool: container\nimage: noetl-test:1\npull: never\nnetwork: none\n";
	like(result_with("${keys}command: 'echo \"\$SECRET\"; cat'\nenv: {SECRET: told}\ndata: {a: 1}\n", @container),
		qr/"stdout": "told\\n\{\\"a\\": 1\}"/, "container: environment, input and output by $runtime");
	like(result_with("${keys}command: 'cat; echo bad day >&2; exit 3'\n", @container), qr/^container: exited with code 3: .*bad day$/,
		'container: an exit code');
	like(result_with("${keys}command: [/no/such/program]\n", @container), qr/^container: /, 'container: a program that is not there');
	like(result_with("tool: container\nimage: never-there:1\npull: never\n", @container), qr/^container: $runtime could not run it: /,
		'container: an image that is not there');
	like(result_with("${keys}command: 'cat; while read l; do echo \"\$l\"; done < /proc/net/dev'\n", @container), qr/lo:/,
		'container: a network of its own');
	like(result_with("${keys}command: 'sleep 600'\ntimeout: 3\n", @container), qr/^timed out after 3 seconds$/, 'container: a timeout');
	my @tasks = map { execute_step("${keys}command: 'cat; echo task $_'\n") } 1 .. 4;
	drain(@container, '--concurrency', 4);
	is(join(',', map { result_of($_, "result #>> '{data,stdout}'") =~ /task (\d)/ } @tasks), '1,2,3,4', 'container: several at once');
	($ok, $said) = run_in_directory([ $runtime, 'ps', '--all', '--quiet', '--filter', 'label=noetl.execution' ]);
	is($said, '', 'container: none stays behind');
	run_in_directory([ $runtime, 'rmi', '--force', 'noetl-test:1' ]);
	# podman leaves a process for each home that holds its namespaces
	run_in_directory([ $runtime, qw(system migrate) ]) if $runtime eq 'podman';
}

done_testing();
