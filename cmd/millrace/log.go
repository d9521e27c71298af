package main

import (
	"fmt"
	"io"
)

// logCommand checks or prints a log that no server uses.
func logCommand(args []string, stdout, stderr io.Writer) int {
	return failure(stderr, fmt.Errorf("not there yet"))
}
