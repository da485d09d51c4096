package account

// This file reads the bodies of requests to the users endpoints. A body is
// bounded in size, and must be one JSON object with only one interpretation.

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"

	"gatehouse/internal/httperr"
)

// maxBodyBytes is far more than any of the endpoints needs.
const maxBodyBytes = 64 << 10

// body is the whole body of a request.
type body struct {
	content []byte
	isJSON  bool // by its Content-Type, or without one
}

// readBody reads at most maxBodyBytes.
func readBody(w http.ResponseWriter, r *http.Request) (body, *httperr.Error) {
	if r.ContentLength > maxBodyBytes {
		return body{}, httperr.BodyTooLarge
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return body{}, httperr.BodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return body{}, httperr.BodyTimeout
	case err != nil:
		return body{}, httperr.BodyMalformed.Because(err)
	}
	return body{content: content, isJSON: isJSONType(r.Header.Get("Content-Type"))}, nil
}

// isJSONType reports whether a media type is application/json, a +json type
// (RFC 6839 section 3.1), or missing.
func isJSONType(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	return mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// isEmpty reports whether the body is empty or the JSON value null.
func (b body) isEmpty() bool {
	return len(b.content) == 0 || b.isJSON && string(bytes.TrimSpace(b.content)) == "null"
}

// form reads the body as a JSON object.
func (b body) form() (*form, *httperr.Error) {
	if b.isEmpty() {
		return nil, invalidBody(problem(typeMissing, "Field required"))
	}
	notObject := problem(typeObject, "Input should be a valid dictionary or object to extract fields from")
	if !b.isJSON {
		return nil, invalidBody(notObject)
	}
	if at := syntaxErrorAt(b.content); at >= 0 {
		return nil, invalidBody(problem(typeJSON, "JSON decode error", at))
	}
	if !bytes.HasPrefix(bytes.TrimSpace(b.content), []byte("{")) {
		return nil, invalidBody(notObject)
	}
	fields, at := objectMembers(b.content)
	if fields == nil {
		return nil, invalidBody(problem(typeJSON, "JSON decode error", at))
	}
	return &form{fields: fields}, nil
}

// syntaxErrorAt returns the byte offset at which the text stops being one JSON
// value in UTF-8, or -1. encoding/json itself accepts invalid UTF-8.
func syntaxErrorAt(text []byte) int {
	var value json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, &value); errors.As(err, &syntax) {
		return int(syntax.Offset)
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// objectMembers returns the members of a valid JSON object by their exact
// names. When a name appears twice, fields is nil and at is the byte offset:
// the next reader of the object might use the other value (RFC 8259 section 4).
func objectMembers(object []byte) (fields map[string]json.RawMessage, at int) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, err := decoder.Token() // the opening brace
	fields = map[string]json.RawMessage{}
	for err == nil && decoder.More() {
		var name json.Token
		if name, err = decoder.Token(); err != nil {
			break
		}
		text, _ := name.(string)
		if _, twice := fields[text]; twice {
			return nil, int(decoder.InputOffset())
		}
		var value json.RawMessage
		err = decoder.Decode(&value)
		fields[text] = value
	}
	if err != nil { // not a valid object after all
		return nil, int(decoder.InputOffset())
	}
	return fields, 0
}
