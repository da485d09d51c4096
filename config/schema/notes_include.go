// This file has the notes about the keys of `include:`.

package schema

// includeNotes returns the notes about included files.
func includeNotes() map[string]note {
	return map[string]note{
		"include": {
			title: "Included files",
			description: "Files that belong to the table, relative to its folder. Each has routes, tests, and defaults for its own routes. " +
				"An entry with a prefix confines its files to an owner, such as a team.",
			examples: []any{[]string{"routes.d/*.yaml"}},
			notEmpty: true,
		},
		"include.files": {
			title:       "Files",
			description: "A path, or a pattern with *, ? and [a-z]. A pattern that matches no file is an error.",
			examples:    []any{"team-a/*.yaml"},
			required:    true,
			value:       includedFiles,
		},
		"include.allow_empty": {
			title:       "May match no file",
			description: "Whether the pattern may match no file.",
		},
		"include.prefix": {
			title:       "Confined to a prefix",
			description: "The files are an owner's: their routes and tests are at or below this path. They name only files of their own folder.",
			examples:    []any{"/team-a"},
			value:       prefixValue,
		},
		"include.auth": {
			title:       "Weakest policy",
			description: "The weakest policy that a route of the owner may have. It needs prefix.",
			value:       policyValue,
		},
		"include.variables": {
			title:       "Variables of the environment",
			description: "The variables that the owner's files may use as ${NAME}; no others. It needs prefix.",
			examples:    []any{[]string{"TEAM_A_URL"}},
			unique:      true,
			value:       variableName,
		},
	}
}

// includedFiles returns a schema for a path below the folder of the table.
func includedFiles() *schema {
	return &schema{Ref: ref("text").Ref, MinLength: 1, Not: &schema{Pattern: `^/|\*\*`}}
}

// variableName returns a schema for the name of a variable of the environment.
func variableName() *schema {
	return anyOf(&schema{Type: "string", Pattern: `^[A-Za-z_][A-Za-z0-9_]*$`, Not: &schema{Pattern: "^GATEWAY_"}}, ref("reference"))
}
