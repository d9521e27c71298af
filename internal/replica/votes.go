package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/millrace/millrace/internal/vfs"
)

// votes keeps, in a file of its own, the term and for whom this node voted in it.
// It implements raft.StableStore. The file is replaced as a whole:
//
//	"MRVOTES1", for each value: key length u8, key, value length u16, value; CRC32C u32
type votes struct {
	fs   vfs.FS
	name string

	mu     sync.Mutex
	values map[string][]byte
}

const (
	votesName  = "votes"
	votesMagic = "MRVOTES1"
	maxVotes   = 64 << 10 // bytes, far more than it ever has
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openVotes(fsys vfs.FS, dir string) (*votes, error) {
	v := &votes{fs: fsys, name: filepath.Join(dir, votesName), values: map[string][]byte{}}
	f, err := fsys.Open(v.name)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxVotes))
	if err != nil {
		return nil, err
	}
	if !v.decode(b) {
		return nil, fmt.Errorf("%s is damaged: a node must not forget how it voted; remove this node from the group, and let it join again with an empty directory", v.name)
	}
	return v, nil
}

func (v *votes) decode(b []byte) bool {
	n := len(b) - 4
	if n < len(votesMagic) || string(b[:len(votesMagic)]) != votesMagic ||
		crc32.Checksum(b[:n], castagnoli) != binary.LittleEndian.Uint32(b[n:]) {
		return false
	}
	for b = b[len(votesMagic):n]; len(b) > 0; {
		k := 1 + int(b[0])
		if len(b) < k+2 {
			return false
		}
		end := k + 2 + int(binary.LittleEndian.Uint16(b[k:]))
		if len(b) < end {
			return false
		}
		v.values[string(b[1:k])] = b[k+2 : end]
		b = b[end:]
	}
	return true
}

func (v *votes) encode() []byte {
	b := []byte(votesMagic)
	for _, key := range slices.Sorted(maps.Keys(v.values)) {
		b = append(append(b, byte(len(key))), key...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(v.values[key])))
		b = append(b, v.values[key]...)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Set implements raft.StableStore.
func (v *votes) Set(key, value []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, had := v.values[string(key)]
	v.values[string(key)] = slices.Clone(value)
	err := vfs.Replace(v.fs, v.name, v.name+".tmp", v.encode())
	if err != nil && had {
		v.values[string(key)] = old
	} else if err != nil {
		delete(v.values, string(key))
	}
	return err
}

// Get implements raft.StableStore.
func (v *votes) Get(key []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.values[string(key)]), nil
}

// SetUint64 implements raft.StableStore.
func (v *votes) SetUint64(key []byte, n uint64) error {
	if old, _ := v.GetUint64(key); old == n && n != 0 {
		return nil
	}
	return v.Set(key, binary.LittleEndian.AppendUint64(nil, n))
}

// GetUint64 implements raft.StableStore. A value that was never set is 0.
func (v *votes) GetUint64(key []byte) (uint64, error) {
	b, err := v.Get(key)
	if err != nil || len(b) != 8 {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}
