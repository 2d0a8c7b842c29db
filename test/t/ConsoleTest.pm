# What tests of noetl-console share: a database with roles, consoles, a browser
# that knows cookies and forms.
package ConsoleTest;
use strict;
use warnings;

use Exporter 'import';
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_database sql start_console login get post form_token request raw_socket url_part session_cookie);

my $node;
my @started;
my $http = HTTP::Tiny->new(max_redirect => 0, timeout => 60, keep_alive => 0);

# Starts a server whose roles, but postgres, log in by their password.
sub start_database
{
	my ($setup) = @_;
	$node = PostgreSQL::Test::Cluster->new('main');
	$node->init;
	$node->append_conf('postgresql.conf', 'max_connections = 60');
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION noetl; SELECT noetl.create_roles(); $setup");
	unlink($node->data_dir . '/pg_hba.conf');
	my $me = $node->safe_psql('postgres', 'SELECT quote_ident(current_user)');
	$node->append_conf('pg_hba.conf', "local all $me trust\nlocal all walk_in trust\nlocal all all scram-sha-256\n");
	$node->reload;
	return $node;
}

# The answer to a query of the superuser.
sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# Starts a console; returns {base, port, harness, cookies, log}: log returns what it has
# written to stderr.
sub start_console
{
	my (@options) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $harness = IPC::Run::start(
		[ 'noetl-console', '--connect', $node->connstr('postgres'), '--listen', '127.0.0.1:0', @options ],
		\$in, '>', \$out, '2>', \$err, IPC::Run::timeout(300));
	$harness->pump until $out =~ m{http://\S+:(\d+)/\n};
	push @started, $harness;
	return { base => "http://127.0.0.1:$1", port => $1, harness => $harness, cookies => {}, log => sub { return $err } };
}

# Another browser at the same console.
sub browser
{
	my ($console) = @_;
	return { %$console, cookies => {} };
}

# The cookie of a browser's session, or of another token, as a header has it.
sub session_cookie
{
	my ($browser, $token) = @_;
	return "noetl_session_$browser->{port}=" . (defined $token ? $token : $browser->{cookies}{noetl_session});
}

# Sends a request as a browser; keeps its cookies, whose names end with the port of the
# console, by the rest of their names.
sub request
{
	my ($browser, $method, $path, %options) = @_;
	my %headers = %{ $options{headers} || {} };
	my $cookies = join('; ', map { "${_}_$browser->{port}=$browser->{cookies}{$_}" } sort keys %{ $browser->{cookies} });
	$headers{Cookie} = $cookies if $cookies ne '' && !exists $headers{Cookie};
	my $answer = $http->request($method, $browser->{base} . $path,
		{ headers => \%headers, (defined $options{content} ? (content => $options{content}) : ()) });
	my $set = $answer->{headers}{'set-cookie'} || [];
	foreach my $cookie (ref $set ? @$set : $set)
	{
		my ($name, $value) = $cookie =~ /^([^=]+)_$browser->{port}=([^;]*)/;
		if ($value eq '') { delete $browser->{cookies}{$name} }
		else { $browser->{cookies}{$name} = $value }
	}
	return $answer;
}

sub get
{
	my ($browser, $path) = @_;
	return request($browser, 'GET', $path);
}

# A value as a part of a URL or a form.
sub url_part
{
	my ($value) = @_;
	$value =~ s/([^A-Za-z0-9_.~-])/sprintf('%%%02X', ord $1)/ge;
	return $value;
}

# Sends a form, [name => value, ...].
sub post
{
	my ($browser, $path, $fields, %headers) = @_;
	my @pairs;
	my @fields = @$fields;
	while (my ($name, $value) = splice(@fields, 0, 2))
	{
		push @pairs, url_part($name) . '=' . url_part($value);
	}
	return request($browser, 'POST', $path, content => join('&', @pairs),
		headers => { 'Content-Type' => 'application/x-www-form-urlencoded', %headers });
}

# The token of the forms of a page.
sub form_token
{
	my ($browser, $path) = @_;
	my ($token) = get($browser, $path)->{content} =~ /name="csrf" value="([0-9a-f]{64})"/;
	return $token;
}

# Logs in; returns a browser, with {answer} and {csrf}.
sub login
{
	my ($console, $role, $password) = @_;
	my $browser = browser($console);
	my $token = form_token($browser, '/login');
	$browser->{answer} = post($browser, '/login', [ csrf => $token, role => $role, password => $password ]);
	$browser->{csrf} = form_token($browser, '/schedules') if $browser->{answer}{status} == 303;
	return $browser;
}

# A connection that speaks no HTTP by itself.
sub raw_socket
{
	my ($console, $text) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $console->{port}, Timeout => 10)
	  or return;
	$socket->autoflush(1);
	print $socket $text if defined $text;
	return $socket;
}

# However the test ends, no console stays behind.
END
{
	my $status = $?;
	foreach my $console (@started)
	{
		$console->kill_kill if $console->pumpable;
	}
	$? = $status;
}

1;
