package main

// This file makes users and signs tokens for them, as a login would.

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// How many users there are, and tokens for them.
const (
	userCount  = 100
	tokenCount = 10_000
)

const (
	company = "9b8f7e6d-5c4b-4a39-8877-665544332222"
	// noPassword looks like a bcrypt hash, but no password has it.
	noPassword = "$2a$12$0000000000000000000000000000000000000000000000000000."
)

func userID(n int) string { return fmt.Sprintf("5f0c7a52-7d0e-4a6f-9b1d-%012d", n) }

func userEmail(n int) string { return fmt.Sprintf("user%d@example.com", n) }

// usersToImport are all users, one JSON object a line.
func usersToImport() ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for n := range userCount {
		err := encoder.Encode(map[string]any{
			"id": userID(n), "company_id": company, "email": userEmail(n),
			"hashed_password": noPassword, "role": "user", "is_active": true,
		})
		if err != nil {
			return nil, fmt.Errorf("encode user: %w", err)
		}
	}
	return lines.Bytes(), nil
}

// claims are those of a login, and an id that makes each token another one.
type claims struct {
	Subject string `json:"sub"`
	Company string `json:"company_id"`
	Email   string `json:"email"`
	ID      string `json:"jti"`
	Issued  int64  `json:"iat"`
	Expiry  int64  `json:"exp"`
}

// sign makes the n-th token (RFC 7519), good for a day.
func sign(secret string, n int, now time.Time) (string, error) {
	user := n % userCount
	payload, err := json.Marshal(claims{
		Subject: userID(user), Company: company, Email: userEmail(user), ID: fmt.Sprint(n),
		Issued: now.Unix(), Expiry: now.Add(24 * time.Hour).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil)), nil
}

func signAll(secret string, now time.Time) ([]string, error) {
	tokens := make([]string, tokenCount)
	for n := range tokens {
		token, err := sign(secret, n, now)
		if err != nil {
			return nil, err
		}
		tokens[n] = token
	}
	return tokens, nil
}
