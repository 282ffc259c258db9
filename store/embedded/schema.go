package embedded

import (
	"embed"

	"sightline/store/sqlitefile"
)

//go:embed migrations/*.sql
var migrations embed.FS

// catalogue is the kind of file that a catalogue is kept in ("SgLt").
func catalogue() sqlitefile.Kind {
	return sqlitefile.Kind{What: "a catalogue", ApplicationID: 0x53674c74, Migrations: migrations, Options: "_pragma=synchronous(FULL)"}
}
