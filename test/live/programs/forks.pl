# A tree of processes two levels deep; each sends its sum up through a pipe.
use strict;
$| = 1;

sub sum {
    my ($depth, $seed) = @_;
    my $total = $seed;
    $total = ($total * 1103515245 + $_) & 0x7fffffff for 1 .. 12_000_000;
    return $total if $depth == 0;
    my @ends;
    for my $child (1 .. 3) {
        pipe(my $read, my $write) or die;
        my $pid = fork() // die;
        if ($pid == 0) {
            close $read;
            print $write sum($depth - 1, $seed * 10 + $child), "\n";
            exit 0;
        }
        close $write;
        push @ends, $read;
    }
    for my $read (@ends) {
        my $line = <$read> // die "a child said nothing";
        $total = ($total + $line) & 0x7fffffff;
    }
    for (@ends) { wait() != -1 && $? == 0 or die "a child ended with $?" }
    return $total;
}

print "READY\n";
print "RESULT ", sum(2, 7), "\n";
