package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/millrace/millrace/internal/server"
)

func versionCommand(_ []string, stdout, _ io.Writer) int {
	fmt.Fprintf(stdout, "millrace %s%s (%s, %s/%s)\n", server.Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}

// revision is the commit the binary was built from, where the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " " + s.Value[:12]
		}
	}
	return ""
}
