# SPDX-License-Identifier: Apache-2.0
# Steps over MariaDB's protocol with statements that the server prepares. Argument: port. The same answers as python/steps.py.

use strict;
use warnings;
use DBI;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $db = DBI->connect("DBI:MariaDB:database=shop;host=127.0.0.1;port=$ARGV[0]", "app", "",
    { RaiseError => 1, PrintError => 0, mariadb_server_prepare => 1, mariadb_server_prepare_disable_fallback => 1 });
my $kept;

sub run {
    my ($st, $i) = @_;
    my $began = clock_gettime(CLOCK_MONOTONIC);
    $st->execute($i);
    $st->fetchall_arrayref;
    return int((clock_gettime(CLOCK_MONOTONIC) - $began) * 1e9);
}

my %steps = (
    ready    => sub { return },
    prepare  => sub { $kept = $db->prepare("SELECT name, price FROM items WHERE id > ?"); return },
    kept     => sub { return map { run($kept, $_) } 1 .. $_[0] },
    prepared => sub { my $st = $db->prepare("SELECT price FROM items WHERE id = ?"); return map { run($st, $_) } 1 .. $_[0] },
);

$| = 1;
while (my $line = <STDIN>) {
    my ($name, @args) = split ' ', $line;
    print "[", join(",", $steps{$name}->(@args)), "]\n";
}
