package main

import (
	"fmt"

	"gatehouse/proxy/explain"

	"github.com/spf13/cobra"
)

func newTest(t terminal, file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the tests listed in a route table",
		Long: "Runs the entries of `tests:` without sending anything. Every reload runs them, too, and refuses a table\n" +
			"that fails one. The exit status is 1 when one fails.",
	}
	format := formatFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		table, err := offlineTable(t, *file)
		if err != nil {
			return err
		}
		results := explain.Expectations(table)
		if *format == "json" {
			err = printJSON(t.out, testReports(results))
		} else {
			printTests(t, *file, results)
		}
		if err != nil {
			return err
		}
		for _, r := range results {
			if !r.Passed {
				return &reportedError{}
			}
		}
		return nil
	}
	return cmd
}

// testReport is one entry of `test --format json`.
type testReport struct {
	Source  string `json:"source"`
	Request string `json:"request"`
	As      string `json:"as"`
	Expect  string `json:"expect"`
	Got     string `json:"got"`
	Fine    bool   `json:"fine"`
	// Mismatches are the parts of the expectation that were not met.
	Mismatches []explain.Mismatch `json:"mismatches,omitempty"`
}

func testReports(results []explain.Expectation) []testReport {
	reports := make([]testReport, 0, len(results))
	for _, r := range results {
		reports = append(reports, testReport{r.Position.String(), r.Request, r.Who(), r.Want(), r.Got, r.Passed, r.Mismatches})
	}
	return reports
}

func printTests(t terminal, file string, results []explain.Expectation) {
	failed := 0
	for _, r := range results {
		if r.Passed {
			continue
		}
		failed++
		fmt.Fprintf(t.out, "%s: %s as %s: %s\n", r.Position, r.Request, r.Who(), r.Why())
	}
	switch {
	case len(results) == 0:
		fmt.Fprintf(t.out, "%s: no tests: write some under `tests:`\n", file)
	case failed > 0:
		fmt.Fprintf(t.out, "%s: %d of %s failed\n", file, failed, count(len(results), "test"))
	default:
		fmt.Fprintf(t.out, "%s: fine, %s\n", file, count(len(results), "test"))
	}
}
