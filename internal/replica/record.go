package replica

import (
	"encoding/binary"
	"errors"

	"github.com/hashicorp/raft"
)

// A record is what the log on disk keeps: an entry of the group's log, or a cut.
//
//	kind u8, index u64, term u64, data
//
// The kind of an entry is raft's. A cut says that the entries after its index are
// void: another leader's follow. Nothing is ever overwritten, so that damage is
// told from a cut.
const (
	recordHeader = 17 // bytes
	recordCut    = 255
)

var errShortRecord = errors.New("replica: a record of the log is shorter than its header")

func appendRecord(b []byte, kind uint8, index, term uint64, data []byte) []byte {
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint64(b, index)
	b = binary.LittleEndian.AppendUint64(b, term)
	return append(b, data...)
}

// decodeRecord reads a record as an entry, which for a cut has the type recordCut.
// Its data is part of b.
func decodeRecord(b []byte) (raft.Log, error) {
	if len(b) < recordHeader {
		return raft.Log{}, errShortRecord
	}
	return raft.Log{
		Type:  raft.LogType(b[0]),
		Index: binary.LittleEndian.Uint64(b[1:]),
		Term:  binary.LittleEndian.Uint64(b[9:]),
		Data:  b[recordHeader:],
	}, nil
}
