package account

// This file reads the bodies that the users endpoints get: bounded, and as one
// JSON object that can be understood in one way only.

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

// isJSONType reports whether a media type is application/json or a +json type (RFC
// 6839 section 3.1), or is not said.
func isJSONType(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	return mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// isEmpty reports whether there is no body, or a null that says so.
func (b body) isEmpty() bool {
	return len(b.content) == 0 || b.isJSON && string(bytes.TrimSpace(b.content)) == "null"
}

// form reads the body as an object.
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

// syntaxErrorAt returns the byte at which the text stops being one JSON value in
// UTF-8, or -1. encoding/json itself would take broken UTF-8.
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

// objectMembers returns the members of a valid JSON object by their exact names. A
// name that comes twice makes it nil, and tells where: whoever reads the
// object next might take the other one (RFC 8259 section 4).
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
