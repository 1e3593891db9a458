# A long computation in hashes and strings, with a file open for writing and a sorted walk at the end.
use strict;
use warnings;
$| = 1;
my ($folder) = @ARGV;
open(my $out, '+>', "$folder/output") or die $!;
my ($seed, %table, $text) = (12345);
print "READY\n";
for my $i (1 .. 7_000_000) {
	$seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
	$table{ $seed % 5003 } += $i;
	$text = substr(($text // '') . chr(97 + $seed % 26), -50);
	print $out "$seed $text\n" if $i % 5000 == 0;
}
seek($out, 0, 0) or die $!;
my ($lines, $sum) = (0, 0);
while (<$out>) { $lines++; $sum = ($sum * 31 + unpack('%32C*', $_)) % 1_000_003 }
my $mix = 0;
$mix = ($mix * 33 + $_ + $table{$_}) % 1_000_000_007 for sort { $a <=> $b } keys %table;
print "RESULT $lines $sum $mix $text\n";
