package server

import (
	"fmt"
	"os/user"
	"strconv"
	"syscall"
)

// becomeUser gives up the rights of root for those of name and its primary group.
// It does nothing without a name.
func becomeUser(name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("cannot become user %q: there is no such user", name)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("cannot become user %q: %w", name, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("cannot become user %q: %w", name, err)
	}
	// Other groups only go while we are root; a server that is not root already has
	// none to give up that its user did not have.
	if syscall.Getuid() == 0 {
		if err := syscall.Setgroups([]int{gid}); err != nil {
			return fmt.Errorf("cannot give up the groups of root: %w", err)
		}
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("cannot become the group of user %q: %w", name, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("cannot become user %q: %w", name, err)
	}
	return nil
}
