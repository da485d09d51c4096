package main

import (
	"fmt"
	"io"

	"gatehouse/proxy/explain"

	"github.com/spf13/cobra"
)

func newDiff(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two route tables: who may reach what, before and after",
		Long: "Compares the meaning, not the text. Changes that let more requests pass come first: a weaker policy, a route\n" +
			"that now matches requests of a stricter one, a limit on roles or methods that was removed.",
		Example: "  gatehouse diff routes.yaml routes-new.yaml --fail-on-weaker",
		Args:    cobra.ExactArgs(2),
	}
	failOnWeaker := cmd.Flags().Bool("fail-on-weaker", false, "exit with status 1 when a change lets more requests pass")
	format := formatFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		before, err := offlineTable(t, args[0])
		if err != nil {
			return err
		}
		after, err := offlineTable(t, args[1])
		if err != nil {
			return err
		}
		diff := explain.Compare(before, after)
		if *format == "json" {
			if err := printJSON(t.out, diff); err != nil {
				return err
			}
		} else {
			printDiff(t.out, diff)
		}
		if *failOnWeaker && len(diff.Weaker) > 0 {
			return &reportedError{}
		}
		return nil
	}
	return cmd
}

func printDiff(w io.Writer, d explain.Diff) {
	if d.Empty() {
		fmt.Fprintln(w, "no change")
		return
	}
	for _, part := range []struct {
		title, mark string
		lines       []string
	}{
		{"WEAKER", "!", d.Weaker}, {"added", "+", d.Added}, {"removed", "-", d.Removed}, {"changed", "~", d.Changed},
	} {
		for i, line := range part.lines {
			if i == 0 {
				fmt.Fprintln(w, part.title)
			}
			fmt.Fprintf(w, "  %s %s\n", part.mark, line)
		}
	}
}
