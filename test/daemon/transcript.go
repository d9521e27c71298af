package daemon

import "sync"

// transcript keeps what a process prints and tells who waits for more.
type transcript struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{} // closed, and replaced, when text grows
}

func newTranscript() *transcript { return &transcript{grown: make(chan struct{})} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	close(t.grown)
	t.grown = make(chan struct{})
	return len(p), nil
}

// next is the text so far, and a channel that is closed when there is more.
func (t *transcript) next() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text), t.grown
}

func (t *transcript) String() string {
	text, _ := t.next()
	return text
}
