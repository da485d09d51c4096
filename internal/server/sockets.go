package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"gatehouse/config/settings"
	"gatehouse/internal/hint"
)

// socket is an open socket that listens.
type socket struct {
	net.Listener
	shared bool // systemd has it, too
}

// openPort opens a TCP socket.
func openPort(setting, address string) (net.Listener, error) {
	plain := net.ListenConfig{}
	plain.SetMultipathTCP(false) // Multipath TCP supports no filter, which a stop needs; see the Drain method of the Listener
	listener, err := plain.Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hint.With(fmt.Errorf("listen on %s: the address is in use", address),
			"is another gateway running? Set "+setting+" to another address")
	case err != nil:
		return nil, hint.With(fmt.Errorf("listen: %w", err), "the address is that of "+setting)
	}
	return listener, nil
}

// staleTimeout bounds the question whether a process listens on a unix socket.
const staleTimeout = time.Second

// openUnix opens a unix socket, whose name begins with "@" when it is abstract. It
// removes the file that a process has left there when it died.
func openUnix(setting, path string, mode fs.FileMode) (net.Listener, error) {
	fail := func(err error, advice string) (net.Listener, error) {
		return nil, hint.With(fmt.Errorf("listen on unix:%s: %w", path, err), advice)
	}
	abstract := strings.HasPrefix(path, "@")
	if !abstract {
		if err := removeStale(path); err != nil {
			return fail(err, "is another gateway running, or another user's? Set "+setting+" to another path, or remove the file")
		}
	}
	unix := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if abstract {
			return nil
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = restrictSocket(fd, mode) }); err != nil {
			return err
		}
		return failed
	}}
	opened, err := unix.Listen(context.Background(), "unix", path)
	if err == nil && !abstract {
		if err = os.Chmod(path, mode); err != nil { // the mask of the process may have removed bits
			_ = opened.Close()
		}
	}
	if err != nil {
		return fail(withoutPath(err), "the path is that of "+setting+"; its folder must exist and be writable")
	}
	return opened, nil
}

// withoutPath returns the cause of an error that repeats the path.
func withoutPath(err error) error {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number
	}
	return err
}

var errListens = errors.New("another process listens there")

// removeStale removes the file of a unix socket on which no process listens. It
// returns an error when the file is something else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return withoutPath(err)
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("a file that is no socket is there")
	}
	conn, err := net.DialTimeout("unix", path, staleTimeout)
	switch {
	case err == nil:
		_ = conn.Close()
		return errListens
	case errors.Is(err, syscall.ECONNREFUSED):
		return withoutPath(os.Remove(path))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPROTOTYPE):
		return withoutPath(err)
	}
	return errListens // such as one whose queue is full
}

// inherited are the sockets that systemd has passed to this process (sd_listen_fds(3)).
type inherited struct {
	files []*os.File // their names are their FileDescriptorNames; nil when used
	named map[string]bool
}

// openInherited returns the sockets of systemd. Later calls return none. lists are the
// addresses that may name them.
func openInherited(lists ...settings.Addresses) *inherited {
	i := &inherited{files: activation.Files(true), named: map[string]bool{}}
	for _, list := range lists {
		for _, address := range list {
			if address.Network == settings.NetworkSystemd {
				i.named[address.Name] = true
			}
		}
	}
	return i
}

// take returns the sockets with a name. For the name "" these are all that no setting
// names.
func (i *inherited) take(setting, name string) (taken []socket, err error) {
	for n, file := range i.files {
		if file == nil || name != "" && file.Name() != name || name == "" && i.named[file.Name()] {
			continue
		}
		i.files[n] = nil
		listener, err := listenOn(file)
		if err != nil {
			return taken, hint.With(fmt.Errorf("use the socket %q of systemd: %w", file.Name(), err),
				"its unit needs ListenStream= and Accept=no")
		}
		taken = append(taken, socket{listener, true})
	}
	if len(taken) == 0 {
		return nil, i.missing(setting, name)
	}
	return taken, nil
}

// missing returns the error about a name that no socket has that is left.
func (i *inherited) missing(setting, name string) error {
	what, advice := "systemd has passed no socket to this process", "start it through a socket unit, as deploy/systemd does"
	if name != "" {
		what = fmt.Sprintf("systemd has passed no socket with the FileDescriptorName %q to this process", name)
	}
	var left []string
	for _, file := range i.files {
		if file != nil {
			left = append(left, fmt.Sprintf("%q", file.Name()))
		}
	}
	if len(left) > 0 {
		advice = "it has passed " + strings.Join(left, ", ") + ": set FileDescriptorName= in the socket unit"
	}
	return hint.With(errors.New(what), advice+", or set "+setting+" to an address")
}

// listenOn returns the listener of a socket of systemd, and closes the file.
func listenOn(file *os.File) (net.Listener, error) {
	defer file.Close() // the listener has a copy
	listens, err := isListening(file.Fd())
	switch {
	case errors.Is(err, syscall.ENOTSOCK), errors.Is(err, syscall.EBADF):
		return nil, errors.New("it is no socket")
	case err != nil:
		return nil, err
	case !listens:
		return nil, errors.New("it does not listen for connections")
	}
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, withoutPath(err)
	}
	return listener, nil
}

// rest returns the names of the sockets that were not taken, and closes them.
func (i *inherited) rest() (names []string) {
	for _, file := range i.files {
		if file != nil {
			names = append(names, file.Name())
			_ = file.Close()
		}
	}
	return names
}

// openSockets opens the sockets of a setting. After an error, those that are open are
// returned, too.
func openSockets(setting string, addresses settings.Addresses, from *inherited) (opened []socket, err error) {
	for _, address := range addresses {
		var one net.Listener
		switch address.Network {
		case settings.NetworkSystemd:
			taken, err := from.take(setting, address.Name)
			opened = append(opened, taken...)
			if err != nil {
				return opened, err
			}
			continue
		case settings.NetworkUnix:
			one, err = openUnix(setting, address.Name, address.Mode)
		default:
			one, err = openPort(setting, address.Name)
		}
		if err != nil {
			return opened, err
		}
		opened = append(opened, socket{one, false})
	}
	return opened, nil
}
