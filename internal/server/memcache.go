package server

import (
	"os"
	"syscall"

	"github.com/millrace/millrace/internal/memcache"
)

// MemcachedVersion is what is said where memcached says its version.
const MemcachedVersion = "1.6.18+millrace-" + Version

// memcacheOptions are those of a memcache door; prefix tells queues from ordinary
// keys, "" if there are none of those.
func (s *Server) memcacheOptions(prefix string) memcache.Options {
	m := &s.o.Memcache
	o := memcache.Options{
		Prefix:       prefix,
		MaxJobSize:   s.o.MaxJobSize,
		MaxOpenReads: m.OpenReads,
		ExpireTo:     m.ExpireTo,
		AreaSize:     m.KVSize,
		MaxItemSize:  m.KVItem,
		Version:      MemcachedVersion,
		Clock:        s.wall,
	}
	if m.Shutdown {
		o.Shutdown = func() { syscall.Kill(os.Getpid(), syscall.SIGTERM) }
	}
	return o
}
