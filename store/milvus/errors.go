package milvus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sightline/store"
)

// ErrUnavailable is wrapped by errors that say that Milvus does not answer. The
// call may be repeated.
var ErrUnavailable = errors.New("no answer from Milvus")

// unavailableError is for whoever started the program; what gRPC said is left
// to Unwrap, since "connection refused" in ten layers helps nobody.
type unavailableError struct {
	address string
	cause   error
}

func (e *unavailableError) Error() string {
	// gRPC has no type for it (1.85).
	if strings.Contains(e.cause.Error(), "authentication handshake failed") {
		return fmt.Sprintf("Milvus at %s and this program do not agree on TLS: name the file of its certificate's authority, or leave TLS out if it has none", e.address)
	}
	return fmt.Sprintf("Milvus at %s does not answer: start it or correct --milvus-addr", e.address)
}

func (e *unavailableError) Unwrap() []error {
	return []error{ErrUnavailable, store.ErrUnavailable, e.cause}
}

// statusError is what Milvus itself answered instead of a result.
type statusError struct {
	code      int32              // of Milvus 2.3 and newer
	legacy    commonpb.ErrorCode // the only one that the SDK looks at
	retriable bool
	reason    string
}

func (e *statusError) Error() string {
	const most = 300
	reason := strings.ToValidUTF8(e.reason, "?")
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	return fmt.Sprintf("Milvus refused (%d): %s", e.code, reason)
}

// checkStatus reads both codes. Milvus Lite leaves the old one at success when
// something unforeseen goes wrong, a full disk included, and so the SDK alone
// would take a lost write for a written one.
func checkStatus(st *commonpb.Status) error {
	legacy := st.GetErrorCode() //nolint:staticcheck // deprecated and still the only one that some refusals have
	if st.GetCode() == 0 && legacy == commonpb.ErrorCode_Success {
		return nil
	}
	return &statusError{code: st.GetCode(), legacy: legacy, retriable: st.GetRetriable(), reason: st.GetReason()}
}

// Codes of Milvus 2.3 to 2.6 (pkg/util/merr) and of Lite 3.2 (grpc/errors.py).
const (
	codeRateLimit          = 8
	codeCollectionNotFound = 100
	codeNotLoaded          = 101
)

func isNotLoaded(err error) bool {
	var st *statusError
	return errors.As(err, &st) && (st.code == codeNotLoaded || strings.Contains(st.reason, "call load()") || strings.Contains(st.reason, "not loaded"))
}

func isNotFound(err error) bool {
	var st *statusError
	return errors.As(err, &st) && (st.code == codeCollectionNotFound || st.legacy == commonpb.ErrorCode_CollectionNotExists)
}

// isTransient says whether the same call may succeed a little later.
func isTransient(err error) bool {
	var st *statusError
	if errors.As(err, &st) {
		return st.retriable || st.code == codeRateLimit || st.legacy == commonpb.ErrorCode_RateLimit
	}
	return status.Code(err) == codes.Unavailable
}

// explain turns the last error of a call into the project's words.
func explain(ctx context.Context, address string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var st *statusError
	switch code := status.Code(err); {
	case errors.As(err, &st):
		return st
	case code == codes.Unavailable, code == codes.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded):
		return &unavailableError{address: address, cause: err}
	case code == codes.Unauthenticated, code == codes.PermissionDenied:
		return fmt.Errorf("the token, or the user and password, for Milvus at %s are not accepted: %w", address, err)
	}
	return err
}
