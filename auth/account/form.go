package account

// This file takes the fields out of a body and collects everything that is
// wrong with them, in the form that FastAPI gave it to the front ends.

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

// problem is about the body as a whole, or about one place in it.
func problem(kind, message string, place ...any) httperr.FieldError {
	return httperr.FieldError{Type: kind, Loc: append([]any{"body"}, place...), Msg: message}
}

// invalidBody answers with all that is wrong at once.
func invalidBody(problems ...httperr.FieldError) *httperr.Error {
	return &httperr.Error{Status: http.StatusUnprocessableEntity, Detail: "Request body is invalid.", Fields: problems}
}

// form is a JSON object on its way to be understood.
type form struct {
	fields   map[string]json.RawMessage
	problems []httperr.FieldError
}

// refusal is nil when nothing was wrong.
func (f *form) refusal() *httperr.Error {
	if len(f.problems) == 0 {
		return nil
	}
	return invalidBody(f.problems...)
}

func (f *form) addProblem(field, kind, message string) {
	f.problems = append(f.problems, problem(kind, message, field))
}

// text takes a string that must be there.
func (f *form) text(field string) (text string, ok bool) {
	raw, present := f.fields[field]
	if !present {
		f.addProblem(field, typeMissing, "Field required")
		return "", false
	}
	var value *string // nil for null, which is no string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		f.addProblem(field, typeString, "Input should be a valid string")
		return "", false
	}
	return *value, true
}

// email takes an address that must be there; space around it is forgiven.
func (f *form) email(field string) string {
	text, ok := f.text(field)
	text = strings.TrimSpace(text)
	if ok && CheckEmail(text) != nil {
		f.addProblem(field, typeValue, ErrEmail.Error())
	}
	return text
}

// password takes one that somebody has. Too short a one is nobody's.
func (f *form) password(field string) string {
	text, ok := f.text(field)
	if ok && utf8.RuneCountInString(text) < minPasswordLength {
		f.addProblem(field, typeTooShort, messageShort)
	}
	return text
}

// newPassword takes one that somebody wants to have.
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

// optionalUUID takes a UUID; nil when it is absent or null.
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
