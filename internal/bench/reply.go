package bench

import (
	"bytes"
	"fmt"
)

// The functions here read one reply at the start of in and return how many bytes
// it takes: 0 means that it is not complete yet. Anything but the reply wanted is
// an error that shows what came. They allocate nothing unless they fail.

// maxLine bounds a reply line; the longest that is asked for holds a tube's name.
const maxLine = 300

// word reads a reply that is known to the last byte, such as "DELETED\r\n".
func word(in []byte, want string) (used int, err error) {
	if len(in) >= len(want) && string(in[:len(want)]) == want {
		return len(want), nil
	}
	if len(in) < len(want) && string(in) == want[:len(in)] {
		return 0, nil
	}
	return 0, unexpected(in, want)
}

// number reads digits at in[at:] and the byte that ends them. next is where it
// goes on; 0 means that the end has not come yet, -1 that this is no number.
func number(in []byte, at int, end byte) (n uint64, next int) {
	for i := at; i < len(in); i++ {
		d := in[i] - '0'
		switch {
		case d <= 9 && i-at < 19: // 19 digits always fit
			n = n*10 + uint64(d)
		case in[i] == end && i > at:
			return n, i + 1
		default:
			return 0, -1
		}
	}
	return 0, 0
}

// inserted reads "INSERTED <id>\r\n".
func inserted(in []byte) (used int, err error) {
	const want = "INSERTED "
	if n, err := word(in, want); n == 0 {
		return 0, err
	}
	_, at := number(in, len(want), '\r')
	return lineEnd(in, at, want)
}

// reserved reads "RESERVED <id> <bytes>\r\n<body>\r\n", and insists on a body of size bytes.
func reserved(in []byte, size int) (id uint64, body []byte, used int, err error) {
	const want = "RESERVED "
	if n, err := word(in, want); n == 0 {
		return 0, nil, 0, err
	}
	id, at := number(in, len(want), ' ')
	if at <= 0 {
		_, err = lineEnd(in, at, want)
		return 0, nil, 0, err
	}
	length, at := number(in, at, '\r')
	start, err := lineEnd(in, at, want)
	if start == 0 {
		return 0, nil, 0, err
	}
	if length != uint64(size) {
		return 0, nil, 0, fmt.Errorf("job %d came back with %d bytes; %d were put", id, length, size)
	}
	end := start + size
	if len(in) < end+2 {
		return 0, nil, 0, nil
	}
	if in[end] != '\r' || in[end+1] != '\n' {
		return 0, nil, 0, fmt.Errorf("job %d: its body is not followed by CR LF but by %q", id, in[end:end+2])
	}
	return id, in[start:end], end + 2, nil
}

// prefixed reads a line that starts with want, such as "WATCHING 2\r\n".
func prefixed(in []byte, want string) (used int, err error) {
	if n, err := word(in, want); n == 0 {
		return 0, err
	}
	end := bytes.IndexByte(in, '\r')
	if end < 0 && len(in) > maxLine {
		return 0, unexpected(in, want)
	}
	return lineEnd(in, end+1, want)
}

// lineEnd checks the LF at in[at], where at comes from number.
func lineEnd(in []byte, at int, want string) (used int, err error) {
	switch {
	case at < 0:
		return 0, unexpected(in, want)
	case at == 0 || at == len(in):
		return 0, nil
	case in[at] != '\n':
		return 0, unexpected(in, want)
	}
	return at + 1, nil
}

// unexpected shows the line that came in place of the one wanted.
func unexpected(in []byte, want string) error {
	line, _, _ := bytes.Cut(in[:min(len(in), 80)], []byte("\r\n"))
	return fmt.Errorf("expected %q, received %q", bytes.TrimSpace([]byte(want)), line)
}
