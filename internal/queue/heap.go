package queue

// heap is a 4-ary min-heap that tells its items where they are, so that they can
// be taken out of the middle.
type heap[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, pos uint32)
}

func (h *heap[T]) push(item T) {
	h.items = append(h.items, item)
	h.up(len(h.items) - 1)
}

// remove takes out the item at pos.
func (h *heap[T]) remove(pos uint32) {
	last := len(h.items) - 1
	item := h.items[last]
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if int(pos) == last {
		h.shrink()
		return
	}
	h.items[pos] = item
	h.fix(pos)
}

// shrink lets go of the array of a heap that was large once.
func (h *heap[T]) shrink() {
	if len(h.items) == 0 && cap(h.items) > 1024 {
		h.items = nil
	}
}

// fix restores the order after the item at pos was changed.
func (h *heap[T]) fix(pos uint32) {
	if h.up(int(pos)) == int(pos) {
		h.down(int(pos))
	}
}

func (h *heap[T]) up(i int) int {
	item := h.items[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !h.less(item, h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, item)
	return i
}

func (h *heap[T]) down(i int) {
	item := h.items[i]
	for {
		least := h.leastChild(i)
		if least < 0 || !h.less(h.items[least], item) {
			break
		}
		h.set(i, h.items[least])
		i = least
	}
	h.set(i, item)
}

// leastChild returns the child of i that comes first, or -1.
func (h *heap[T]) leastChild(i int) int {
	first := 4*i + 1
	if first >= len(h.items) {
		return -1
	}
	least := first
	for c := first + 1; c < min(first+4, len(h.items)); c++ {
		if h.less(h.items[c], h.items[least]) {
			least = c
		}
	}
	return least
}

func (h *heap[T]) set(i int, item T) {
	h.items[i] = item
	h.moved(item, uint32(i))
}
