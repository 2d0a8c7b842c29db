# Another library of the process may define functions of any name: noetl calls
# its own functions all the same.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

# Finds the library where the server finds it.
sub find_library
{
	my $pkglibdir = `pg_config --pkglibdir`;
	chomp $pkglibdir;
	my $path = $node->safe_psql('postgres', 'SHOW dynamic_library_path');
	foreach my $dir (split(/:/, $path))
	{
		$dir =~ s/\$libdir/$pkglibdir/;
		return "$dir/noetl.so" if -e "$dir/noetl.so";
	}
	my ($inst) = eval { $node->safe_psql('postgres', 'SHOW extension_destdir') };
	return "$inst$pkglibdir/noetl.so" if defined $inst && -e "$inst$pkglibdir/noetl.so";
	return "$pkglibdir/noetl.so";
}

# A library that defines a function for each function inside noetl.so; each
# ends the process when it is called.
my $library = find_library();
my %names = map { $_ => 1 } grep { !/^(_|pg_finfo_|noetl_|Pg_magic_func|frame_dummy|deregister_tm|register_tm|atexit)/ }
  `nm '$library'` =~ /^[0-9a-f]+ [tT] (\w+)$/mg;
$names{finish} = 1;
cmp_ok(scalar(keys %names), '>', 500, 'functions of noetl were found');

my $dir = PostgreSQL::Test::Utils::tempdir();
open(my $source, '>', "$dir/foreign.c") or die $!;
print $source qq{#include "postgres.h"\n#include "fmgr.h"\nPG_MODULE_MAGIC;\n};
# The names are given in assembler, so that none clashes with a declaration.
my $number = 0;
foreach my $name (sort keys %names)
{
	$number++;
	print $source qq{void foreign_$number(void *p) __asm__("$name");\nvoid foreign_$number(void *p) { abort(); }\n};
}
close $source;
my $include = `pg_config --includedir-server`;
chomp $include;
my $compile = "cc -w -fno-builtin -shared -fPIC -I'$include' -o '$dir/foreign.so' '$dir/foreign.c'";
is(system($compile), 0, 'a library with the same names is compiled');

$node->append_conf('postgresql.conf', "session_preload_libraries = '$dir/foreign.so'");
$node->restart;
my $id = $node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register($yaml$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: names}
workload: {words: [a, b]}
workflow:
  - step: say
    tool: python
    args: {text: "{{ workload.words | join('-') | upper }}"}
    code: x
    retry: {max_attempts: 2}
    next: [{when: "{{ result.ok }}", then: [{step: end}]}]
  - step: end
    result: "{{ say.text }}"
$yaml$) IS NOT NULL;
	SELECT noetl.execute('names')});
$id =~ s/^t\n//;
$node->safe_psql('postgres',
	q{SELECT noetl.complete(queue_id, '{"ok": true, "text": "done"}', 'w') FROM noetl.lease('w')});
is( $node->safe_psql('postgres', "SELECT status, result FROM noetl.execution WHERE execution_id = $id"),
	'COMPLETED|"done"',
	'an execution goes its way beside a library with the same names');
is($node->safe_psql('postgres', "SELECT count(*) FROM noetl.verify($id)"),
	'0', 'and so does verify()');

done_testing();
