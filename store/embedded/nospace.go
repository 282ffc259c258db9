package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"sightline/store"
	"sightline/store/sqlitefile"
)

// write runs a change of the database and says so when there is no space for it.
// Memory is changed only after write succeeded.
func (x *Index) write(ctx context.Context, generation uint64, change func(context.Context, *sql.Tx) error) error {
	err := sqlitefile.InTransaction(ctx, x.db, func(held context.Context, tx *sql.Tx) error {
		if err := change(held, tx); err != nil {
			return err
		}
		return setGeneration(held, tx, generation)
	})
	return x.explain(err)
}

// explain adds what to do about a full disk.
func (x *Index) explain(err error) error {
	if !isNoSpace(err) {
		return err
	}
	return fmt.Errorf("the disk that holds %s is full: free space; searches go on: %w: %w", x.dir, store.ErrNoSpace, err)
}

// isNoSpace knows the errors that SQLite has for ENOSPC: the second is that of
// the WAL's index.
func isNoSpace(err error) bool {
	var failed *sqlite.Error
	if errors.As(err, &failed) {
		return failed.Code()&0xff == sqlite3.SQLITE_FULL || failed.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
	}
	return errors.Is(err, syscall.ENOSPC)
}
