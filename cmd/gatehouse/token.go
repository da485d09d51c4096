package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/auth"
	"gatehouse/internal/server"
)

func newToken(t terminal) *cobra.Command {
	token := &cobra.Command{
		Use:   "token",
		Short: "Make tokens for trying out routes",
		Args:  subcommand,
		RunE:  showHelp,
	}
	token.AddCommand(newTokenIssue(t))
	return token
}

func newTokenIssue(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "issue USER",
		Short:   "Print a token for a user, like the one a login returns",
		Long:    "USER is an e-mail or an id. The token is signed with the gateway's own key: keep it as secret as a password.",
		Example: "  curl -H \"Authorization: Bearer $(gatehouse token issue ann@example.com)\" http://localhost:8080/api/v1/users/me",
		Args:    cobra.ExactArgs(1),
	}
	ttl := cmd.Flags().Duration("ttl", 0, "how long it is valid (default GATEWAY_TOKEN_TTL)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("ttl") && *ttl < time.Second { // a token counts seconds
			return &usageError{fmt.Errorf("--ttl %v: the token would have expired already: want a second or more", *ttl)}
		}
		s, err := t.settings()
		if err != nil {
			return err
		}
		if err := s.CheckSigning(); err != nil {
			return err
		}
		ring, err := server.SigningKeys(s)
		if err != nil {
			return err
		}
		opened, _, err := server.OpenStore(cmd.Context(), s, commandStoreWait, discardLog())
		if err != nil {
			return err
		}
		defer opened.Close()
		began := time.Now()
		user, err := findUser(cmd.Context(), opened, args[0])
		if err != nil {
			return err
		}
		if !user.Active {
			fmt.Fprintf(t.err, "note: %s is disabled: the token will be refused\n", user.Email)
		}
		if *ttl == 0 {
			*ttl = s.TokenTTL
		}
		issued, err := auth.NewSigner(ring, *ttl, time.Now).TokenFor(user, began)
		if err != nil {
			return err
		}
		fmt.Fprintln(t.out, issued)
		return nil
	}
	return cmd
}
