package bench

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	start := clientCPU()
	for clientCPU()-start < 20*time.Millisecond {
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after.cpu - before.cpu; used < 10*time.Millisecond || used > 10*time.Second {
		t.Errorf("20 ms of CPU time were seen as %v", used)
	}
	if after.memory < 1<<20 {
		t.Errorf("%d bytes of memory", after.memory)
	}
	if _, err := usageOf(1 << 30); err == nil {
		t.Error("a process that does not exist was measured")
	}
}

// Where the scheduler keeps no times, clock ticks do. A command's name may look
// like fields.
func TestAccounted(t *testing.T) {
	dir := t.TempDir()
	stat := "42 (a) b 1 2) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14\n"
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o600); err != nil {
		t.Fatal(err)
	}
	if used, err := accounted(dir); used != 3*time.Second || err != nil {
		t.Errorf("CPU time %v, error %v; want 3s", used, err)
	}
	if _, err := scheduled(dir); err == nil {
		t.Error("a process without threads has a time")
	}
}
