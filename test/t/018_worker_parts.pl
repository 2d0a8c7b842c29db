# The parts of noetl-worker one by one, in a small program (worker_parts.c) that is linked
# with their objects: what they make of texts, good and bad.  expected/worker_parts.txt has
# a call on each line, and behind the arrow what comes of it.
use strict;
use warnings;

use FindBin;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my @objects = grep { !m{/main\.o$} } glob("$root/src/worker/*.o");
plan skip_all => 'the objects of noetl-worker are not here' unless @objects;

# The program
my $directory = PostgreSQL::Test::Utils::tempdir_short();
sub says { my ($command) = @_; return split ' ', `$command` }
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
# what the objects were compiled with, they may need again
my @more = $ENV{COPT} ? split(' ', $ENV{COPT}) : '-Werror';
IPC::Run::run([ $ENV{CC} || 'cc', '-std=gnu11', '-g', '-O1', '-Wall', @more, "-I$root/src/worker", '-I' . (says("$pg_config --includedir"))[0], says('curl-config --cflags'),
	'-o', "$directory/parts", "$FindBin::RealBin/worker_parts.c", @objects, '-L' . (says("$pg_config --libdir"))[0], '-lpq', says('curl-config --libs'), '-lm', '-ldl', '-lpthread' ]) or BAIL_OUT('it does not compile');

# What makes calls fail
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', "$directory/fail.so", "$FindBin::RealBin/fail.c", '-ldl');

# What it takes for DuckDB, and for a DuckDB that is too old
system_or_bail('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Werror', @{ $_->[1] }, '-o', "$directory/$_->[0]", "$FindBin::RealBin/duck.c") foreach [ 'duck.so', [] ], [ 'old.so', ['-DOLD'] ];

# What it takes for Python: it says hello, and answers what the action says, in digits
sub file
{
	my ($path, $content, $mode) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $content;
	close $file;
	chmod $mode // 0600, $path;
}
my $fake = <<'EOT';
#!/usr/bin/perl
use strict;
open my $channel, '+<&=', 3 or die;
$channel->autoflush(1);
sub frame { return pack('N', length $_[0]) . $_[0] }
HELLO
sysread($channel, my $length, 4) == 4 or exit;
my $request = '';
sysread($channel, $request, unpack('N', $length) - length $request, length $request) or exit while length $request < unpack('N', $length);
print STDERR "said\n" if $request =~ /"says"/;
print $channel pack('H*', $1) if $request =~ /"raw":"([0-9a-f]*)"/;
print $channel frame("$1" . pack('N', $2) . $3) if $request =~ /"frame":"(..)(\d+):([^"]*)"/;
close STDOUT if $request =~ /"closes"/;
exit $1 if $request =~ /"exits":(\d+)/;
close $channel if $request =~ /"breaks"/;
sleep 30;
EOT
file("$directory/fake", $fake =~ s/HELLO/print \$channel frame("Sk\\0\\0\\0\\x003.11");/r, 0755);
file("$directory/short", $fake =~ s/HELLO/print \$channel frame("Sk");/r, 0755);
file("$directory/mute", $fake =~ s/HELLO/exit 3;/r, 0755);

# What it finds: scripts, credentials, variables
chdir $directory or die $!;
mkdir $_, 0700 foreach qw(scripts scripts/below scriptsx more cred cred/directory);
file('scripts/good.sql', "SELECT 1\n");
file('scripts/below/deep.sql', "deep\n");
file('scripts/empty', '');
file('scripts/latin', "a\xff");
file('scripts/zero', "a\0b");
file('scripts/most', 'x' x (16 * 1024 * 1024));
file('scripts/large', 'x' x (16 * 1024 * 1024 + 1));
file($_, "x\n") foreach qw(outside.sql scriptsx/other.sql);
file('more/one.sql', "1\n");
my $socket = IO::Socket::UNIX->new(Local => 'scripts/socket', Listen => 1) or die $!;
symlink '../outside.sql', 'scripts/link';
system_or_bail('mkfifo', '-m', '600', $_) foreach qw(scripts/pipe cred/fifo);
file('cred/good', "good\n");
file('cred/lines', "a\nb\r\n\n");
file('cred/open', "x\n", 0644);
file('cred/groupread', "x\n", 0640);
file('cred/big', 'x' x 70000);
file("cred/$_", "x\n") foreach '.hidden', '-dash', 'sp ace';
delete @ENV{ grep { /^(PG|NOETL_|CREDENTIALS_)/ } keys %ENV };
%ENV = (%ENV, SCRIPTS => 'scripts/,more,http://127.0.0.1:1/ok', SHOWN => 'shown "value"', PASSED => 'passed', PGSSLMODE => 'prefer', PGPASSWORD => 'pgpassword', DUCK_SAYS => 1, TMPDIR => $directory, NOETL_DUCKDB_DIR => 'ducks');
my %credential = (
	PLAIN => 'plain-secret', MAP => '{"token": "map-token", "user": "u"}', BOUND => '{"token": "t", "hosts": "api.example"}', MAILONLY => '{"token": "t", "tools": "mail"}', WEBONLY => '{"token": "t", "tools": "web"}',
	MANY => '{"token": "t", "tools": "web, mail x", "n": 1, "z": null}', ANYTOOL => '{"token": "t", "tools": "*"}', DSN => 'host=dsn dbname=d', PGMAP => ' {"db_host": "pg", "user": "u", "port": 5433}', URI => 'postgresql://u@uri/d',
	BADMAP => '{"x": "y"}', BEARER => '{"type": "bearer", "token": "bt", "hosts": "api.example"}', APIKEY => '{"key": "X-Cred-Key", "value": "kv", "hosts": "*"}', UNBOUND => '{"token": "t"}', ELSEWHERE => '{"token": "et"}',
	ELSEWHERE_HOSTS => '*.example', BOTH => '{"username": "bu", "password": "bp", "hosts": "api.example"}', HEADERS => '{"type": "headers", "X-One": "1", "X-Two": 2, "hosts": "api.example"}', RAW => 'raw-token', RAW_HOSTS => 'api.example', RAW_TOOLS => 'mail');
$ENV{"NOETL_AUTH_$_"} = $credential{$_} foreach keys %credential;

# The calls
my @wanted = grep { !/^#/ } split /\n/, slurp_file("$root/expected/worker_parts.txt");
my $calls = join '', map { s/ ->.*//sr . "\n" } @wanted;
my ($seen, $log) = ('', '');
$ENV{LD_PRELOAD} = "$directory/fail.so";
IPC::Run::run([ "$directory/parts" ], \$calls, '>', \$seen, '2>', \$log, IPC::Run::timeout(180));
is($?, 0, 'the program comes to its end');
delete $ENV{LD_PRELOAD};
# how libcurl says it, and where this is
$seen =~ s/Failed to connect[^\]]*?(?=: GET)/no connection/g;
$seen =~ s/noetl-duckdb-\d+/noetl-duckdb-UID/g;
$seen =~ s/(?:\Q$directory\E|\Q${\ readlink_f($directory)}\E)/./g;
sub readlink_f { my ($path) = @_; return (split /\n/, `readlink -f '$path'`)[0] }
my @seen = split /\n/, $seen;
is(scalar(@seen), scalar(@wanted), 'as many answers as calls');
foreach my $i (0 .. $#wanted)
{
	my $call = $wanted[$i] =~ s/ ->.*//sr;
	is($seen[$i], $wanted[$i], substr($call =~ s/[#\\]/./gr, 0, 100));
}
done_testing();
