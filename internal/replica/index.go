package replica

import "slices"

// index says which record of the log on disk is which entry of the group's. Both
// are counted; a cut puts them out of step, which is rare, so runs of equal step
// are all that is kept.
type index struct {
	runs        []run
	first, last uint64 // entries held; last < first: none
}

// run is a stretch of entries, up to the next run or the last entry.
type run struct{ entry, record uint64 }

func (x *index) empty() bool { return x.last < x.first || x.last == 0 }

// add notes that an entry is in a record. Entries come in order; one that leaves a
// gap follows a snapshot, which covers all before it.
func (x *index) add(entry, record uint64) {
	if x.empty() || entry != x.last+1 {
		x.runs, x.first = x.runs[:0], entry
	}
	x.last = entry
	if n := len(x.runs); n > 0 && entry-x.runs[n-1].entry == record-x.runs[n-1].record {
		return
	}
	x.runs = append(x.runs, run{entry, record})
}

// cut forgets the entries after last.
func (x *index) cut(last uint64) {
	x.last = min(x.last, last)
	for n := len(x.runs); n > 0 && x.runs[n-1].entry > last; n-- {
		x.runs = x.runs[:n-1]
	}
	if x.empty() {
		*x = index{}
	}
}

// keep forgets the entries in records before the given one.
func (x *index) keep(record uint64) {
	for len(x.runs) > 0 {
		r := x.runs[0]
		end := x.last + 1 // behind the run
		if len(x.runs) > 1 {
			end = x.runs[1].entry
		}
		from := r.entry
		if record > r.record {
			from += record - r.record
		}
		if from < end {
			x.first = max(x.first, from)
			return
		}
		x.runs = slices.Delete(x.runs, 0, 1)
	}
	*x = index{}
}

// record returns the record an entry is in.
func (x *index) record(entry uint64) (uint64, bool) {
	if x.empty() || entry < x.first || entry > x.last {
		return 0, false
	}
	n, found := slices.BinarySearchFunc(x.runs, entry, func(r run, e uint64) int {
		switch {
		case r.entry < e:
			return -1
		case r.entry > e:
			return 1
		}
		return 0
	})
	if !found {
		n--
	}
	return x.runs[n].record + entry - x.runs[n].entry, true
}
