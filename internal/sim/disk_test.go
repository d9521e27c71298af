package sim_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/millrace/millrace/internal/vfs"
)

const dataDir = "/data"

var errDead = errors.New("the machine is dead")

// disk is the file system of one life of a server. At a given operation it fails,
// or the server dies.
type disk struct {
	vfs.Faulty
	mem *vfs.Mem
	rnd *rand.Rand

	mu      sync.Mutex
	ops     int
	crashAt int // operation before which the server dies; 0: none
	failAt  int // operation that fails; 0: none
	power   bool
	failed  bool
	after   *vfs.Mem // what a server finds that starts after this one died
	onDeath func()
}

func newDisk(mem *vfs.Mem, rnd *rand.Rand) *disk {
	d := &disk{mem: mem, rnd: rnd}
	d.Faulty = vfs.Faulty{FS: mem, Hook: d.hook}
	return d
}

func (d *disk) hook(vfs.Op, string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops++
	switch {
	case d.after != nil:
		return errDead
	case d.ops == d.crashAt:
		d.die()
		return errDead
	case d.ops == d.failAt:
		d.failed = true
		return syscall.EIO
	}
	return nil
}

// crash kills the server now.
func (d *disk) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.after == nil {
		d.die()
	}
}

// die keeps what the disk holds at this moment: of a server that is killed all that
// it wrote, of a machine that loses its power what was synced and some of the rest.
func (d *disk) die() {
	if d.onDeath != nil {
		d.onDeath()
	}
	mem := d.mem
	if !d.power {
		mem = copyOf(mem)
	}
	d.after = mem.Crash(d.rnd)
}

func (d *disk) dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.after != nil
}

func (d *disk) broken() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// copyOf returns a file system with the same files, all of them durable.
func copyOf(mem *vfs.Mem) *vfs.Mem {
	to := vfs.NewMem()
	to.MkdirAll(dataDir)
	names, err := mem.List(dataDir)
	if err != nil {
		return to // nothing was made yet
	}
	for _, name := range names {
		path := filepath.Join(dataDir, name)
		data, err := mem.ReadFile(path)
		if err == nil {
			err = to.WriteFile(path, data)
		}
		if err != nil {
			panic(err)
		}
	}
	return to
}
