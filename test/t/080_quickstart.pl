# "make quickstart": every command that it prints works when it is pasted into a
# shell, what its user made survives a second one, and what cannot work is
# noticed before anything is installed.
use strict;
use warnings;

use File::Basename qw(dirname);
use HTTP::Tiny;
use PostgreSQL::Test::Utils;
use Test::More;

# check.sh copies the tree there, built, for the user that runs the servers.
my $source = dirname(__FILE__) . '/../../source';

# A server that looks for extensions in its own directories only has what "make
# check" installed there; this user may not install it again.
if (-e $ENV{TEMP_CONFIG} && slurp_file($ENV{TEMP_CONFIG}) !~ /dynamic_library_path/)
{
	plan skip_all => 'the quickstart would install into this PostgreSQL';
}

my $parent = PostgreSQL::Test::Utils::tempdir_short();
my $dir = "$parent/quickstart";

# The environment of somebody with other servers, whose files are private.
$ENV{PGPORT} = 1;
$ENV{PGHOST} = '/nonexistent';
$ENV{QUICKSTART_DIR} = $dir;
umask 077;

# Runs a command of the shell in bash; returns its exit status and what it wrote.
sub shell
{
	my ($command) = @_;
	open my $script, '>', "$parent/script" or die $!;
	print $script $command;
	close $script;
	my $output = `bash $parent/script 2>&1 </dev/null`;
	return ($?, $output);
}

sub make
{
	return shell("make -C $source @_");
}

# However the test ends, no server stays behind.
END
{
	my $status = $?;
	make('quickstart-stop') if defined $dir && -e $dir;
	$? = $status;
}

# The commands that were printed: lines indented by four blanks, up to an empty
# one.
sub commands
{
	my ($output) = @_;
	my @commands;
	while ($output =~ /^((?: {4}.*\n)+)/mg)
	{
		push @commands, $1;
	}
	return @commands;
}

# Runs a printed command as it stands; returns its output.
sub try_command
{
	my ($command, $label) = @_;
	my ($name) = $command =~ /^ *(.{1,60})/;
	my ($status, $output) = shell($command);
	is($status, 0, "$label: $name");
	unlike($output, qr/ERROR|FATAL|error:/, "$label: no error of $name")
	  or diag($command);
	return $output;
}

# A browser's cookies.
package Jar
{
	sub new { return bless {}, shift }
	sub add { my ($self, $url, $cookie) = @_; $self->{$1} = $2 if $cookie =~ /^([^=]+)=([^;]*)/; return }
	sub cookie_header { my ($self) = @_; return join('; ', map { "$_=$self->{$_}" } sort keys %$self) }
}

# What cannot work.

my ($status, $output) = make('quickstart', 'PG_CONFIG=/nonexistent/pg_config');
isnt($status, 0, 'a PG_CONFIG that is not there is refused');
like($output, qr/PG_CONFIG is "\/nonexistent\/pg_config"/, 'and named');
unlike($output, qr/Installing|Reading/, 'before anything is installed');

($status, $output) = make('quickstart', 'PG_CONFIG=/bin/true');
isnt($status, 0, 'a PG_CONFIG that is something else is refused');
like($output, qr/not PostgreSQL's pg_config/, 'and said to be');

# Whatever the mount is called, a program in it cannot be run.
my ($noexec) = grep { -d $_ && -w $_ }
  map { /^\S+ (\S+) \S+ \S*\bnoexec\b/ ? $1 : () }
  split /\n/, slurp_file('/proc/mounts');
SKIP:
{
	skip 'no directory here is writable and mounted noexec', 2
	  unless defined $noexec;
	($status, $output) = make('quickstart', "QUICKSTART_DIR=$noexec/noetl-test");
	isnt($status, 0, "a directory in $noexec, mounted noexec, is refused");
	like($output, qr/cannot be run in \Q$noexec\E.*TMPDIR=/, 'with a way out');
}

mkdir "$parent/precious";
($status, $output) = make('quickstart', "QUICKSTART_DIR=$parent/precious");
isnt($status, 0, 'a directory that is not a quickstart is refused');
ok(-d "$parent/precious", 'and not removed');

# The first one.

($status, $output) = make('quickstart');
is($status, 0, 'make quickstart') or BAIL_OUT($output);
my $playbook = slurp_file("$source/test/playbooks/weather.yaml");
my $shown = join '', map { /^  \| (.*\n)/ ? $1 : () } split /(?<=\n)/, $output;
ok(index($shown, $playbook) >= 0, 'the text of the playbook is shown');
like($output, qr/\Q$dir\E\/weather.yaml/, 'and its file named');

my @printed = commands($output);
cmp_ok(scalar @printed, '>=', 15, 'commands are printed');
my @last = splice @printed, -2;
like($last[0], qr/quickstart RESET=1/, 'the last but one starts anew');
like($last[1], qr/quickstart-stop/, 'the last one stops');

# The console, which goes on when make has ended.

my $web = HTTP::Tiny->new(max_redirect => 0, timeout => 60, cookie_jar => Jar->new);

# Logs in as the output says; returns the overview, or what came instead.
sub console_page
{
	my ($text) = @_;
	my ($address) = $text =~ m{and act: (http://127\.0\.0\.1:\d+)/};
	my ($password) = $text =~ /with the password (\S+)/;
	return "no address in $text" unless defined $password;
	my ($token) = ($web->get("$address/login")->{content} || '') =~ /name="csrf" value="(\w+)"/;
	return "no form at $address" unless defined $token;
	my $answer = $web->post_form("$address/login", { csrf => $token, role => 'operator', password => $password });
	return "status $answer->{status}" unless $answer->{status} == 303;
	return $web->get("$address/executions")->{content};
}

SKIP:
{
	skip 'noetl-console is not built (no libmicrohttpd)', 2 unless -x "$source/src/console/noetl-console";
	like(console_page($output), qr{examples/weather.*COMPLETED|COMPLETED.*examples/weather}s, 'the console shows the executions');
	my $strange = HTTP::Tiny->new(max_redirect => 0, timeout => 60);
	my ($address) = $output =~ m{and act: (http://\S+)/};
	is($strange->get("$address/executions")->{headers}{location}, '/login', 'to who has the password');
}

my $waiting = 0;
foreach my $command (@printed)
{
	if ($command =~ /noetl-worker/ && $command !~ /--once/)
	{
		# Ctrl-C after a moment.
		$waiting++;
		$command =~ s/^ +/timeout --signal=INT 2 /;
		my ($ended, $log) = shell("$command\n[ \$? -eq 124 ]");
		is($ended, 0, 'the worker waits until it is interrupted');
		like($log, qr/executes/, 'and was at work');
		next;
	}
	$output = try_command($command, 'first');
	like($output, qr/"execution_id": "\d+"/, ':id is set') if $command =~ /:id/;
	like($output, qr/^    "status"/m, 'jsonb is laid out') if $command =~ /jsonb_pretty/;
}
is($waiting, 1, 'one worker waits for more');

# The second one: nothing is lost, and the text is the user's.

my $query = "psql 'host=$dir port=5432 user=postgres dbname=noetl' -AtX -c";
shell("$query 'CREATE TABLE mine AS SELECT 42 AS answer'");
my ($before, $running) = (slurp_file("$dir/data/postmaster.pid"), undef);
($status, $output) = make('quickstart');
is($status, 0, 'a second make quickstart');
like($output, qr/RESET=1/, 'says how to start anew');
like($output, qr/^  \|.*take a coat and gloves/m, 'and shows the text as it was edited');
is(slurp_file("$dir/data/postmaster.pid"), $before, 'the server is the same');
SKIP:
{
	skip 'noetl-console is not built (no libmicrohttpd)', 3 unless -x "$source/src/console/noetl-console";
	my $console = slurp_file("$dir/console/pid");
	like(console_page($output), qr{examples/weather}, 'and so is the console');
	kill('TERM', $console);
	for (1 .. 600) { last unless kill(0, $console); select(undef, undef, undef, 0.1) }
	ok(!kill(0, $console), 'which ends when it is told to');
	($status, $output) = make('quickstart');
	like(console_page($output), qr{examples/weather}, 'and is started again');
}
($status, $running) = shell("$query 'SELECT answer FROM mine'");
is($running, "42\n", 'and what was made in it is there');
($status, $running) = shell("$query 'SELECT plan FROM weather_plan ORDER BY execution_id DESC LIMIT 1'");
like($running, qr/gloves/, 'the text that was edited is what ran');

# A server that is down is started, with its data.
system_log("pg_ctl", '-D', "$dir/data", '-m', 'fast', '-s', '-w', 'stop');
ok(!-e "$dir/data/postmaster.pid", 'the server is down');
($status, $output) = make('quickstart');
is($status, 0, 'a third make quickstart');
($status, $running) = shell("$query 'SELECT answer FROM mine'");
is($running, "42\n", 'and what was made is still there');

# Text that is wrong is an error, not a run of the text before.
append_to_file("$dir/weather.yaml", "\nworkflow: {\n");
($status, $output) = make('quickstart');
isnt($status, 0, 'a text that is no playbook fails');
like($output, qr/^  \|.*ERROR/m, 'with its error');

# The last two.

($status, $output) = shell($last[0]);
is($status, 0, 'starting anew');
my $console_process = -e "$dir/console/pid" ? slurp_file("$dir/console/pid") : 0;
($status, $running) = shell("$query \"SELECT to_regclass('mine') IS NULL\"");
is($running, "t\n", 'leaves nothing of before');
try_command($last[1], 'stop');
ok(!-e $dir, 'the directory is gone');
SKIP:
{
	skip 'noetl-console is not built (no libmicrohttpd)', 1 unless -x "$source/src/console/noetl-console";
	ok(!kill(0, $console_process), 'and no console is left');
}
($status, $output) = make('quickstart-stop');
is($status, 0, 'stopping again');
like($output, qr/no quickstart/, 'says that there is none');

done_testing();
