# The whole life of jobs through Perl's Gearman::Client and Gearman::Worker (Debian:
# libgearman-client-perl), a client that shares no code with libgearman.
use strict;
use warnings;
use Gearman::Client;
use Gearman::Worker;
use Time::HiRes qw(sleep time);

$SIG{ALRM} = sub { print "not ok - it hangs\n"; exit 1 };
alarm 120;
my ($addr) = @ARGV or die "usage: perl $0 HOST:PORT\n";
my @pids;
END { my $exit = $?; kill 9, @pids if @pids; $? = $exit }

sub ok { print "ok - $_[0]\n" }

sub same {
	my ($want, $got, $what) = @_;
	$got = 'undef' unless defined $got;
	return if $want eq $got;
	print "not ok - $what: want ", substr($want, 0, 200), ", got ", substr($got, 0, 200), "\n";
	exit 1;
}

# worker starts one in a process of its own.
sub worker {
	my %functions = @_;
	my $pid = fork // die;
	if ($pid) {
		push @pids, $pid;
		return $pid;
	}
	@pids = ();
	my $w = Gearman::Worker->new(job_servers => [$addr]);
	for my $name (sort keys %functions) {
		my $f = $functions{$name};
		ref $f eq 'ARRAY' ? $w->register_function($name, @$f) : $w->register_function($name, $f);
	}
	$w->work while 1;
}

sub eventually {
	my ($what, $holds) = @_;
	for (1 .. 400) {
		return if $holds->();
		sleep 0.025;
	}
	same('that it happens', 'never', $what);
}

$| = 1;
worker(
	sum => sub { my $n = 0; $n += $_ for split /,/, $_[0]->arg; $n },
	echo => sub { $_[0]->arg },
	steps => sub { $_[0]->set_status($_, 3) for 1 .. 3; 'end' },
	fail => sub { undef },
);
my $c = Gearman::Client->new(job_servers => [$addr]);

same(6, ${ $c->do_task('sum', '1,2,3') }, 'sum');
ok 'foreground';
same(6, ${ $c->do_task('sum', '1,2,3', { priority => 'high' }) }, 'sum');
ok 'high priority';
my $bytes = join '', map chr, 0 .. 255;
same($bytes, ${ $c->do_task('echo', $bytes) }, 'bytes');
ok 'binary data';
my $large = 'x' x 600_000;
same($large, ${ $c->do_task('echo', $large) }, 'large');
ok 'a large job';
my @seen;
$c->do_task('steps', '', { on_status => sub { push @seen, "$_[0]/$_[1]" } });
same('1/3 2/3 3/3', "@seen", 'status');
ok 'status';
my $failed = 0;
$c->do_task('fail', 'x', { on_fail => sub { $failed++ } });
same(1, $failed, 'failures');
ok 'failure';

my $set = $c->new_task_set;
my %done;
for my $n (1 .. 40) {
	$set->add_task('sum', "$n,1", { on_complete => sub { $done{$n} = ${ $_[0] } } });
}
$set->wait(timeout => 30);
same(40, scalar keys %done, 'tasks done');
same(41, $done{40}, 'a result');
ok 'a set of tasks';

# Two tasks with one unique key are one job.
my @both;
$set = $c->new_task_set;
$set->add_task('echo', 'same', { uniq => 'u', on_complete => sub { push @both, ${ $_[0] } } }) for 1 .. 2;
$set->wait(timeout => 30);
same('same same', "@both", 'results');
ok 'a unique key';

my $handle = $c->dispatch_background('later', 'x', { uniq => 'bg' });
my $status = $c->get_status($handle);
same('1/0', join('/', $status->known, $status->running ? 1 : 0), 'waiting');
my $killed = worker(later => sub { $_[0]->set_status(1, 2); sleep 60 });
eventually('running', sub { my $s = $c->get_status($handle); $s->running && $s->progress && $s->progress->[0] == 1 });
kill 9, $killed;
waitpid $killed, 0;
eventually('waiting again', sub { !$c->get_status($handle)->running });
worker(later => sub { 1 });
eventually('done', sub { !$c->get_status($handle)->known });
ok 'a background job whose worker is killed';

worker(timed => [1, sub { sleep 60 }]);
my $result;
$set = $c->new_task_set;
$set->add_task('timed', 'x', { on_complete => sub { $result = ${ $_[0] } } });
sleep 0.5;
worker(timed => sub { 'quick' });
$set->wait(timeout => 30);
same('quick', $result, 'who does it');
ok 'a timeout of a function';
