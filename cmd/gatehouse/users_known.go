package main

// This file compares roles and companies that somebody types with those in the
// table. Otherwise a typing error would only be noticed by a user who cannot
// pass, or not at all.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/internal/hint"
	"gatehouse/store"
)

// known has the roles and companies of the table. When the table names none,
// every value is accepted: roles may belong to the backends, and companies to
// an operator.
type known struct {
	file      string
	roles     []string
	companies []string
}

func forceFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("force", false, "accept a role or company that the route table does not list")
}

// readsTableToo marks a command that reads the table for its roles and
// companies.
func readsTableToo() map[string]string { return map[string]string{readsTable: "yes"} }

// knownIn reads the roles and companies of the table. The default table may be
// missing, because these commands work without a gateway. In that case, and
// with --force, every value is accepted.
func knownIn(t terminal, cmd *cobra.Command, file string, force bool) (known, error) {
	named := cmd.Flags().Changed("config")
	if _, err := os.Stat(file); force || !named && errors.Is(err, fs.ErrNotExist) {
		return known{}, nil
	}
	table, err := t.load(file)
	if err != nil && named {
		return known{}, invalidTable(t, err)
	}
	if err != nil {
		fmt.Fprintf(t.err, "note: %s cannot be loaded, so roles and companies are not checked\n", file)
		return known{}, nil
	}
	s, err := t.settings()
	if err != nil {
		return known{}, err
	}
	k := known{file: table.File}
	for _, route := range table.Routes {
		k.roles = append(append(k.roles, route.Roles...), route.Claims["role"]...)
	}
	if len(k.roles) > 0 {
		k.roles = append(k.roles, store.DefaultRole)
	}
	if table.Users.Join != config.JoinAny && len(table.Users.Companies) > 0 {
		for _, company := range table.Users.Companies {
			k.companies = append(k.companies, company.String())
		}
		if s.DefaultCompanyID != uuid.Nil {
			k.companies = append(k.companies, s.DefaultCompanyID.String())
		}
	}
	return k, nil
}

// checkRole returns an error when no route requires the role; "" is the
// default.
func (k known) checkRole(role string) error {
	if role == "" || len(k.roles) == 0 || slices.Contains(k.roles, role) {
		return nil
	}
	return unknownWord(fmt.Errorf("no route of %s requires the role %q", k.file, role), role, k.roles)
}

// checkCompany returns an error when the company is not listed; nil means none.
func (k known) checkCompany(company *uuid.UUID) error {
	if company == nil || len(k.companies) == 0 || slices.Contains(k.companies, company.String()) {
		return nil
	}
	return unknownWord(fmt.Errorf("%s does not list the company %s", k.file, company), company.String(), k.companies)
}

// unknownWord adds a suggestion to an error, and how to use the word
// nevertheless.
func unknownWord(err error, word string, known []string) error {
	advice := problem.DidYouMean(word, known)
	if advice == "" {
		known = slices.Compact(slices.Sorted(slices.Values(known)))
		const shown = 10
		advice = "it names " + strings.Join(known[:min(len(known), shown)], ", ")
		if len(known) > shown {
			advice += ", …"
		}
	}
	return hint.With(err, advice+"; --force accepts it")
}

// knownChange returns a command that gives a user a role or company that the
// table may name.
func knownChange(t terminal, file *string, use, short string, change func(arg string, known known) (store.Change, error)) *cobra.Command {
	var (
		cmd   *cobra.Command
		force *bool
	)
	cmd = userChange(t, use, short, 1, func(args []string) (store.Change, error) {
		known, err := knownIn(t, cmd, *file, *force)
		if err != nil {
			return store.Change{}, err
		}
		return change(args[0], known)
	})
	cmd.Annotations = readsTableToo()
	force = forceFlag(cmd)
	return cmd
}

func companyChange(name string, known known) (store.Change, error) {
	if name == "none" {
		return store.Change{CompanyID: new(*uuid.UUID)}, nil
	}
	id, err := parseCompany(name)
	if err == nil {
		err = known.checkCompany(id)
	}
	return store.Change{CompanyID: &id}, err
}

func roleChange(role string, known known) (store.Change, error) {
	if strings.TrimSpace(role) == "" {
		return store.Change{}, errors.New("the role is empty: want a word, such as user or admin")
	}
	return store.Change{Role: &role}, known.checkRole(role)
}
