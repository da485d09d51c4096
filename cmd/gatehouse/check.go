package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/ops"
	"gatehouse/proxy/explain"
)

// formatFlag adds --format to a command whose output programs may read.
func formatFlag(cmd *cobra.Command) *string {
	format := cmd.Flags().String("format", "text", "text or json")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *format != "text" && *format != "json" {
			return &usageError{fmt.Errorf("unknown format %q: want text or json", *format)}
		}
		return nil
	}
	return format
}

// printJSON writes a value as JSON, indented for people.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func newCheck(t terminal, file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report every problem in a route table",
		Long: "Reads the table as `serve` would, and prints every problem with its place. It connects to nothing.\n" +
			"The exit status is 1 when there is an error; warnings do not count.",
	}
	format := formatFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := t.load(*file)
		var problems problem.List
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		if cfg != nil {
			if problems, err = checkCompiled(cfg); err != nil {
				return err
			}
		}
		if *format == "json" {
			err = printJSON(t.out, checkReport(*file, cfg, problems))
		} else {
			err = printProblems(t.out, *file, cfg, problems)
		}
		if err != nil {
			return err
		}
		if problems.HasErrors() {
			return &reportedError{}
		}
		return nil
	}
	return cmd
}

// checkCompiled returns the warnings of a table that was read, and a problem for each
// route that cannot be compiled, each redirect into a loop, and each of its own tests that
// fails.
func checkCompiled(cfg *config.Config) (problem.List, error) {
	table, problems, err := inspect(cfg)
	if err != nil {
		return nil, err
	}
	return slices.Concat(cfg.Warnings, problems, explain.Loops(table), explain.Failures(table)).Sort(), nil
}

// report is the output of `check --format json`.
type report struct {
	File     string        `json:"file"`
	Valid    bool          `json:"valid"`
	Routes   int           `json:"routes"`
	Problems []ops.Problem `json:"problems"`
}

func checkReport(file string, cfg *config.Config, problems problem.List) report {
	r := report{File: file, Valid: !problems.HasErrors(), Problems: ops.Problems(problems)}
	if cfg != nil {
		r.Routes = len(cfg.Routes)
	}
	return r
}

func printProblems(w io.Writer, file string, cfg *config.Config, problems problem.List) error {
	if _, err := problems.WriteTo(w); err != nil {
		return err
	}
	if !problems.HasErrors() {
		fmt.Fprintf(w, "%s: fine, %s", file, count(len(cfg.Routes), "route"))
		if len(cfg.Included) > 0 {
			fmt.Fprintf(w, " in %s", count(1+len(cfg.Included), "file"))
		}
	} else {
		fmt.Fprintf(w, "%s: %s", file, count(len(problems.Errors()), "error"))
	}
	if warnings := len(problems.Warnings()); warnings > 0 {
		fmt.Fprintf(w, ", %s", count(warnings, "warning"))
	}
	fmt.Fprintln(w)
	return nil
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
