package queue

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Describe calls visit with a line of text for each record of a batch, for people
// who look at a log. Bodies are not shown, only how long they are.
func Describe(b Batch, visit func(line string)) error {
	for rest := b.Records; len(rest) > 0; {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return errCorrupt
		}
		r, known, err := decodeRecord(rest[size : size+int(n)])
		if err != nil {
			return err
		}
		if known {
			visit(r.String())
		} else {
			visit("a record of a newer version")
		}
		rest = rest[size+int(n):]
	}
	return nil
}

// String is a record as a person reads it.
func (r *record) String() string {
	switch r.kind {
	case recordPut:
		text := fmt.Sprintf("put %d into %s, pri %d, ttr %s, %d bytes", r.id, r.queue, r.pri, time.Duration(r.ttr), len(r.body))
		if r.more != nil && len(r.more.Unique) > 0 {
			text += fmt.Sprintf(", unique %q", r.more.Unique)
		}
		if r.upload.upload != 0 {
			text += fmt.Sprintf(" after upload %d of session %d", r.upload.upload, r.upload.session)
		}
		switch {
		case r.more != nil && r.more.ReadyAt != 0:
			text += ", ready at " + clockText(r.more.ReadyAt)
		case r.due != 0:
			text += ", ready at " + clockText(r.due)
		}
		if r.buried {
			text += ", buried"
		}
		return text
	case recordChunk:
		return fmt.Sprintf("chunk of upload %d of session %d, %d bytes", r.upload.upload, r.upload.session, len(r.body))
	case recordDropUpload:
		return fmt.Sprintf("drop upload %d of session %d", r.upload.upload, r.upload.session)
	case recordDelete:
		return fmt.Sprintf("delete %d", r.id)
	case recordExpire:
		return fmt.Sprintf("expire %d", r.id)
	case recordRelease:
		if r.due == 0 {
			return fmt.Sprintf("release %d, pri %d", r.id, r.pri)
		}
		return fmt.Sprintf("release %d, pri %d, ready at %s", r.id, r.pri, clockText(r.due))
	case recordBury:
		return fmt.Sprintf("bury %d, pri %d", r.id, r.pri)
	case recordKick:
		return fmt.Sprintf("kick %d", r.id)
	case recordPause:
		return fmt.Sprintf("pause %s until %s", r.queue, clockText(r.due))
	case recordEpoch:
		return "epoch"
	case recordMove:
		return fmt.Sprintf("move %d to %s", r.id, r.queue)
	case recordConfigure:
		return fmt.Sprintf("configure %s: %+v", r.queue, *r.settings)
	case recordVolatile:
		return fmt.Sprintf("volatile ids up to %d", r.id)
	}
	return fmt.Sprintf("record of kind %d", r.kind)
}

func clockText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
