package sqlite

import (
	"context"
	"embed"

	"sightline/store/sqlitefile"
)

//go:embed migrations/*.sql
var migrations embed.FS

// openDatabase opens or creates the file ("SgLq"). Its one connection keeps the
// file locked until it is closed or its process ends, so a second process is
// refused; a restarted one waits for the lock of the one that is ending.
func openDatabase(ctx context.Context, path string) (*database, error) {
	kind := sqlitefile.Kind{
		What: "a queue", ApplicationID: 0x53674c71, Migrations: migrations, Explain: explain,
		Options: "_pragma=locking_mode(EXCLUSIVE)&_pragma=synchronous(FULL)",
	}
	db, err := kind.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return newDatabase(ctx, db)
}
