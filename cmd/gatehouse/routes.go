package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/ops"
)

func newRoutes(t terminal, file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "Print the route table in the order in which it matches",
	}
	format := formatFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		compiled, err := offlineTable(t, *file)
		if err != nil {
			return err
		}
		routes := ops.Routes(compiled.Ordered())
		if *format == "json" {
			return printJSON(t.out, routes)
		}
		table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "PREFIX\tMETHODS\tHOSTS\tAUTH\tROUTE\tTARGET\tSOURCE")
		for _, r := range routes {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				r.Prefix, listOr(r.Methods, "any"), listOr(r.Hosts, "any"), whoMayPass(r), r.Name, targetText(r), r.Source)
		}
		return table.Flush()
	}
	return cmd
}

// targetText returns where a route leads.
func targetText(r ops.RouteInfo) string {
	text := r.Target
	if r.SplitBy != "" {
		text += " by " + r.SplitBy
	}
	if r.Rewrite != "" {
		text += " as " + r.Rewrite
	}
	if r.Mirror != "" {
		text += ", copies " + r.Mirror
	}
	return text
}

// whoMayPass returns the policy of a route, the role and the claims that it
// requires, and where its clients must be.
func whoMayPass(r ops.RouteInfo) string {
	parts := []string{r.Auth}
	if len(r.Roles) > 0 {
		parts = append(parts, "role="+strings.Join(r.Roles, "|"))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		parts = append(parts, name+"="+strings.Join(r.Claims[name], "|"))
	}
	if len(r.AllowFrom) > 0 {
		parts = append(parts, "from "+strings.Join(r.AllowFrom, ","))
	}
	if len(r.DenyFrom) > 0 {
		parts = append(parts, "not from "+strings.Join(r.DenyFrom, ","))
	}
	return strings.Join(parts, " ")
}

func listOr(list []string, empty string) string {
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ",")
}
