package basic

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/auth/account"
	"gatehouse/config/textfile"
)

// Users are the users of one htpasswd file.
type Users struct {
	file   string            // the path, under which failures are counted
	hashes map[string]string // by name
	cost   int               // the highest cost of the hashes
}

// Load reads an htpasswd file of at most 1 MiB. A relative path is below the folder, also
// when it is a link.
func Load(folder, path string) (*Users, error) {
	text, err := textfile.ReadTextBelow(folder, path)
	if err != nil {
		return nil, err
	}
	users, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	users.file = filepath.Join(folder, path)
	return users, nil
}

// parse parses an htpasswd file: lines `name:hash`, comments that begin with #, and empty
// lines. Errors name the line, and never repeat it.
func parse(text string) (*Users, error) {
	users := &Users{hashes: map[string]string{}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n\t ")
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		if err := checkEntry(name, hash, found); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if users.hashes[name] != "" {
			return nil, fmt.Errorf("line %d: the name is in the file twice", number)
		}
		users.hashes[name] = hash
		cost, _ := bcrypt.Cost([]byte(hash)) // checkEntry has read it
		users.cost = max(users.cost, cost)
	}
	if len(users.hashes) == 0 {
		return nil, errors.New("it has no users: add one with `htpasswd -B FILE NAME`")
	}
	return users, nil
}

// checkEntry checks one line of a file.
func checkEntry(name, hash string, found bool) error {
	switch {
	case !found:
		return errors.New("not an entry: want name:hash, as `htpasswd -B` writes it")
	case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("its name is empty, longer than %d bytes, or not text", maxName)
	}
	if err := account.CheckHash(hash); err != nil {
		return fmt.Errorf("%w; write it with `htpasswd -B`", err)
	}
	return nil
}

// maxName bounds a name, in bytes. It is logged.
const maxName = 255
