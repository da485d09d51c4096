package account

// This file reads the fields of a body. It collects every problem, in the form
// that FastAPI returned to the front ends.

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"gatehouse/auth"
	"gatehouse/internal/httperr"

	"github.com/google/uuid"
)

// The types of problems.
const (
	typeMissing  = "missing"
	typeJSON     = "json_invalid"
	typeObject   = "model_attributes_type"
	typeString   = "string_type"
	typeTooShort = "string_too_short"
	typeTooLong  = "string_too_long"
	typeValue    = "value_error"
)

// problem describes a problem of the whole body, or of one place in it.
func problem(kind, message string, place ...any) httperr.FieldError {
	return httperr.FieldError{Type: kind, Loc: append([]any{"body"}, place...), Msg: message}
}

// invalidBody returns a refusal with all problems.
func invalidBody(problems ...httperr.FieldError) *httperr.Error {
	return &httperr.Error{Status: http.StatusUnprocessableEntity, Detail: "Request body is invalid.", Fields: problems}
}

// form is a JSON object whose fields are being read.
type form struct {
	fields   map[string]json.RawMessage
	problems []httperr.FieldError
}

// refusal returns the problems found so far as a refusal, or nil.
func (f *form) refusal() *httperr.Error {
	if len(f.problems) == 0 {
		return nil
	}
	return invalidBody(f.problems...)
}

func (f *form) addProblem(field, kind, message string) {
	f.problems = append(f.problems, problem(kind, message, field))
}

// text returns a required string.
func (f *form) text(field string) (text string, ok bool) {
	raw, present := f.fields[field]
	if !present {
		f.addProblem(field, typeMissing, "Field required")
		return "", false
	}
	var value *string // nil for null, which is not a string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		f.addProblem(field, typeString, "Input should be a valid string")
		return "", false
	}
	return *value, true
}

// email returns a required e-mail address, without surrounding space.
func (f *form) email(field string) string {
	text, ok := f.text(field)
	text = strings.TrimSpace(text)
	if ok && CheckEmail(text) != nil {
		f.addProblem(field, typeValue, ErrEmail.Error())
	}
	return text
}

// password returns a required password of a user. One that is too short for any
// user is a problem.
func (f *form) password(field string) string {
	text, ok := f.text(field)
	if ok && utf8.RuneCountInString(text) < minPasswordLength {
		f.addProblem(field, typeTooShort, messageShort)
	}
	return text
}

// newPassword returns a required password that meets the rules for new ones.
func (f *form) newPassword(field string) string {
	text, ok := f.text(field)
	if !ok {
		return ""
	}
	switch err := CheckNewPassword(text); {
	case errors.Is(err, ErrPasswordShort):
		f.addProblem(field, typeTooShort, messageShort)
	case errors.Is(err, ErrPasswordLong):
		f.addProblem(field, typeTooLong, messageLong)
	case err != nil:
		f.addProblem(field, typeValue, err.Error())
	}
	return text
}

var (
	messageShort = fmt.Sprintf("String should have at least %d characters", minPasswordLength)
	messageLong  = fmt.Sprintf("String should have at most %d bytes", maxPasswordBytes)
)

// optionalUUID returns a UUID, or nil when the field is absent or null.
func (f *form) optionalUUID(field string) *uuid.UUID {
	raw, present := f.fields[field]
	if !present || string(raw) == "null" {
		return nil
	}
	text, ok := f.text(field)
	if !ok {
		return nil
	}
	id, err := auth.ParseUUID(text)
	if err != nil {
		f.addProblem(field, typeValue, "value is not a valid UUID")
		return nil
	}
	return &id
}
