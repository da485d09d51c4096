// This file reads where the listeners for clients listen.

package settings

import (
	"io/fs"
	pathpkg "path"
	"regexp"
	"strconv"
	"strings"

	"gatehouse/config/problem"
)

// Network is the kind of an Address.
type Network string

// The kinds of an Address.
const (
	NetworkTCP     Network = "tcp"
	NetworkUnix    Network = "unix"
	NetworkSystemd Network = "systemd" // sockets that systemd passes to the process
)

// Address is where a listener for clients listens.
type Address struct {
	Network Network
	// Name is host:port; or the path of a unix socket, or its abstract name after "@";
	// or the FileDescriptorName of systemd's sockets, where "" means all that no other
	// setting names.
	Name string
	Mode fs.FileMode // of the file of a unix socket
}

// unixMode is the mode of the file of a unix socket when the setting has none.
const unixMode = 0o600

// String returns the address as it is written in a setting.
func (a Address) String() string {
	switch {
	case a.Network == NetworkTCP:
		return a.Name
	case a.Network == NetworkUnix && a.Mode != unixMode && !strings.HasPrefix(a.Name, "@"):
		return "unix:" + a.Name + "|0" + strconv.FormatUint(uint64(a.Mode), 8)
	case a.Network == NetworkUnix:
		return "unix:" + a.Name
	case a.Name == "":
		return string(NetworkSystemd)
	}
	return "systemd:" + a.Name
}

// Addresses is a list of addresses.
type Addresses []Address

// String returns the list as it is written in a setting.
func (a Addresses) String() string {
	texts := make([]string, 0, len(a))
	for _, one := range a {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ", ")
}

// has reports whether the list has a TCP address with a fixed port.
func (a Addresses) has(address string) bool {
	for _, one := range a {
		if one.Network == NetworkTCP && one.Name == address && !strings.HasSuffix(address, ":0") {
			return true
		}
	}
	return false
}

// parseAddresses parses addresses that are separated by commas or spaces.
func parseAddresses(text string) (Addresses, *problem.Fault) {
	var all Addresses
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		address, f := parseListenAddress(one, text)
		if f != nil {
			return nil, f
		}
		for _, other := range all {
			if other.Network == address.Network && other.Name == address.Name && !strings.HasSuffix(address.Name, ":0") {
				return nil, &problem.Fault{Reason: "one address is listed twice"}
			}
		}
		all = append(all, address)
	}
	if len(all) == 0 {
		return nil, &problem.Fault{Reason: "no address", Hint: "host:port, such as :8080"}
	}
	return all, nil
}

func parseListenAddress(text, setting string) (Address, *problem.Fault) {
	network, name, named := strings.Cut(text, ":")
	switch {
	case network == "unix" && named:
		return parseUnix(name)
	case strings.HasPrefix(text, "unix/"), strings.HasPrefix(text, "/"):
		return Address{}, &problem.Fault{Reason: "not an address", Hint: "a unix socket is unix:/path, such as unix:/run/gatehouse/gatehouse.sock"}
	case strings.HasPrefix(text, "fd"):
		if _, after, ok := strings.Cut(text, "/"); ok && after != "" {
			return Address{}, &problem.Fault{Reason: "not an address", Hint: "sockets of systemd are systemd, or systemd:NAME for those with that FileDescriptorName"}
		}
	case strings.HasPrefix(name, "//"):
		return Address{}, &problem.Fault{Reason: "not an address", Hint: "host:port without a scheme, such as :8080"}
	case network == "*" && isPortNumber(name):
		return Address{}, &problem.Fault{Reason: "not an address", Write: ":" + name}
	case text == string(NetworkSystemd):
		return Address{Network: NetworkSystemd}, nil
	case network == string(NetworkSystemd) && !isPortNumber(name):
		if name == "" {
			return Address{}, &problem.Fault{Reason: "no name after systemd:", Hint: "systemd alone means all its sockets"}
		}
		if strings.Contains(name, ":") { // which separates the names in LISTEN_FDNAMES
			return Address{}, &problem.Fault{Reason: "a FileDescriptorName has no colon", Hint: "such as systemd:public"}
		}
		return Address{Network: NetworkSystemd, Name: name}, nil
	}
	name, f := parseAddressOf(text, setting)
	return Address{Network: NetworkTCP, Name: name}, f
}

func isPortNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// maxUnixPath is the length of the longest path of a unix socket in bytes (unix(7)).
const maxUnixPath = 107

// colonMode matches a path with a mode behind a colon, as some write it.
var colonMode = regexp.MustCompile(`:0?[0-7]{3}$`)

// parseUnix parses /path, /path|mode or @name.
func parseUnix(text string) (Address, *problem.Fault) {
	path, mode, hasMode := strings.Cut(text, "|")
	a := Address{Network: NetworkUnix, Name: path, Mode: unixMode}
	abstract := strings.HasPrefix(path, "@")
	if strings.HasPrefix(path, "/") {
		a.Name = pathpkg.Clean(path) // one file has one name
	}
	switch {
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"): // as in a URL, where a host would follow
		return a, &problem.Fault{Reason: "not the path of a unix socket", Hint: "one slash, such as unix:/run/gatehouse/gatehouse.sock"}
	case len(a.Name) < 2 || !abstract && path[0] != '/':
		return a, &problem.Fault{Reason: "not the path of a unix socket", Hint: "an absolute path, such as unix:/run/gatehouse/gatehouse.sock, or unix:@name"}
	case len(a.Name) > maxUnixPath:
		return a, &problem.Fault{Reason: "the path of the unix socket is too long", Hint: "at most " + strconv.Itoa(maxUnixPath) + " bytes"}
	case abstract && hasMode:
		return a, &problem.Fault{Reason: "an abstract unix socket has no mode"}
	case !hasMode && colonMode.MatchString(path):
		return a, &problem.Fault{Reason: "not the path of a unix socket", Hint: "the mode follows a |, such as unix:/run/gatehouse/gatehouse.sock|0660"}
	case !hasMode:
		return a, nil
	}
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || bits > 0o777 || len(mode) < 3 || len(mode) > 4 {
		return a, &problem.Fault{Reason: "not the mode of a unix socket", Hint: "octal digits, such as unix:/run/gatehouse/gatehouse.sock|0660"}
	}
	a.Mode = fs.FileMode(bits)
	return a, nil
}
