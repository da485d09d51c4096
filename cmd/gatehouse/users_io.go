package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/auth/account"
	"gatehouse/config/settings"
	"gatehouse/config/textfile"
	"gatehouse/store"
)

// maxImportLine bounds one user in an import file, in bytes.
const maxImportLine = 64 << 10

func newUsersExport(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print every user, one JSON object a line",
		Long: "Writes the users to standard output, with their hashed passwords, in the format of `users import`: for\n" +
			"a move from SQLite to PostgreSQL, or as a backup. Protect the file like the database.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
				encoder := json.NewEncoder(t.out)
				return users.EachUser(cmd.Context(), func(u store.User) error { return encoder.Encode(u) })
			})
		},
	}
}

func newUsersImport(t terminal, file *string) *cobra.Command {
	return &cobra.Command{
		Annotations: readsTableToo(),

		Use:   "import FILE",
		Short: "Add the users of an export file, or - for standard input",
		Long: "Reads one JSON object a line, as `users export` writes them. A user whose e-mail or id exists already is\n" +
			"reported and not changed; the others are added. The exit status is 1 when a line was not imported.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			known, err := knownIn(t, cmd, *file, false)
			if err != nil {
				return err
			}
			source := t.in
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				source = file
			}
			return withNewStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
				return importUsers(cmd.Context(), t, users, source, known)
			})
		},
	}
}

// importUsers adds one user per line, and reports each line that it cannot add.
func importUsers(ctx context.Context, t terminal, users store.Store, source io.Reader, known known) error {
	lines := bufio.NewScanner(source)
	lines.Buffer(make([]byte, 0, 4<<10), maxImportLine)
	added, refused, number := 0, 0, 0
	for lines.Scan() {
		number++
		line := lines.Bytes()
		var err error
		if number == 1 {
			if line, err = textfile.Clean(line); err != nil {
				return fmt.Errorf("read users: %w", err)
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		user, err := parseImport(line)
		if err == nil {
			_, err = users.AddUser(ctx, user)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			refused++
			fmt.Fprintf(t.err, "line %d: %s%v\n", number, nameOfUser(user), err)
			continue
		}
		added++
		if err := known.checkRole(user.Role); err != nil { // an export may have roles that only backends use
			fmt.Fprintf(t.err, "note: line %d: %s%v\n", number, nameOfUser(user), err)
		}
	}
	fmt.Fprintf(t.out, "added %s", count(added, "user"))
	if refused > 0 {
		fmt.Fprintf(t.out, ", left out %s", count(refused, "line"))
	}
	fmt.Fprintln(t.out)
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read line %d: %w", number+1, err)
	}
	if refused > 0 {
		return &reportedError{}
	}
	return nil
}

// nameOfUser returns the name of a line's user, if known.
func nameOfUser(user store.User) string {
	if user.Email == "" {
		return ""
	}
	return user.Email + ": "
}

// parseImport parses one user strictly: a misspelt key must not lose a value.
func parseImport(line []byte) (store.User, error) {
	user := store.User{Active: true}
	decoder := json.NewDecoder(strings.NewReader(string(line)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&user); err != nil {
		return user, fmt.Errorf("read user: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) { // a second user would be lost without an error
		return user, errors.New("read user: more follows the object: want one a line")
	}
	if err := account.CheckEmail(user.Email); err != nil {
		return user, fmt.Errorf("e-mail %q: %w", user.Email, err)
	}
	if err := account.CheckHash(user.HashedPassword); err != nil {
		return user, fmt.Errorf("hashed_password is %w", err)
	}
	return user, nil
}

// shownUser is a user without the hashed password.
type shownUser struct {
	store.User
	HashedPassword string `json:"hashed_password,omitempty"` // hides that of User
}

func publicUser(u store.User) shownUser { return shownUser{User: u} }

func listJSON(ctx context.Context, t terminal, users store.Store) error {
	list := []shownUser{}
	err := users.EachUser(ctx, func(u store.User) error {
		list = append(list, publicUser(u))
		return nil
	})
	if err != nil {
		return err
	}
	return printJSON(t.out, list)
}
