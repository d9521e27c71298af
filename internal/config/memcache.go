package config

import "errors"

// Memcache is what the memcache doors can be told.
type Memcache struct {
	Address string // of the door on which every key is a queue, or Off
	KV      string // of the one with a key-value area beside the queues, or Off

	Prefix    string // of the keys that are queues on KV
	OpenReads int    // jobs of a queue that one connection may hold unconfirmed
	ExpireTo  string // queue for jobs whose time has passed; "": they are removed
	KVSize    int64  // bytes of the key-value area
	KVItem    int64  // bytes of the largest item in it
	Shutdown  bool   // allow the command that ends the server
}

func defaultMemcache() Memcache {
	return Memcache{Address: "127.0.0.1:22133", KV: Off, Prefix: "q/", OpenReads: 100, KVSize: 64 << 20, KVItem: 1 << 20}
}

// open says whether any address is to be listened on.
func (m *Memcache) open() bool { return m.Address != Off || m.KV != Off }

func (m *Memcache) declare(s *Set) {
	s.Group("memcached")
	s.Var(Text(&m.Prefix), "memcache-prefix", "TEXT", "what the keys of queues begin with on --memcache-kv")
	s.Var(Count(&m.OpenReads), "memcache-open-reads", "N", "jobs of a queue that one connection may hold unconfirmed")
	s.Var(Text(&m.ExpireTo), "memcache-expire-to", "QUEUE", "move jobs there when their time has passed")
	s.Var(Size(&m.KVSize), "memcache-kv-size", "BYTES", "memory for ordinary keys; what is used least goes first")
	s.Var(Size(&m.KVItem), "memcache-kv-item", "BYTES", "largest key with its value")
	s.Var(Switch(&m.Shutdown), "memcache-shutdown", "", "let the command `shutdown` end the server")
}

func (m *Memcache) check() error {
	switch {
	case m.Prefix == "" || len(m.Prefix) > 100:
		return errors.New("--memcache-prefix is what tells queues from ordinary keys: give it 1 to 100 characters, such as q/")
	case m.OpenReads < 1:
		return errors.New("--memcache-open-reads must be 1 or more")
	case m.KVItem < 1024 || m.KVItem > 128<<20:
		return errors.New("--memcache-kv-item can be 1KiB to 128MiB")
	case m.KVSize < 1<<20:
		return errors.New("--memcache-kv-size must be 1MiB or more")
	}
	return nil
}
