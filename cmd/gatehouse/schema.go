package main

import (
	"github.com/spf13/cobra"

	"gatehouse/config/schema"
)

func newSchema(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a route table",
		Long: "Prints the JSON Schema (draft 2020-12) of routes.yaml, for editors: they complete keys and mark mistakes.\n" +
			"Name the file of the schema in the first line of the table:\n\n" +
			"  # yaml-language-server: $schema=routes.schema.json\n\n" +
			"A schema cannot express every rule; `gatehouse check` checks all of them.",
		Example: "  gatehouse schema > routes.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			written, err := schema.Generate()
			if err != nil {
				return err
			}
			_, err = t.out.Write(written)
			return err
		},
	}
}
