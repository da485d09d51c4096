// Command gatehouse is a config-driven reverse proxy. Each command has a file.
// This file has main, which only sets the exit status, and run, which tests
// also call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/config/settings"
	"gatehouse/internal/hint"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // such as an invalid table, a refused start, an unknown user
	exitUsage   = 2 // the command line is wrong
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], terminal{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, environ: os.Environ(),
	}))
}

// terminal is the environment of a command.
type terminal struct {
	in     io.Reader
	out    io.Writer // for the command's result
	err    io.Writer // for messages: problems, progress, logs
	lookup settings.Lookup
	// environ lists the names that lookup knows, to find misspelt ones. It may
	// have entries of os.Environ.
	environ []string
}

// settings reads GATEWAY_* from the environment and .env.
func (t terminal) settings() (settings.Settings, error) {
	lookup, err := t.environment()
	if err != nil {
		return settings.Settings{}, err
	}
	return settings.Load(lookup)
}

// dotenv is the file with defaults for variables that are not set.
const dotenv = ".env"

// environment returns the process's environment, with .env for unset variables.
func (t terminal) environment() (settings.Lookup, error) {
	return settings.Environment(dotenv, t.lookup)
}

// run runs one command line and returns the exit status.
func run(ctx context.Context, args []string, t terminal) int {
	started := false
	root := newRoot(t)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("config") && cmd.Annotations[readsTable] == "" {
			return fmt.Errorf("%s uses no route table: omit --config", cmd.CommandPath())
		}
		started = true
		return nil
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !started && hint.Of(err) == "" {
		err = hint.With(err, fmt.Sprintf("usage: %s; `%s --help` says more", cmd.UseLine(), cmd.CommandPath()))
	}
	if said := new(reportedError); !errors.As(err, &said) {
		printError(t.err, err)
	}
	if usage := new(usageError); !started || errors.As(err, &usage) { // nothing ran
		return exitUsage
	}
	return exitFailure
}

// readsTable marks a command that uses --config.
const readsTable = "reads the route table"

// withTable marks a command that reads the table. It also accepts the file as
// an argument, because people try that first.
func withTable(cmd *cobra.Command, file *string) *cobra.Command {
	cmd.Annotations = map[string]string{readsTable: "yes"}
	if cmd.Args == nil {
		cmd.Use += " [FILE]"
		cmd.Args = func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one route table at a time, not %d", len(args))
			}
			if len(args) == 1 {
				*file = args[0]
			}
			return nil
		}
	}
	return cmd
}

// usageError is an error in the command line: status 2.
type usageError struct{ error }

// reportedError ends a command with status 1 after the command has printed why.
type reportedError struct{}

func (*reportedError) Error() string { return "the answer is no" }

func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "gatehouse: %v\n", err)
	if advice := hint.Of(err); advice != "" {
		fmt.Fprintf(w, "  hint: %s\n", advice)
	}
}

// newRoot returns the root command with all commands.
func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A config-driven reverse proxy with login built in",
		Long: "Gatehouse maps path prefixes to backends, each with an auth policy: one file, routes.yaml.\n" +
			"Settings come from GATEWAY_* in the environment or in .env; docs/settings.md lists them.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          showHelp,
		Version:       version,
	}
	root.SetVersionTemplate("gatehouse {{.Version}}\n")
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	var file string
	root.PersistentFlags().StringVarP(&file, "config", "c", "routes.yaml", "the route table")
	root.AddCommand(
		withTable(newServe(t, &file), &file), newDemo(t), withTable(newCheck(t, &file), &file),
		withTable(newRoutes(t, &file), &file), withTable(newExplain(t, &file), &file), withTable(newTest(t, &file), &file),
		newDiff(t), newSchema(t), newReload(t),
		newUsers(t, &file), newToken(t), newMigrate(t), newVersion(t),
	)
	return root
}

// subcommand refuses an unknown command, and suggests the one that was probably
// meant.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return hint.With(err, fmt.Sprintf("did you mean %q?", near[0]))
	}
	return hint.With(err, fmt.Sprintf("`%s --help` lists them", cmd.CommandPath()))
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
