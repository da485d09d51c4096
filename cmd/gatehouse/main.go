// Command gatehouse is a config-driven reverse proxy. One file a command; this
// one has main, which only sets the exit status, and run, which tests call too.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/config"
)

// Exit statuses.
const (
	exitFine  = 0
	exitNo    = 1 // the answer is no: an invalid table, a refused start, a user who is not there
	exitUsage = 2 // the command line makes no sense
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], terminal{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, environ: os.Environ(),
	}))
}

// terminal is all of the outside world that a command sees by itself.
type terminal struct {
	in     io.Reader
	out    io.Writer // what the command is asked for
	err    io.Writer // what is said about it: problems, progress, logs
	lookup config.Lookup
	// environ are the names that lookup knows, to find misspelt ones; entries
	// of os.Environ will do.
	environ []string
}

// settings reads GATEWAY_* from the environment and .env.
func (t terminal) settings() (config.Settings, error) {
	lookup, err := t.environment()
	if err != nil {
		return config.Settings{}, err
	}
	return config.LoadSettings(lookup)
}

// environment is the process's environment over that of .env.
func (t terminal) environment() (config.Lookup, error) {
	return config.Environment(".env", t.lookup)
}

// run executes one command line and gives the exit status.
func run(ctx context.Context, args []string, t terminal) int {
	started := false
	root := newRoot(t)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	if said := new(saidError); !errors.As(err, &said) {
		printError(t.err, err)
	}
	if !started { // cobra refused the command line before anything ran
		return exitUsage
	}
	return exitNo
}

// saidError ends a command with status 1 after it has said why by itself.
type saidError struct{}

func (*saidError) Error() string { return "the answer is no" }

// hintError is an error with advice: what failed, and what would be right.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// withHint adds advice to an error.
func withHint(err error, hint string) error { return &hintError{error: err, hint: hint} }

func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "gatehouse: %v\n", err)
	if advice := new(hintError); errors.As(err, &advice) {
		fmt.Fprintf(w, "  hint: %s\n", advice.hint)
	}
}

// newRoot makes the command tree.
func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A config-driven reverse proxy with login built in",
		Long: "Gatehouse maps path prefixes to backends, each with an auth policy: one file, routes.yaml.\n" +
			"Settings come from GATEWAY_* in the environment or in .env; see the README.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          showHelp,
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	var file string
	root.PersistentFlags().StringVarP(&file, "config", "c", "routes.yaml", "the route table")
	root.AddCommand(
		newServe(t, &file), newDemo(t), newCheck(t, &file), newRoutes(t, &file), newExplain(t, &file),
		newTest(t, &file), newDiff(t), newSchema(t), newReload(t),
		newUsers(t), newToken(t), newMigrate(t), newVersion(t),
	)
	return root
}

// subcommand refuses a word that names no command, and says which it may have
// been meant for.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return withHint(err, fmt.Sprintf("did you mean %q?", near[0]))
	}
	return withHint(err, fmt.Sprintf("`%s --help` lists them", cmd.CommandPath()))
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
