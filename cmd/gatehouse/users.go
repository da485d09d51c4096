package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"gatehouse/auth/account"
	"gatehouse/config/settings"
	"gatehouse/internal/hint"
	"gatehouse/internal/server"
	"gatehouse/store"
)

func newUsers(t terminal, file *string) *cobra.Command {
	users := &cobra.Command{
		Use:   "users",
		Short: "Add, list and change users in the database",
		Long: "These commands use the store directly, with or without a running gateway.\n" +
			"USER is an e-mail or an id. Passwords come from a prompt, or from standard input when that is not a terminal.",
		Args: subcommand,
		RunE: showHelp,
	}
	users.AddCommand(
		newUsersAdd(t, file), newUsersList(t), newUsersShow(t), newUsersSetPassword(t),
		knownChange(t, file, "set-company USER COMPANY", "Move a user to a company, or to none", companyChange),
		knownChange(t, file, "set-role USER ROLE", "Give a user a role", roleChange),
		userChange(t, "disable USER", "Refuse a user from now on", 0, activeChange(false)),
		userChange(t, "enable USER", "Let a disabled user in again", 0, activeChange(true)),
		newUsersDelete(t), newUsersImport(t, file), newUsersExport(t),
	)
	return users
}

// withStore runs a function on the store of the settings, which must exist.
// With an empty one, created by mistake, the answer would be that there are no
// users.
func withStore(ctx context.Context, t terminal, do func(s settings.Settings, users store.Store) error) error {
	s, err := t.settings()
	if err != nil {
		return err
	}
	if path, isFile := strings.CutPrefix(s.DatabaseURL.Reveal(), "sqlite:"); isFile {
		path, _, _ = strings.Cut(path, "?")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return hint.With(fmt.Errorf("there is no database %s", path),
				"GATEWAY_DATABASE_URL names it; `gatehouse users add`, `migrate` and `serve` create it")
		}
	}
	return withNewStore(ctx, t, do)
}

// withNewStore is withStore for commands that may create the store.
func withNewStore(ctx context.Context, t terminal, do func(s settings.Settings, users store.Store) error) error {
	s, err := t.settings()
	if err != nil {
		return err
	}
	opened, _, err := server.OpenStore(ctx, s, commandStoreWait, discardLog())
	if err != nil {
		return err
	}
	defer opened.Close()
	return do(s, opened)
}

// findUser finds a user by e-mail or id.
func findUser(ctx context.Context, users store.Store, name string) (store.User, error) {
	find := func() (store.User, error) { return users.UserByEmail(ctx, name) }
	if id, err := uuid.Parse(name); err == nil {
		find = func() (store.User, error) { return users.UserByID(ctx, id) }
	}
	user, err := find()
	if errors.Is(err, store.ErrEmailAmbiguous) {
		return user, hint.With(fmt.Errorf("%q means more than one user", name),
			"`gatehouse migrate` names them; give the e-mail as it is stored, or the id")
	}
	if errors.Is(err, store.ErrNotFound) {
		return user, hint.With(fmt.Errorf("no user %q", name), "`gatehouse users list` shows all of them")
	}
	return user, err
}

func newUsersAdd(t terminal, file *string) *cobra.Command {
	cmd := &cobra.Command{
		Annotations: readsTableToo(),

		Use:     "add EMAIL",
		Short:   "Add a user",
		Example: "  gatehouse users add ann@example.com --name 'Ann Example'\n  printf '%s\\n' \"$PASSWORD\" | gatehouse users add ann@example.com",
		Args:    cobra.ExactArgs(1),
	}
	name := cmd.Flags().String("name", "", "full name")
	company := cmd.Flags().String("company", "", "company, a UUID")
	role := cmd.Flags().String("role", store.DefaultRole, "role")
	force := forceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		user := store.User{Email: args[0], Role: *role, Active: true}
		if err := account.CheckEmail(args[0]); err != nil {
			return fmt.Errorf("e-mail %q: %w", args[0], err)
		}
		if *name != "" {
			user.FullName = name
		}
		if *company != "" {
			id, err := parseCompany(*company)
			if err != nil {
				return err
			}
			user.CompanyID = id
		}
		known, err := knownIn(t, cmd, *file, *force)
		if err != nil {
			return err
		}
		if err := errors.Join(known.checkRole(*role), known.checkCompany(user.CompanyID)); err != nil {
			return err
		}
		return withNewStore(cmd.Context(), t, func(s settings.Settings, users store.Store) error {
			hash, err := readNewPassword(cmd.Context(), t, s)
			if err != nil {
				return err
			}
			user.HashedPassword = hash
			added, err := users.AddUser(cmd.Context(), user)
			if errors.Is(err, store.ErrEmailTaken) { // the API would answer 409
				return hint.With(fmt.Errorf("add %s: a user with this e-mail exists (409)", user.Email),
					"`gatehouse users set-password` changes the password of an existing user")
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(t.out, "added %s (%s)\n", added.Email, added.ID)
			return nil
		})
	}
	return cmd
}

func newUsersList(t terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the users by e-mail", Args: cobra.NoArgs}
	format := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
			if *format == "json" {
				return listJSON(cmd.Context(), t, users)
			}
			table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "EMAIL\tID\tCOMPANY\tROLE\tACTIVE\tLAST LOGIN")
			err := users.EachUser(cmd.Context(), func(u store.User) error {
				_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
					u.Email, u.ID, idOr(u.CompanyID), u.Role, yesNo(u.Active), timeOr(u.LastLogin))
				return err
			})
			return errors.Join(err, table.Flush())
		})
	}
	return cmd
}

func newUsersShow(t terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "show USER", Short: "Show one user", Args: cobra.ExactArgs(1)}
	format := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
			u, err := findUser(cmd.Context(), users, args[0])
			if err != nil {
				return err
			}
			if *format == "json" {
				return printJSON(t.out, publicUser(u))
			}
			table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			for _, row := range [][2]string{
				{"e-mail", u.Email},
				{"id", u.ID.String()},
				{"name", nameOr(u.FullName)},
				{"company", idOr(u.CompanyID)},
				{"role", u.Role},
				{"active", yesNo(u.Active)},
				{"created", timeOr(&u.CreatedAt)},
				{"updated", timeOr(&u.UpdatedAt)},
				{"last login", timeOr(u.LastLogin)},
			} {
				fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
			}
			return table.Flush()
		})
	}
	return cmd
}

func newUsersSetPassword(t terminal) *cobra.Command {
	return &cobra.Command{
		Use: "set-password USER", Short: "Give a user a new password", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), t, func(s settings.Settings, users store.Store) error {
				user, err := findUser(cmd.Context(), users, args[0])
				if err != nil {
					return err
				}
				hash, err := readNewPassword(cmd.Context(), t, s)
				if err != nil {
					return err
				}
				return applyChange(cmd.Context(), t, users, user, store.Change{HashedPassword: &hash})
			})
		},
	}
}

// userChange returns a command that changes one user. args is the number of
// arguments besides the user.
func userChange(t terminal, use, short string, args int, change func(args []string) (store.Change, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1 + args),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := change(args[1:])
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
				user, err := findUser(cmd.Context(), users, args[0])
				if err != nil {
					return err
				}
				return applyChange(cmd.Context(), t, users, user, wanted)
			})
		},
	}
}

func applyChange(ctx context.Context, t terminal, users store.Store, user store.User, change store.Change) error {
	changed, err := users.UpdateUser(ctx, user.ID, change)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "changed %s (%s)\n", changed.Email, changed.ID)
	return nil
}

func parseCompany(text string) (*uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("company %q is not a UUID: want one like 9b8f7e6d-5c4b-4a39-8877-665544332222, or none", text)
	}
	return &id, nil
}

func activeChange(active bool) func([]string) (store.Change, error) {
	return func([]string) (store.Change, error) { return store.Change{Active: &active}, nil }
}

func newUsersDelete(t terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "delete USER", Short: "Remove a user for good", Args: cobra.ExactArgs(1)}
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(cmd.Context(), t, func(_ settings.Settings, users store.Store) error {
			user, err := findUser(cmd.Context(), users, args[0])
			if err != nil {
				return err
			}
			if !*yes && !confirm(t, fmt.Sprintf("Delete %s (%s) for good?", user.Email, user.ID)) {
				return hint.With(errors.New("nothing was deleted"), "answer yes, or use --yes")
			}
			if err := users.DeleteUser(cmd.Context(), user.ID); err != nil {
				return err
			}
			fmt.Fprintf(t.out, "deleted %s (%s)\n", user.Email, user.ID)
			return nil
		})
	}
	return cmd
}

func idOr(id *uuid.UUID) string {
	if id == nil {
		return "-"
	}
	return id.String()
}

func nameOr(name *string) string {
	if name == nil {
		return "-"
	}
	return *name
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func timeOr(at *time.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return at.Format(time.RFC3339)
}
